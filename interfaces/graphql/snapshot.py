"""The served schema as text: `python -m interfaces.graphql.snapshot` writes it down."""

from __future__ import annotations

from pathlib import Path

from interfaces.graphql.schema import schema

PATH = Path(__file__).parents[2] / "docs" / "schema.graphql"


def served() -> str:
    return f"{schema.as_str().rstrip()}\n"


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(served(), "utf-8")
