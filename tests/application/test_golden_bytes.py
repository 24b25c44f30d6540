"""The stored bytes of every event class, pinned: a log written today loads for good.

A line of tests/golden/events.txt is a topic and the state that the log keeps. A new class
gets its line by COUNTERFOIL_WRITE_GOLDEN=1; a line that is there is never changed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import inspect

from application.codec import EventCodec, UnknownTopic, topic_of
from domain.aggregate import Event
from domain.streams import BY_TOPIC

GOLDEN = Path(__file__).parents[1] / "golden" / "events.txt"
STREAM = "0b5d6b0a-5a8c-7c11-8f2d-3a1f5b7c9d0e"
CODEC = EventCodec()


def golden() -> dict[str, bytes]:
    lines = GOLDEN.read_text("utf-8").splitlines() if GOLDEN.exists() else []
    return {topic: state.encode() for topic, state in (line.split("\t", 1) for line in lines)}


@pytest.mark.parametrize("topic", sorted(BY_TOPIC))
def test_stored_bytes_load_and_are_written_the_same(topic: str) -> None:
    # given
    if os.environ.get("COUNTERFOIL_WRITE_GOLDEN"):
        _write(topic)
    state = golden()[topic]
    # when
    event = CODEC.decode(topic, state, STREAM, 3)
    # then
    assert type(event) is BY_TOPIC[topic]
    assert (event.originator_id, event.originator_version) == (STREAM, 3)
    assert topic_of(event) == topic
    assert CODEC.encode(event) == state


def test_no_topic_has_gone() -> None:
    assert golden().keys() == BY_TOPIC.keys()


def test_a_topic_of_tomorrow_is_named() -> None:
    with pytest.raises(UnknownTopic, match=r"wallet\.painted"):
        CODEC.decode("wallet.painted", b"{}", STREAM, 1)


@dataclass(frozen=True)
class Painted(Event):
    """Of version 2: `color` was `colour`, and `coats` is new."""

    TOPIC: ClassVar[str] = "test.painted"
    class_version: ClassVar[int] = 2
    color: str
    coats: int

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["color"] = state.pop("colour")
        state["coats"] = 1


def test_an_old_version_is_upcast() -> None:
    # given
    codec = EventCodec((Painted,))
    now = datetime(2026, 1, 10, 10, tzinfo=UTC)
    old = b'{"timestamp":"2026-01-10T10:00:00Z","colour":"red"}'
    # when
    event = codec.decode("test.painted", old, STREAM, 1)
    # then
    assert event == Painted(STREAM, 1, now, "red", 1)
    new = codec.encode(event)
    assert new == (
        b'{"class_version":2,"timestamp":"2026-01-10T10:00:00Z","color":"red","coats":1}'
    )
    assert codec.decode("test.painted", new, STREAM, 1) == event


def test_events_of_one_topic_are_decoded_together_as_each_alone() -> None:
    # given two states, of which the second does not tell what has a default
    topic, told = "charge.settled", golden()["charge.settled"]
    short = {
        name: value
        for name, value in msgspec.json.decode(told).items()
        if name not in ("budgets", "lines", "adjustment")
    }
    less = msgspec.json.encode(short)
    # when
    first, second = CODEC.decode_all(topic, [told, less], ["a", "b"], [1, 2])
    # then
    assert (first, second) == (CODEC.decode(topic, told, "a", 1), CODEC.decode(topic, less, "b", 2))
    assert (second.originator_id, second.originator_version) == ("b", 2)
    completed = msgspec.json.decode(CODEC.encode(second))
    assert completed == {**short, "budgets": [], "lines": [], "adjustment": None}
    assert list(completed) == list(msgspec.json.decode(told))


@pytest.mark.parametrize("wrong", [b"{", b"{}", b"", b'{"timestamp":"now"}'])
def test_one_state_that_cannot_be_decoded_is_refused_among_others(wrong: bytes) -> None:
    # given
    right = golden()["charge.settled"]
    # when
    with pytest.raises(msgspec.DecodeError):
        CODEC.decode_all("charge.settled", [right, wrong, right], ["a", "b", "c"], [1, 1, 1])


def _write(topic: str) -> None:
    lines = golden()
    if topic not in lines:
        sample = _sample(inspect.type_info(BY_TOPIC[topic]), count(1), "event")
        event = msgspec.convert(
            {**sample, "originator_id": STREAM, "originator_version": 3}, BY_TOPIC[topic]
        )
        lines[topic] = CODEC.encode(event)
        GOLDEN.write_text(
            "".join(f"{each}\t{lines[each].decode()}\n" for each in sorted(lines)), "utf-8"
        )


def _sample(kind: inspect.Type, numbers: count[int], name: str) -> Any:
    match kind:
        case inspect.UnionType(types=several):
            return _sample(several[0], numbers, name)
        case inspect.DataclassType(fields=fields):
            return {field.name: _sample(field.type, numbers, field.name) for field in fields}
        case inspect.VarTupleType(item_type=item):
            return [_sample(item, numbers, name), _sample(item, numbers, name)]
        case inspect.TupleType(item_types=items):
            return [_sample(item, numbers, name) for item in items]
        case inspect.DictType():
            return {name: "text"}
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=members):
            return next(iter(members)).value
        case inspect.DateType():
            return date(2026, 1, 10)
        case inspect.DateTimeType():
            return datetime(2026, 1, 10, 10, 0, 0, 123_456, UTC)
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 10**21 + next(numbers)
        case _:
            return f"{name}-{next(numbers)}"
