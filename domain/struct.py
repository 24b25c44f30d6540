"""Values that are made anew for each charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["struct"]

if TYPE_CHECKING:
    from dataclasses import dataclass as struct
else:
    from dataclasses import dataclass

    def struct(*, frozen: bool, slots: bool):  # noqa: ARG001
        """Make a dataclass that the type checker holds to be frozen. At run time it is not: a
        frozen one takes six times as long to make.
        """
        return dataclass(slots=slots, unsafe_hash=True)
