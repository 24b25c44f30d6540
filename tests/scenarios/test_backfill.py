"""R27: a month of usage, out of order, thrice, by four clients, through a kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec
import pytest

from application.caller import Caller
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PublishProductVersion,
    SetDefaultProduct,
    TierSaid,
)
from application.commands.requests import Command, CreateCustomer, IssueGrant
from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from domain.metering.meter import Aggregation
from domain.usage.events import ChargeCredited, ChargeSettled
from interfaces.http.usage_items import UsageItem
from interfaces.runtime import DATABASE, Runtime
from interfaces.settings import Settings
from tests.books import Books
from tests.catalogue import said_price
from tests.scenarios.backfill import ENDS, METERS, lines_of, month_of, parts_of
from tests.scenarios.crashing import KEY, check_replay, served

CLIENTS, TIMES = 4, 3
CUSTOMERS = 1_000
ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles")
CLOCK = {"COUNTERFOIL_SANDBOX": "1", "COUNTERFOIL_TEST_CLOCK": f"{ENDS:%Y-%m-%dT%H:%M:%SZ}"}
# Prices by which a cycle comes to the same in whatever order its events arrive.
PRICES = (
    said_price(
        "tokens",
        "GRADUATED",
        free="10",
        cap="9.50",
        tiers=(TierSaid("0.10", "50"), TierSaid("0.081", flat_fee="0.7")),
    ),
    said_price("calls", "PACKAGE", package_size="25", unit_price="1.10"),
    said_price("images", "VOLUME", tiers=(TierSaid("0.2", "45"), TierSaid("0.11"))),
    said_price("storage", "UNIT", unit_price="0.000000003"),
    said_price("users", "UNIT", unit_price="2.5"),
)
AGGREGATIONS = {
    "storage": (Aggregation.MAX, None),
    "users": (Aggregation.UNIQUE, "user"),
}
CHARGES = """
SELECT state ->> 'customer_id', line ->> 'price', line ->> 'starts_at',
       sum((line ->> 'amount_units')::numeric), count(*)
FROM (SELECT convert_from(state, 'UTF8')::jsonb AS state FROM ledger_00.events
      WHERE topic IN ('charge.settled', 'charge.credited')) AS charge
CROSS JOIN LATERAL jsonb_array_elements(state -> 'lines') AS line GROUP BY 1, 2, 3
"""
# Of each customer, price and cycle: units charged, and by how many charges.
Sums = dict[tuple[str, str, datetime], tuple[int, int]]


def shop() -> list[Command]:
    """Sell usage by every model of price, to customers who have enough."""
    commands: list[Command] = [
        DefineMeter(meter, aggregation=kind, property=counted)
        for meter in METERS
        for kind, counted in (AGGREGATIONS.get(meter, (Aggregation.SUM, None)),)
    ]
    commands += [
        DraftProductVersion("api", PRICES),
        PublishProductVersion("api", 1, datetime(2026, 1, 1, tzinfo=UTC)),
        SetDefaultProduct("api"),
    ]
    for number in range(CUSTOMERS):
        name, zone = f"c{number}", ZONES[number % len(ZONES)]
        commands += [
            CreateCustomer(name, timezone=zone),
            IssueGrant(name, f"ext:{name}", "USD", "1000", "PROMOTIONAL"),
        ]
    return commands


def _backfill(directory: Path, events: int) -> None:
    # given the month that occurred, and every event of it three times in random order
    random = Random(27)
    month = month_of(events, CUSTOMERS, random)
    sent = lines_of(month) * TIMES
    random.shuffle(sent)
    files = [directory.parent / f"sent-{number}" for number in range(CLIENTS)]
    for number, file in enumerate(files):
        file.write_text("\n".join(sent[number::CLIENTS]), encoding="utf-8")
    _open_shop(directory)
    # when four processes report, and the server is killed in between
    reporting: list[subprocess.Popen[str]] = []
    try:
        with served(directory, CLOCK) as (server, client):
            port = client.http.base_url.port
            command = [sys.executable, "-m", "tests.scenarios.backfill", client.url, KEY]
            reporting += [
                subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE, text=True)
                for file in files
            ]
            told = [_next_batch(each) for each in reporting for _ in range(2)]
            server.send_signal(signal.SIGKILL)
            server.wait()
        with served(directory, CLOCK, port):
            outputs = [each.communicate(timeout=600)[0].split() for each in reporting]
    finally:
        for each in reporting:
            each.kill()
            each.wait()
    # then: each was charged once, told to be new at most once, and costs what it did in order
    assert [each.returncode for each in reporting] == [0] * CLIENTS
    rest = [int(settled) for output in outputs for settled in output]
    assert rest, "all was told before the kill"
    assert 0 < sum(told) + sum(rest) <= events
    sums = _charged(directory)
    assert sum(charges for _, charges in sums.values()) == events
    assert sums == _in_order(month)
    assert {starts_at.month for _, _, starts_at in sums} >= {1, 2}
    check_replay(directory, CLOCK)


def _open_shop(directory: Path) -> None:
    settings = Settings(data_dir=directory, sandbox=True, test_clock=ENDS)
    with Runtime.open(settings, tasks=()) as runtime:
        caller = Caller(runtime.tenant_id, "test", "request")
        for commands in parts_of(shop(), 500):
            for outcome in runtime.ledger.execute(caller, commands):
                assert outcome.answer is not None, outcome


def _next_batch(client: subprocess.Popen[str]) -> int:
    """Wait for a client's next batch; return how many of it were new."""
    assert client.stdout is not None
    return int(client.stdout.readline())


def _charged(directory: Path) -> Sums:
    server = EmbeddedServer(directory)
    server.start()
    try:
        with Login(dict(server.conninfo(DATABASE))).connect() as connection:
            rows = connection.execute(CHARGES).fetchall()
    finally:
        server.stop()
    return {
        (customer, price, datetime.fromisoformat(starts_at)): (int(units), charges)
        for customer, price, starts_at, units, charges in rows
    }


def _in_order(month: Sequence[dict[str, object]]) -> Sums:
    """Charge the month as it occurred, each once, in a ledger in memory."""
    books = Books(ENDS)
    for command in shop():
        books.do(command)
    usage = [msgspec.convert(event, UsageItem).command() for event in month]
    for commands in parts_of(usage, 500):
        books.do_together(commands)
    units: Counter[tuple[str, str, datetime]] = Counter()
    charges: Counter[tuple[str, str, datetime]] = Counter()
    for event in books.log.all():
        if isinstance(event, ChargeSettled | ChargeCredited):
            for line in event.lines:
                assert line.price is not None
                assert line.starts_at is not None
                key = event.customer_id, line.price, line.starts_at
                units[key] += line.amount_units
                charges[key] += 1
    return {key: (units[key], charges[key]) for key in charges}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "ledger"
    EmbeddedServer(tmp_path / "ledger").remove()


def test_r27_a_month_of_usage_told_late(directory: Path) -> None:
    _backfill(directory, 10_000)


@pytest.mark.soak
def test_r27_a_hundred_thousand_events(directory: Path) -> None:
    _backfill(directory, 100_000)
