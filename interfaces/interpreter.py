"""How Python is set in a process that serves."""

from __future__ import annotations

import gc
import sys

# Of a batch's objects none is a cycle: what the collector visits is all alive. What GraphQL
# leaves behind it frees in pauses of a few milliseconds; at 100 000 they were 30 to 100.
ALLOCATIONS_BETWEEN_COLLECTIONS = 30_000
# A thread that waits for the database is back within this, however busy the others are.
SWITCH_SECONDS = 0.0005


def tune_interpreter() -> None:
    """Collect rarely, and never what is there already; let threads take turns sooner."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)
