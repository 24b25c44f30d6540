"""YAML as plain values that remember their lines.

Numbers stay the text that was written, so that 3.10 is exactly 3.10; `yes` and `no` are
words, not flags; a key that stands twice is an error. Neither tags nor aliases: a file says
what it means where it means it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]

_LARGEST = 4_000_000
_DEEPEST = 20
_PLAIN_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,14})", re.ASCII)


class BadYaml(Exception):
    """What is wrong, and in which line (from 1)."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Document:
    """`value`: mappings, lists, texts, flags and None; whole numbers are int, others text."""

    value: Any
    lines: dict[Path, int]

    def line_of(self, path: Sequence[str | int]) -> int:
        """Return the line of what lies at `path`, or of the nearest thing around it."""
        found = tuple(path)
        while found and found not in self.lines:
            found = found[:-1]
        return self.lines.get(found, 1)


def read(text: str) -> Document:
    """Raises BadYaml."""
    if len(text) > _LARGEST:
        raise BadYaml(1, f"the file is larger than {_LARGEST // 1_000_000} MB")
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                mark = event.start_mark
                line = mark.line + 1 if mark else 1
                raise BadYaml(line, "aliases are not taken: write it out")
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, error.problem or "is no YAML") from None
    except yaml.YAMLError as error:
        raise BadYaml(1, str(error).partition("\n")[0]) from None
    lines: dict[Path, int] = {}
    return Document({} if node is None else _value(node, (), lines), lines)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    line = lines[path] = node.start_mark.line + 1
    if len(path) > _DEEPEST:
        raise BadYaml(line, f"nested more than {_DEEPEST} levels deep")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, place), lines) for place, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    text: str = node.value
    if node.style is not None or node.tag == "!":
        return text
    if text in _PLAIN_WORDS:
        return _PLAIN_WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise BadYaml(line, "a key is a plain text")
        key: str = key_node.value
        if key in found:
            raise BadYaml(line, f"{key!r} stands twice")
        found[key] = _value(value_node, (*path, key), lines)
        lines[*path, key] = line
    return found
