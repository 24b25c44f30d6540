"""What may go wrong that is neither an answer nor a refusal."""

from __future__ import annotations


class OutcomeUnknown(Exception):
    """The commit's fate could not be found out. Safe to send again."""


class StorageUnavailable(Exception):
    """The database does not answer; nothing was recorded. Safe to send again."""


class NotASandbox(Exception):
    """The tenant's clock is real: only a sandbox's can be advanced."""
