"""A month of usage drawn from a seed, and a client that reports it until it is acknowledged.

As a program, `python -m tests.scenarios.backfill URL KEY FILE`: it sends the lines of a file,
tells of each batch by a line of its own, how many of it were new, and sends what was not
answered again, however often the server goes away.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import TypeVar

import httpx

DAYS = 30
ENDS = datetime(2026, 2, 10, tzinfo=UTC)
METERS = ("tokens", "calls", "images", "storage", "users")
LINES_A_BATCH = 500
PATIENCE_SECONDS = 120

T = TypeVar("T")


def month_of(events: int, customers: int, random: Random) -> list[dict[str, object]]:
    """Return usage of a month, in the order in which it occurred, no two at one time."""
    seconds = sorted(random.sample(range(DAYS * 86_400), events))
    return [
        {
            "eventId": f"e{number}",
            "customer": f"c{random.randrange(customers)}",
            "meter": random.choice(METERS),
            "quantity": str(random.randrange(1, 40)),
            "properties": {"user": f"u{random.randrange(4)}"},
            "occurredAt": f"{ENDS - timedelta(seconds=DAYS * 86_400 - second):%Y-%m-%dT%H:%M:%SZ}",
        }
        for number, second in enumerate(seconds)
    ]


def parts_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while part := list(islice(remaining, size)):
        yield part


def report(url: str, key: str, lines: Iterable[str]) -> Iterator[int]:
    """Send every line until it is settled or replayed; yield of each batch how many settled."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for batch in parts_of(lines, LINES_A_BATCH):
            settled, unanswered = 0, batch
            deadline = time.monotonic() + PATIENCE_SECONDS
            while unanswered:
                assert time.monotonic() < deadline, f"not answered: {unanswered[0]}"
                outcomes = ["unknown"] * len(unanswered)
                with suppress(httpx.HTTPError, ValueError, KeyError):
                    answer = client.post("/v1/usage", content="\n".join(unanswered))
                    outcomes = [result["outcome"] for result in answer.json()["results"]]
                if not set(outcomes) & {"settled", "replayed"}:
                    time.sleep(0.1)
                assert not set(outcomes) & {"refused", "invalid"}, answer.text
                settled += outcomes.count("settled")
                unanswered = [
                    line
                    for line, outcome in zip(unanswered, outcomes, strict=True)
                    if outcome == "unknown"
                ]
            yield settled


def lines_of(events: Iterable[dict[str, object]]) -> list[str]:
    return [json.dumps(event) for event in events]


if __name__ == "__main__":
    url, key, file = sys.argv[1:]
    with Path(file).open(encoding="utf-8") as lines:
        for settled in report(url, key, (line.rstrip("\n") for line in lines)):
            sys.stdout.write(f"{settled}\n")
            sys.stdout.flush()
