"""Events as the log keeps them: readable UTF-8 JSON with a fixed order of fields.

Stream and version stand in columns of their own. A state of a later class version begins
with that version; an older state is upcast step by step before it is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from application.storage.recorder import Rows
from domain.aggregate import Event
from domain.streams import EVENT_CLASSES

_VERSIONED = b'{"class_version":'

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
        self._decoders = {
            topic: msgspec.json.Decoder(cls, float_hook=Decimal).decode
            for topic, cls in self._classes.items()
        }

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
        decode = self._decoders.get(topic)
        if decode is None:
            raise UnknownTopic(topic)
        if self._classes[topic].class_version > 1 or state.startswith(_VERSIONED):
            state = self._upcast(topic, state)
        event: Event = decode(
            b'{"originator_id":"%b","originator_version":%d,%b'
            % (originator_id.encode(), originator_version, state[1:])
        )
        return event

    def _upcast(self, topic: str, state: bytes) -> bytes:
        event_class = self._classes[topic]
        fields: dict[str, Any] = _decode_any(state)
        version = fields.pop("class_version", 1)
        while version < event_class.class_version:
            getattr(event_class, f"upcast_v{version}_v{version + 1}")(fields)
            version += 1
        return _encode(fields)


def topic_of(event: Event) -> str:
    """Return the name under which the log keeps an event of this class."""
    return str(type(event).__dict__["TOPIC"])
