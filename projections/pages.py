"""Pages of a list, and the cursors between them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Generic, TypeVar

Node = TypeVar("Node")

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_PLACE = re.compile(r"([a-z]+)((?::[0-9]{1,18})+)", re.ASCII)


class BadCursor(ValueError):
    """The cursor is none that this list gave."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Node]):
    """end_cursor: where the next page begins; None for an empty page."""

    nodes: list[Node]
    end_cursor: str | None
    has_next: bool


def cursor(listed: str, *place: int) -> str:
    """Return the opaque name of a place in the list called `listed`."""
    text = ":".join([listed, *map(str, place)])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(listed: str, length: int, after: str) -> tuple[int, ...]:
    """Return the place, `length` numbers, that a cursor of this list names.

    Raises BadCursor for anything but the very text of such a cursor.
    """
    if _CURSOR.fullmatch(after) and len(after) % 4 != 1:
        found = _PLACE.fullmatch(
            urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode("latin-1")
        )
        if found and found[1] == listed:
            numbers = tuple(int(number) for number in found[2].split(":")[1:])
            if len(numbers) == length and cursor(listed, *numbers) == after:
                return numbers
    raise BadCursor(f"not a cursor of {listed}")
