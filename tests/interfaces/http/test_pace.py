"""How fast usage in bulk is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import pytest

from interfaces.http import pace
from interfaces.http.pace import Pace


@dataclass
class Stands:
    position: int
    behind_seconds: float
    stopped: object | None = None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LOOK_EVERY_SECONDS", 0.001)


def looks_until_let(tell: Callable[[int], list[Stands]], patience_seconds: float = 60) -> int:
    """Return how often a batch looks before it is let through. tell: of the number of looks."""
    looks = 0

    def health() -> list[Stands]:
        nonlocal looks
        looks += 1
        return tell(looks)

    asyncio.run(Pace(health).keep(patience_seconds))
    return looks


def test_who_follows_is_not_waited_for() -> None:
    assert looks_until_let(lambda _: [Stands(10, 0.0), Stands(9, 0.7)]) == 1


def test_who_is_behind_is_waited_for_while_he_comes_closer() -> None:
    def tell(looks: int) -> list[Stands]:
        return [Stands(100, 0.0), Stands(10 * looks, 2.0 if looks < 5 else 0.1)]

    assert looks_until_let(tell) == 5


def test_who_has_stopped_holds_nothing_up() -> None:
    assert looks_until_let(lambda _: [Stands(100, 0.0), Stands(5, 999.0, "an event")]) == 1


def test_who_stands_still_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "AT_A_STANDSTILL_SECONDS", 0.0)
    assert looks_until_let(lambda _: [Stands(0, 999.0)]) == 1


def test_patience_ends() -> None:
    assert looks_until_let(lambda looks: [Stands(looks, 999.0)], patience_seconds=0) == 1


def test_a_database_that_is_away_holds_nothing_up() -> None:
    def tell(_: int) -> list[Stands]:
        raise psycopg.OperationalError

    assert looks_until_let(tell) == 1
