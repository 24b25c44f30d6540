"""What the embedded server says when it cannot go on.

EmbeddedServerError         passes after the remedy it names
  EmbeddedServerTimeout     passes later: the server is still at work
"""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 20
_TAIL_BYTES = 8192


class EmbeddedServerError(Exception):
    """failed: one clause, what did not work. remedy: one sentence, what to do.

    log_tail: the last lines of the server's log or of the program that failed; may be empty.
    """

    def __init__(self, failed: str, remedy: str, log_tail: str = "") -> None:
        super().__init__(failed, remedy, log_tail)
        self.failed = failed
        self.remedy = remedy
        self.log_tail = log_tail

    def __str__(self) -> str:
        text = f"The embedded PostgreSQL: {self.failed}. {self.remedy}"
        return f"{text}\nIts log ends with:\n{self.log_tail}" if self.log_tail else text


class EmbeddedServerTimeout(EmbeddedServerError):
    """The wait is over, the work is not: the server goes on by itself."""


def last_lines(text: str) -> str:
    """The end of an output, TAIL_LINES lines at most."""
    return "\n".join(text.strip().splitlines()[-TAIL_LINES:])


def log_tail(log: Path) -> str:
    """The end of a log file; empty when there is none."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL_BYTES))
            return last_lines(stream.read().decode("utf-8", "replace"))
    except OSError:
        return ""
