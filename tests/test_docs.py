"""What is promised in docs/ is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interfaces.reference import DOCS, WRITERS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_references_are_current(name: str) -> None:
    """Every event, setting and command stands there; else: python -m interfaces.reference."""
    assert (DOCS / name).read_text("utf-8") == WRITERS[name]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []
