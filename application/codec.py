"""Events as the log keeps them: readable UTF-8 JSON with a fixed order of fields.

Stream and version stand in columns of their own. A state of a later class version begins
with that version; an older state is upcast step by step before it is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any, NotRequired, TypedDict, get_type_hints

import msgspec

from application.storage.recorder import Rows
from domain.aggregate import Event
from domain.streams import EVENT_CLASSES

# A number in what a client said is read as it was written, never as a float.
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_any = msgspec.json.Decoder(float_hook=Decimal).decode


class UnknownTopic(Exception):
    """The log holds an event that this version of the ledger does not know."""


class EventCodec:
    """Encodes and decodes the given event classes by their topics."""

    def __init__(self, classes: tuple[type[Event], ...] = EVENT_CLASSES) -> None:
        self._classes = {str(cls.__dict__["TOPIC"]): cls for cls in classes}
        self._topics = {cls: topic for topic, cls in self._classes.items()}
        self._states = {topic: _States(cls) for topic, cls in self._classes.items()}

    def encode(self, event: Event) -> bytes:
        """Return the state of an event: its fields, without stream and version."""
        rows = Rows()
        self.add(rows, (event,))
        return rows.states[0]

    def add(self, rows: Rows, events: Iterable[Event]) -> None:
        """Add events to rows, all but whose they are and who caused them."""
        topics, encode = self._topics, _encode
        for event in events:
            fields = event.__dict__.copy()
            rows.originators.append(fields.pop("originator_id"))
            rows.versions.append(fields.pop("originator_version"))
            rows.topics.append(topics[type(event)])
            rows.recorded_at.append(event.timestamp)
            if event.class_version > 1:
                fields = {"class_version": event.class_version, **fields}
            rows.states.append(encode(fields))

    def decode(
        self, topic: str, state: bytes, originator_id: str, originator_version: int
    ) -> Event:
        """Return the event. Raises UnknownTopic, msgspec.DecodeError."""
        return self.decode_all(topic, (state,), (originator_id,), (originator_version,))[0]

    def decode_all(
        self,
        topic: str,
        states: Sequence[bytes],
        originator_ids: Sequence[str],
        originator_versions: Sequence[int],
    ) -> list[Event]:
        """Return events of one topic. Raises what `decode` raises, if only for one of them."""
        of_topic = self._states.get(topic)
        if of_topic is None:
            raise UnknownTopic(topic)
        if self._classes[topic].class_version > 1:
            states = [self._upcast(topic, state) for state in states]
        return of_topic.events(states, originator_ids, originator_versions)

    def _upcast(self, topic: str, state: bytes) -> bytes:
        event_class = self._classes[topic]
        fields: dict[str, Any] = _decode_any(state)
        version = fields.pop("class_version", 1)
        while version < event_class.class_version:
            getattr(event_class, f"upcast_v{version}_v{version + 1}")(fields)
            version += 1
        return _encode(fields)


class _States:
    """Decodes states of one event class, many in one call.

    What is decoded is the event's own dict, as a typed dict: of a dataclass the fields are set
    one by one, which takes half as long again.
    """

    def __init__(self, event_class: type[Event]) -> None:
        self._event_class = event_class
        types = get_type_hints(event_class)
        stated = [each for each in fields(event_class) if each.name not in _COLUMNS]
        self._names = [each.name for each in stated]
        self._defaults = {each.name: each.default for each in stated if each.default is not MISSING}
        typed_dict: Any = TypedDict
        of_state: Any = typed_dict(
            event_class.__name__,
            {
                name: NotRequired[types[name]] if name in self._defaults else types[name]
                for name in self._names
            },
        )
        of_several: Any = list[of_state]
        self._decode = msgspec.json.Decoder(of_several, float_hook=Decimal).decode

    def events(
        self,
        states: Sequence[bytes],
        originator_ids: Sequence[str],
        originator_versions: Sequence[int],
    ) -> list[Event]:
        event_class, new, several = self._event_class, object.__new__, len(self._names)
        decoded: list[dict[str, Any]] = self._decode(b"[%b]" % b",".join(states))
        events: list[Event] = []
        for stated, originator_id, version in zip(
            decoded, originator_ids, originator_versions, strict=True
        ):
            told = stated if len(stated) == several else self._completed(stated)
            told["originator_id"] = originator_id
            told["originator_version"] = version
            event = new(event_class)
            event.__dict__ = told
            events.append(event)
        return events

    def _completed(self, stated: dict[str, Any]) -> dict[str, Any]:
        """Return all fields in their order, those that the state does not tell by default."""
        told = self._defaults | stated
        return {name: told[name] for name in self._names}


_COLUMNS = ("originator_id", "originator_version")


def topic_of(event: Event) -> str:
    """Return the name under which the log keeps an event of this class."""
    return str(type(event).__dict__["TOPIC"])
