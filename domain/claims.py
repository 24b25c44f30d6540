"""What must be unique and is no aggregate: idempotency keys, payment references.

A claim is a stream with one event, whose id derives from tenant, kind and key: the log's
own key is the only guard there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from domain.aggregate import Aggregate, Event


@dataclass(frozen=True)
class Claimed(Event):
    """content: what the client said, by value. made: the ids of what was made of it."""

    TOPIC: ClassVar[str] = "claim.claimed"
    kind: str
    key: str
    content: dict[str, Any]
    made: dict[str, str]
    private: dict[str, Any]

    def apply(self, aggregate: Claim) -> None:
        aggregate.content = {**self.content, **self.private}
        aggregate.made = self.made


class Claim(Aggregate):
    TOPIC = "claim"
    content: dict[str, Any]
    made: dict[str, str]


def difference(
    before: dict[str, Any], now: dict[str, Any], *, both: tuple[str, ...] = ()
) -> str | None:
    """Return the first field in which two contents differ; None if they are the same.

    both: fields that compare only when both sides said them.
    """
    for field, said in now.items():
        was = before.get(field)
        if field in both and (was is None or said is None):
            continue
        if was != said and _exact(was) != _exact(said):
            return field
    return None


def _exact(value: Any) -> Any:
    """Return JSON with its numbers as they were written: the log reads them exactly."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(each) for each in value]
    return value
