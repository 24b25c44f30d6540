"""The engine beside a stock application of the `eventsourcing` library that does the same.

Stock: aggregates by `@event`, a repository without a cache, the library's own recorder on the
same PostgreSQL; each charge loads its wallet, decides, and saves wallet and charge together,
as a program with the library's documentation at hand would. It commits each charge alone; so
would anyone, since a second command cannot wait for the first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from application.storage.database import Login
from benchmarks.engine import charges_a_second
from benchmarks.ground import fund, ledger, middle, seconds_of
from benchmarks.report import Figure, promise, rounds

ROUNDS = 5
WALLETS = 1_000


class StockWallet(Aggregate):
    @event("Opened")
    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.grants: list[dict[str, Any]] = []

    @staticmethod
    def create_id(customer: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/wallets/{customer}")

    @event("Granted")
    def grant(self, grant_id: str, amount: Decimal) -> None:
        self.grants.append({"id": grant_id, "remaining": amount})

    def charge(self, charge_id: UUID, amount: Decimal) -> list[tuple[str, Decimal]]:
        left = amount
        parts: list[tuple[str, Decimal]] = []
        for each in self.grants:
            part = min(each["remaining"], left)
            if part:
                parts.append((each["id"], part))
                left -= part
        if left:
            raise ValueError("insufficient funds")
        self.debit(charge_id, parts)
        return parts

    @event("Debited")
    def debit(self, charge_id: UUID, parts: list[tuple[str, Decimal]]) -> None:  # noqa: ARG002
        for grant_id, part in parts:
            for each in self.grants:
                if each["id"] == grant_id:
                    each["remaining"] -= part


class StockCharge(Aggregate):
    @event("Settled")
    def __init__(
        self,
        *,
        event_id: str,
        customer: str,
        meter: str,
        amount: Decimal,
        allocations: list[tuple[str, Decimal]],
        occurred_at: datetime,
        properties: dict[str, str],
    ) -> None:
        self.event_id = event_id
        self.customer = customer
        self.meter = meter
        self.amount = amount
        self.allocations = allocations
        self.occurred_at = occurred_at
        self.properties = properties

    @staticmethod
    def create_id(event_id: str) -> UUID:
        return uuid5(NAMESPACE_URL, f"/charges/{event_id}")


class StockLedger(Application[UUID]):
    def open(self, customer: str) -> None:
        wallet = StockWallet(customer)
        wallet.grant(f"grant of {customer}", Decimal(10**9))
        self.save(wallet)

    def record_usage(self, event_id: str, customer: str) -> None:
        wallet: StockWallet = self.repository.get(StockWallet.create_id(customer))
        amount = Decimal("0.0125")
        parts = wallet.charge(StockCharge.create_id(event_id), amount)
        charge = StockCharge(
            event_id=event_id,
            customer=customer,
            meter="tokens",
            amount=amount,
            allocations=parts,
            occurred_at=datetime.now(UTC),
            properties={"model": "large", "direction": "output"},
        )
        self.save(wallet, charge)


def measure(charges: int, stock_charges: int) -> list[Figure]:
    """Measure by turns on one database: `charges` a round of ours, `stock_charges` of stock."""
    with ledger() as runtime:
        fund(runtime, WALLETS)
        stock = _stock(runtime.owner)
        for number in range(WALLETS):
            stock.open(f"c{number}")
        charges_a_second(runtime, "warm", 1_000, 1_000)
        ours, theirs = [], []
        for round_ in range(ROUNDS):
            ours.append(charges_a_second(runtime, f"stock-{round_}", 1_000, charges))
            theirs.append(_stock_rate(stock, str(round_), stock_charges))
        stock.close()
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    ratio = middle(ratios)
    return [
        {
            "what": "The engine, 1 000 charges a transaction, beside a stock application",
            "charges/s": round(middle(ours)),
            "stock charges/s": round(middle(theirs)),
            "ratio": round(ratio, 1),
            "ratios": rounds(ratios),
            **promise("at least 20", kept=ratio >= 20),
        }
    ]


def _stock(owner: Login) -> StockLedger:
    with owner.connect(autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS stock")
    arguments = {key: str(value) for key, value in owner.arguments.items()}
    return StockLedger(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": owner.database,
            "POSTGRES_HOST": arguments["host"],
            "POSTGRES_PORT": arguments.get("port", "5432"),
            "POSTGRES_USER": arguments["user"],
            "POSTGRES_PASSWORD": arguments.get("password", ""),
            "POSTGRES_SCHEMA": "stock",
        }
    )


def _stock_rate(stock: StockLedger, name: str, charges: int) -> float:
    def run() -> None:
        for number in range(charges):
            stock.record_usage(f"{name}-{number}", f"c{number % WALLETS}")

    return charges / seconds_of(run)
