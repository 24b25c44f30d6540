"""What becomes of a command, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from application.caller import Caller
from application.commands.answers import Answer
from application.commands.requests import Command
from domain.refusals import Refusal


@dataclass(slots=True)
class Outcome:
    """Exactly one of answer, refusal and error. `position`: of the log, that it reflects."""

    answer: Answer | None
    refusal: Refusal | None
    position: int
    error: Exception | None = None


Decision = Answer | Refusal | Exception
Item = tuple[Caller, Command]
Stage = Literal["decide", "commit"]
StageTold = Callable[[Stage, Sequence[Item], float], None]
"""Told which stage these commands have passed together, and its seconds."""
SettledTold = Callable[[Sequence[Item], Sequence[Outcome]], None]
"""Told how commands were answered, each in its place; before whoever waits is."""
Deliver = Callable[[list[Outcome]], None]


def outcome_of(decision: Decision, position: int) -> Outcome:
    if not isinstance(decision, Exception):
        return Outcome(decision, None, position)
    if isinstance(decision, Refusal):
        return Outcome(None, decision, position)
    return Outcome(None, None, position, decision)
