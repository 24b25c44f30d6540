"""What import-linter cannot say: of the library, the domain knows one module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parents[2] / "domain"


@pytest.mark.parametrize("path", sorted(DOMAIN.rglob("*.py")), ids=lambda path: path.stem)
def test_of_the_library_only_its_domain_module(path: Path) -> None:
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    named = {
        name
        for node in tree
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {name for name in named if name.split(".")[0] == "eventsourcing"} <= {
        "eventsourcing.domain"
    }
