"""Prices compared on recorded usage, beside the replay of the same log."""

from __future__ import annotations

from datetime import timedelta

from application.codec import EventCodec
from application.commands.catalog_requests import (
    DefineMeter,
    DraftProductVersion,
    PriceSaid,
    PublishProductVersion,
    RowSaid,
    SetDefaultProduct,
)
from application.commands.requests import RecordUsage
from benchmarks.ground import execute, fund, ledger, middle, seconds_of
from benchmarks.report import Figure, promise
from domain.catalog.price import PriceModel
from domain.rating.trial import Trial
from domain.wallet.events import WalletEvent
from domain.wallet.wallet import Wallet
from interfaces.runtime import Runtime

ROUNDS = 5
WALLETS = 1_000
MODELS = 200
PAGE = 10_000
ASKED_RATIO = 0.3


def measure(charges: int) -> list[Figure]:
    """Charge by a table of 200 rows, then ask what a draft of other prices would charge."""
    with ledger() as runtime:
        fund(runtime, WALLETS)
        _price(runtime)
        for start in range(0, charges, 1_000):
            execute(runtime, [_usage(start + place) for place in range(1_000)])
        runtime.catch_up()
        compares, replays, events = [], [], 0
        for _ in range(ROUNDS):
            compares.append(charges / seconds_of(lambda: _compare(runtime, charges)))
            events, seconds = _replay(runtime)
            replays.append(events / seconds)
        ratio = middle([c / r for c, r in zip(compares, replays, strict=True)])
    return [
        {
            "what": f"comparePricing by {MODELS} rows, {WALLETS} customers, beside the replay",
            "charges": charges,
            "charges/s": round(middle(compares)),
            "replayed events": events,
            "replay events/s": round(middle(replays)),
            "ratio": round(ratio, 3),
            **promise(f">= {ASKED_RATIO}", kept=ratio >= ASKED_RATIO),
        }
    ]


def _price(runtime: Runtime) -> None:
    execute(runtime, [DefineMeter("tokens")])
    for number, unit_price in ((1, "0.00001"), (2, "0.00002")):
        price = PriceSaid(
            "tokens",
            PriceModel.UNIT,
            "CREDIT",
            meter="tokens",
            dimensions=("model",),
            rows=tuple(RowSaid({"model": f"m{model}"}, unit_price) for model in range(MODELS)),
        )
        execute(runtime, [DraftProductVersion("api", (price,))])
        if number == 1:
            execute(runtime, [PublishProductVersion("api", 1), SetDefaultProduct("api")])


def _usage(number: int) -> RecordUsage:
    return RecordUsage(
        f"{number}",
        f"ext:c{number % WALLETS}",
        "tokens",
        quantity="1250",
        properties={"model": f"m{number % MODELS}", "direction": "output"},
    )


def _compare(runtime: Runtime, charges: int) -> None:
    tenant_id = runtime.tenant_id
    now = runtime.reader.now(tenant_id)
    since, until = now - timedelta(days=1), now + timedelta(days=1)
    page = runtime.comparisons.compare(tenant_id, Trial("api", 2), since, until, WALLETS)
    assert sum(row.charges for row in page.rows) == charges
    assert sum(row.would_charge_units for row in page.rows) == 2 * sum(
        row.charged_units for row in page.rows
    )


def _replay(runtime: Runtime) -> tuple[int, float]:
    """Decode and fold the log into wallets, as the benchmark of the replay does."""
    decode = EventCodec().decode
    statement = (
        "SELECT notification_id, originator_id::text, originator_version, topic, state"
        " FROM ledger_00.events WHERE notification_id > %s ORDER BY 1 LIMIT %s"
    )
    events = 0

    def fold() -> None:
        nonlocal events
        wallets: dict[str, Wallet] = {}
        position = 0
        while rows := connection.execute(statement, (position, PAGE)).fetchall():
            for _, stream, version, topic, state in rows:
                event = decode(topic, state, stream, version)
                if isinstance(event, WalletEvent):
                    if version == 1:
                        wallets[stream] = Wallet.begin(event)
                    else:
                        event.mutate(wallets[stream])
            events += len(rows)
            position = rows[-1][0]

    with runtime.owner.connect() as connection:
        seconds = seconds_of(fold)
    return events, seconds
