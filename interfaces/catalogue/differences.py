"""Where two versions of a product differ, a line each: path, what was, what shall be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Compare versions as files write them. A table is compared by its combinations."""
    return list(_compared(_by_name(before), _by_name(after), ""))


def _compared(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            below = f"{path}.{name}" if path else str(name)
            if name not in before:
                yield f"{below}: {_new(after[name])}"
            elif name not in after:
                yield f"{below}: {_told(before[name])} -> none"
            else:
                yield from _compared(before[name], after[name], below)
    elif before != after:
        yield f"{path}: {_told(before)} -> {_told(after)}"


def _by_name(value: Any) -> Any:
    """Return lists as mappings: rows by what they match, others by their place."""
    if isinstance(value, Mapping):
        return {name: _by_name(each) for name, each in value.items()}
    if not isinstance(value, list | tuple):
        return value
    named: dict[str, Any] = {}
    for place, each in enumerate(value):
        if isinstance(each, Mapping) and isinstance(each.get("match"), Mapping):
            rest = {name: _by_name(said) for name, said in each.items() if name != "match"}
            said = ",".join(f"{name}={each['match'][name]}" for name in sorted(each["match"]))
            named[f"[{said}]"] = rest
        else:
            named[f"[{place}]"] = _by_name(each)
    return named


def _new(value: Any) -> str:
    return "new" if isinstance(value, Mapping) else f"none -> {_told(value)}"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return "what it was"
    return str(value).lower() if isinstance(value, bool) else str(value)
