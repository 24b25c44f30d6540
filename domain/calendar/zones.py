"""Time zones, by the tables of the `tzdata` package: never by the machine's own.

The tables are constants of a version, read once a zone; two servers that are locked to one
version draw the same boundaries, whatever their systems know.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files
from zoneinfo import ZoneInfo

TZDATA_VERSION: str = import_module("tzdata").IANA_VERSION
ZONE_NAMES = frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split()) - {"Factory"}


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the rules of the zone; `name` is one of ZONE_NAMES."""
    assert name in ZONE_NAMES
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as table:
        return ZoneInfo.from_file(table, key=name)
