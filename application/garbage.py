"""How often Python looks for cycles of objects that nobody needs any more.

What a command makes is part of none: it goes when it is let go of. So what commands on their
way make is left out of the count; else every batch of many would be visited, all of it alive.
"""

from __future__ import annotations

import gc

# What GraphQL leaves behind is freed in pauses of a few milliseconds; at 100 000 they were
# 30 to 100.
ALLOCATIONS_BETWEEN_COLLECTIONS = 30_000
OBJECTS_OF_A_COMMAND = 16


def collect_beside(commands: int) -> None:
    """Collect rarely: after so many allocations beside those of `commands` on their way."""
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS + OBJECTS_OF_A_COMMAND * commands, 20, 50)
