"""Where a tenant lives: a logical shard, which is a PostgreSQL schema with its own log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """`number` names schema, notification channel and the writers' advisory lock."""

    number: int = 0

    @property
    def schema(self) -> str:
        return f"ledger_{self.number:02d}"

    @property
    def channel(self) -> str:
        return self.schema

    @property
    def folded_channel(self) -> str:
        """Of the notifications that its read models have moved."""
        return f"{self.schema}_folded"

    @property
    def lock_key(self) -> int:
        """Of the lock that a writer holds until its commit: "CF", then the shard."""
        return 0x4346_0000 + self.number

    @property
    def due_work_lease(self) -> int:
        """Of the lease of whoever writes due work."""
        return 0x4346_4457_0000 + self.number


FIRST_SHARD = Shard()
