"""Events a second, decoded and folded into balances, beside SELECT of the same rows."""

from __future__ import annotations

from typing import Any

from application.codec import EventCodec
from benchmarks.ground import execute, fund, ledger, middle, seconds_of, usage
from benchmarks.report import Figure
from domain.wallet.events import WalletEvent
from domain.wallet.wallet import Wallet

ROUNDS = 5
WALLETS = 1_000
PAGE = 10_000


def measure(charges: int) -> list[Figure]:
    """Fold every wallet from the first event on, over pages of the log."""
    with ledger() as runtime:
        fund(runtime, WALLETS)
        for start in range(0, charges, 1_000):
            execute(runtime, [usage(f"{start + n}", n % WALLETS) for n in range(1_000)])
        with runtime.owner.connect() as connection:
            statement = (
                "SELECT notification_id, originator_id::text, originator_version, topic, state"
                " FROM ledger_00.events WHERE notification_id > %s ORDER BY 1 LIMIT %s"
            )

            def pages() -> Any:
                position = 0
                while rows := connection.execute(statement, (position, PAGE)).fetchall():
                    yield rows
                    position = rows[-1][0]

            events = sum(len(rows) for rows in pages())
            decode = EventCodec().decode

            def fold() -> None:
                wallets: dict[str, Wallet] = {}
                for rows in pages():
                    for _, stream, version, topic, state in rows:
                        event = decode(topic, state, stream, version)
                        if isinstance(event, WalletEvent):
                            if version == 1:
                                wallets[stream] = Wallet.begin(event)
                            else:
                                event.mutate(wallets[stream])
                assert len(wallets) == WALLETS

            folds, selects = [], []
            for _ in range(ROUNDS):
                folds.append(events / seconds_of(fold))
                selects.append(events / seconds_of(lambda: [None for _ in pages()]))
    return [
        {
            "what": "Replay: events decoded and folded into balances, beside their SELECT",
            "events": events,
            "events/s": round(middle(folds)),
            "select rows/s": round(middle(selects)),
            "ratio": round(middle([f / s for f, s in zip(folds, selects, strict=True)]), 3),
        }
    ]
