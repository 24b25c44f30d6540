"""How Python is set in a process that serves."""

from __future__ import annotations

import gc
import sys

from application.garbage import collect_beside

# A thread that waits for the database is back within this, however busy the others are.
SWITCH_SECONDS = 0.0005


def tune_interpreter() -> None:
    """Collect rarely, and never what is there already; let threads take turns sooner."""
    gc.collect()
    gc.freeze()
    collect_beside(commands=0)
    sys.setswitchinterval(SWITCH_SECONDS)
