"""A ledger on a database of its own, with read models and a clock that stands until it is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from application.caller import Caller
from application.clock import SetClock
from application.codec import EventCodec
from application.commands.answers import (
    ChargeAnswer,
    CustomerAnswer,
    GrantAnswer,
    HoldAnswer,
)
from application.commands.requests import (
    AuthorizeUsage,
    CaptureUsage,
    Command,
    CreateCustomer,
    DefineAsset,
    IssueGrant,
    Money,
    RecordUsage,
    RunDueWork,
)
from application.ledger import Ledger
from application.storage.database import Login, Pool
from application.storage.migrate import LOG_MIGRATIONS, migrate
from application.storage.recorder import LedgerDatastore, LedgerRecorder
from application.storage.roles import prepare_roles, role_names
from application.tenants import open_tenant
from domain import identity
from domain.wallet.watches import Watch
from projections.database import Connection
from projections.engine import ProjectionEngine
from projections.models import read_models
from projections.queries import ReadModels
from projections.read_model import ReadModel

MIGRATIONS = Path(__file__).parents[2] / "projections" / "migrations"
DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
SCALE = 6
C = 10**SCALE
"""One CREDIT, in units."""


def table_contents(connection: Connection, model: ReadModel[Any]) -> dict[str, list[str]]:
    """Return every row of a read model's tables, as text, in order."""
    return {
        table.name: [
            str(row)
            for (row,) in connection.execute(
                model.location.query(f"SELECT t::text FROM {{{table.name}}} t ORDER BY 1")
            )
        ]
        for table in model.tables
    }


class Shop:
    """Commands are sent as tests write them; each must be accepted.

    C is the asset CREDIT of scale 6. Every grant, charge and hold gets a key of its own.
    """

    def __init__(self, admin: Login) -> None:
        logins = prepare_roles(admin, b"a secret of tests")
        migrate(logins["owner"], role_names(admin.database), [LOG_MIGRATIONS, MIGRATIONS])
        self.admin = admin
        self.owner = logins["owner"]
        self.proj = Pool(logins["proj"], f"proj-{admin.database}", 4)
        self.app = Pool(logins["app"], f"app-{admin.database}", 4)
        self.proj.open()
        self.app.open()
        self.clock = SetClock(DAY_ONE)
        self.recorder = LedgerRecorder(LedgerDatastore(logins["log"]))
        self.ledger = Ledger(self.recorder, self.clock)
        self.ledger.start()
        self.tenant = open_tenant(self.recorder, "test", DAY_ONE)
        self.caller = Caller(self.tenant, "tests", "request")
        self.queries = ReadModels(self.app.transaction)
        self._keys = count(1)
        self.do(DefineAsset("CREDIT", "Credit"))

    def close(self) -> None:
        self.ledger.stop()
        self.recorder.datastore.close()
        self.proj.close()
        self.app.close()

    # Commands

    def do(self, *commands: Command) -> Any:
        """Send commands in one batch; return the last one's answer."""
        outcomes = self.ledger.execute(self.caller, commands)
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
            if outcome.error is not None:
                raise outcome.error
        return outcomes[-1].answer

    def try_(self, command: Command) -> None:
        """Send a command that may be refused."""
        self.ledger.execute(self.caller, [command])

    def wait(self, **time: float) -> datetime:
        self.clock.at += timedelta(**time)
        return self.clock.at

    def customer(self, mode: Any = "CONTROL") -> str:
        """Create a customer; return its id."""
        answer = self.do(CreateCustomer(self.key("customer"), mode=mode))
        assert isinstance(answer, CustomerAnswer)
        return answer.customer_id

    def wallet(self, customer: str) -> str:
        return identity.wallet_id(self.tenant, customer)

    def grant(self, customer: str, amount: str, source: Any = "PROMOTIONAL", **terms: Any) -> str:
        """Issue a grant of CREDIT; a PAID one for 10 USD. Return its id."""
        if source == "PAID":
            terms = {"paid": Money("10", "USD"), **terms}
        answer = self.do(IssueGrant(self.key("grant"), customer, "CREDIT", amount, source, **terms))
        assert isinstance(answer, GrantAnswer)
        return answer.grant_id

    def charge(self, customer: str, amount: str, meter: str = "tokens", **usage: Any) -> str:
        """Record usage of CREDIT; return the charge's id."""
        usage = {"event_id": self.key("event"), "asset": "CREDIT", **usage}
        answer = self.do(RecordUsage(customer=customer, meter=meter, amount=amount, **usage))
        assert isinstance(answer, ChargeAnswer)
        return answer.charge.id

    def hold(self, customer: str, amount: str, meter: str = "tokens", **usage: Any) -> str:
        """Authorise usage of CREDIT; return the hold's id."""
        usage = {"event_id": self.key("event"), "asset": "CREDIT", **usage}
        answer = self.do(AuthorizeUsage(customer=customer, meter=meter, amount=amount, **usage))
        assert isinstance(answer, HoldAnswer)
        assert answer.charge.authorization is not None
        return answer.charge.authorization.hold_id

    def capture(self, hold: str, amount: str | None = None, **how: Any) -> str:
        """Capture a hold; return the charge's id."""
        answer = self.do(CaptureUsage(hold, amount, **how))
        assert isinstance(answer, ChargeAnswer)
        return answer.charge.id

    def watch(self, customer: str) -> Watch:
        """Return what is watched of a customer's CREDIT, as the writer knows it."""
        wallet = self.ledger.cache.get(self.wallet(customer))
        assert wallet is not None
        return wallet.watches["CREDIT"]

    def run_due_work(self, customer: str) -> None:
        self.do(RunDueWork(self.wallet(customer)))

    def key(self, of: str) -> str:
        return f"{of}-{next(self._keys)}"

    # Read models

    def engine(self, *models: ReadModel[Any], **options: Any) -> ProjectionEngine:
        return ProjectionEngine(
            self.proj, EventCodec().decode_all, models or read_models(), **options
        )

    def catch_up(self) -> None:
        self.engine().catch_up()

    def forget_all(self) -> None:
        """Empty every read model."""
        names = [table.name for model in read_models() for table in model.tables]
        with self.superuser() as connection:
            for name in ("projection_positions", *names):
                connection.execute(f"DELETE FROM ledger_00.{name}")

    @contextmanager
    def superuser(self) -> Iterator[Connection]:
        with self.admin.connect(autocommit=True) as connection:
            yield connection

    @contextmanager
    def owner_connection(self) -> Iterator[Connection]:
        with self.owner.connect(autocommit=True) as connection:
            yield connection

    def contents(self, model: ReadModel[Any]) -> dict[str, list[str]]:
        with self.superuser() as connection:
            return table_contents(connection, model)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.superuser() as connection:
            return connection.execute(query.encode(), parameters).fetchall()
