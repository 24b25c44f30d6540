"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int) -> str:
    """12345 -> 12 345."""
    return f"{number:,}".replace(",", " ")


def decimal(text: str, places: int) -> str:
    """Return an exact decimal with its whole part in groups, cut to `places` at most."""
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("-").partition(".")
    fraction = fraction[:places].rstrip("0")
    grouped = counted(int(whole))
    return f"{sign}{grouped}.{fraction}" if fraction else f"{sign}{grouped}"


def lines_of(rows: Iterable[tuple[str, str]], indent: int = 2) -> str:
    """Return label and text, a line each, the texts one under the other."""
    pairs = list(rows)
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"{' ' * indent}{label:<{width}}  {text}".rstrip() for label, text in pairs)
