"""Typesetting: a document's data in, the bytes of a PDF/A out, the same for the same data.

Fonts are those in the compiler; data goes in as an input, never as source. A character that
no font has is shown by its number in Unicode, and the document says so.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

TEMPLATES = Path(__file__).parent
STANDARD: typst.PDFStandard = "a-3b"
CANNOT_SHOW = (
    "Characters that our fonts do not have are shown by their Unicode numbers, as [U+4E2D]."
)

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_PROBE = "probe.typ"


class Typesetter:
    """Safe to use from several threads; one document at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
        self._shown: dict[str, bool] = {}

    def pdf(self, template: str, data: dict[str, Any], made_at: datetime) -> bytes:
        """Return the document. made_at: its fixed date of creation; `notes` tells of what no
        font has.
        """
        with self._lock:
            try:
                return self._compile(template, data, made_at)
            except typst.TypstError:
                unknown = {each for each in _characters(data) if not self._can_show(each)}
                if not unknown:
                    raise
            data = _replaced(data, unknown)
            data["notes"] = [*data["notes"], CANNOT_SHOW]
            return self._compile(template, data, made_at)

    def _can_show(self, character: str) -> bool:
        if character.isascii():
            return True
        known = self._shown.get(character)
        if known is None:
            known = self._shown[character] = self._probe(character)
        return known

    def _probe(self, character: str) -> bool:
        try:
            self._compile(_PROBE, character, _LONG_AGO)
        except typst.TypstError:
            return False
        return True

    def _compile(self, template: str, data: Any, made_at: datetime) -> bytes:
        return typst.compile(
            TEMPLATES / template,
            root=TEMPLATES,
            font_paths=self._fonts,
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            pdf_standards=[STANDARD],
            timestamp=int(made_at.timestamp()),
        )


def _characters(data: Any) -> set[str]:
    if isinstance(data, str):
        return set(data)
    if isinstance(data, dict):
        return set().union(*(_characters(each) for each in data.values()))
    if isinstance(data, list):
        return set().union(*(_characters(each) for each in data))
    return set()


def _replaced(data: Any, unknown: set[str]) -> Any:
    if isinstance(data, str):
        return "".join(f"[U+{ord(each):04X}]" if each in unknown else each for each in data)
    if isinstance(data, dict):
        return {key: _replaced(each, unknown) for key, each in data.items()}
    if isinstance(data, list):
        return [_replaced(each, unknown) for each in data]
    return data
