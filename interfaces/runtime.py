"""The running ledger: its database, writer, readers, projections and due work, wired."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Self

import psycopg
import structlog
from anyio import CapacityLimiter, to_thread

from application.clock import Clock, SystemClock
from application.closing import Closing
from application.codec import EventCodec
from application.commands.stop_requests import TellStop
from application.due_work import DueWork
from application.ledger import Ledger
from application.payments import Payments
from application.reading import Reader
from application.storage.database import Login, Pool, Role
from application.storage.embedded import EmbeddedServer, EmbeddedServerError
from application.storage.lease import Lease
from application.storage.migrate import LOG_MIGRATIONS, MigrationsPending, migrate, pending
from application.storage.recorder import LedgerDatastore, LedgerRecorder, Rows
from application.storage.roles import check_isolation, prepare_roles, role_names
from application.storage.shard import FIRST_SHARD
from application.storage.wallets import MIB, WalletCache
from application.tenants import open_tenant
from application.wallet_feed import WalletFeed
from domain import identity
from interfaces.keys.links import Links
from interfaces.keys.secret import derived_secret, server_secret
from interfaces.metrics import Metrics
from interfaces.payments.fake import FakePayments
from interfaces.price_comparison import PriceComparisons
from interfaces.processes.folding import Folding
from interfaces.settings import Settings, SettingsError
from interfaces.tracing import Tracing, open_tracing
from projections.close_checks import CloseChecks
from projections.engine import ProjectionEngine
from projections.holds import open_holds
from projections.margin_queries import MarginQueries
from projections.models import read_models
from projections.queries import LISTED_MODELS, ReadModels
from projections.stops import Stopped
from projections.tables import Location
from projections.tenant_rows import Transaction
from projections.usage_queries import UsageQueries

DATABASE = "counterfoil"
ROLE_PASSWORDS = "database roles"
FIRST_TENANT = "default"
READ_MODEL_MIGRATIONS = Path(__file__).parent.parent / "projections" / "migrations"
MIGRATIONS = (LOG_MIGRATIONS, READ_MODEL_MIGRATIONS)
LONGEST_LIST_WAIT_SECONDS = 1.0
MOST_LIST_WAITERS = 100
REMEMBERED_POSITIONS = 100_000
GLANCE_SECONDS = 0.5

Task = Literal["projections", "projections-apart", "due-work", "wallet-feed"]
"""Keep read models current, here or, under load, in a process of its own; write what falls due;
hear of other processes' commits.
"""
EVERY_TASK: tuple[Task, ...] = ("projections", "due-work", "wallet-feed")

logger = structlog.get_logger()
Progress = Callable[[str], None]


class Runtime:
    """One process's part of a ledger. Open it, use it, close it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.server: EmbeddedServer | None = None
        self.tenant_id = identity.tenant_id(FIRST_TENANT)
        self.metrics = Metrics()
        self.tracing: Tracing | None = None
        self._closing = ExitStack()
        self._stop = threading.Event()
        self._acknowledged = _Acknowledged()
        self.owner: Login
        self.ledger: Ledger
        self.reader: Reader
        self.transaction: Transaction
        self.read_models: ReadModels
        self.margins: MarginQueries
        self.comparisons: PriceComparisons
        self.engine: ProjectionEngine
        self.projection_pool: Pool
        self.due_work: DueWork
        self.closing: Closing
        self.feed: WalletFeed

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        progress: Progress | None = None,
        tasks: Collection[Task] = EVERY_TASK,
    ) -> Runtime:
        """Start or reach the database, bring it up to date, and start the writer.

        tasks: what this process does besides answering, each in a thread. Raises
        EmbeddedServerError, RolesMissing, MigrationChanged, RefusesToServe, SettingsError,
        psycopg.OperationalError.
        """
        runtime = cls(settings, clock or SystemClock())
        try:
            runtime._open(progress or _say_nothing, tasks)
        except BaseException:
            runtime.close()
            raise
        return runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was accepted, then let go of everything."""
        self._stop.set()
        self._closing.close()

    def _open(self, progress: Progress, tasks: Collection[Task]) -> None:
        self.tracing = open_tracing(self.settings)
        if self.tracing is not None:
            self._closing.callback(self.tracing.close)
        logins = self._logins(progress)
        recorder = LedgerRecorder(LedgerDatastore(logins["log"]))
        self._closing.callback(recorder.datastore.close)
        self._open_tenant(recorder)
        app = self._pool(logins["app"], "app", 16)
        proj = self.projection_pool = self._pool(logins["proj"], "proj", 6)
        for login in (logins["log"], logins["app"], logins["proj"]):
            with login.connect() as connection:
                check_isolation(connection, [FIRST_SHARD.schema, "counterfoil"])
        self.reader = Reader(app, self.clock)
        self.transaction = app.transaction
        self.read_models = ReadModels(app.transaction)
        self.margins = MarginQueries(app.transaction)
        usage = UsageQueries(app.transaction)
        self.comparisons = PriceComparisons(self.reader, usage, self.margins)
        self.engine = ProjectionEngine(
            proj,
            EventCodec().decode_all,
            read_models(FIRST_SHARD.schema, self.settings.rollup_properties),
            told=_log_stop,
        )
        self.engine.on_resumed.append(
            lambda name: logger.info("projection goes on again", projection=name)
        )
        cache = WalletCache(self.settings.wallet_cache_mb * MIB)
        seen = derived_secret(server_secret(self.settings), "values of UNIQUE")
        self.ledger = Ledger(recorder, self.clock, cache=cache, secret=seen)
        self.feed = WalletFeed(proj)
        self.ledger.on_commit += [self._acknowledged.note, self.feed.tell]
        self.feed.on_folded.append(self.engine.arrivals.hear)
        self.feed.on_hearing.append(self.engine.arrivals.hearing)
        self.metrics.watch_writer(self.ledger)
        self.metrics.watch_database(
            self.engine.health, partial(open_holds, proj, FIRST_SHARD.schema)
        )
        self.engine.on_batch.append(self.metrics.observe_batch)
        if self.tracing is not None:
            self.ledger.on_stage.append(self.tracing.stage)
            self.engine.on_batch.append(self.tracing.batch)
        self.due_work = DueWork(
            self.ledger,
            self.reader,
            self.read_models.due_wallets,
            self.catch_up,
            lambda: [self.tenant_id],
            Lease(logins["app"], FIRST_SHARD.due_work_lease),
            self._stops,
            self._payments(),
        )
        self.closing = Closing(
            self.ledger,
            self.reader,
            self.due_work,
            self.read_models.due_wallets,
            self.catch_up,
            CloseChecks(proj, Location(FIRST_SHARD.schema)).inspect,
        )
        self.ledger.start()
        self._closing.callback(self.ledger.stop)
        runs: dict[Task, Callable[[threading.Event], None]] = {
            "projections": self.engine.run,
            "projections-apart": Folding(self.engine).run,
            "due-work": self.due_work.run,
            "wallet-feed": self.feed.run,
        }
        for task in tasks:
            self._thread(task, runs[task])

    def _logins(self, progress: Progress) -> dict[Role, Login]:
        """Reach the database as each role, migrated."""
        settings = self.settings
        if settings.database_url is not None:
            admin = Login.of(settings.database_url.get_secret_value())
        else:
            admin = self._embedded(progress)
        self.owner = admin
        if settings.log_url and settings.app_url and settings.proj_url:
            urls = {"log": settings.log_url, "app": settings.app_url, "proj": settings.proj_url}
            with admin.connect() as connection:
                left = pending(connection, MIGRATIONS)
            if left:
                raise MigrationsPending(", ".join(left))
            roles: dict[Role, Login] = {"owner": admin}
            for role, url in urls.items():
                roles[role] = Login.of(url.get_secret_value())  # type: ignore[index]
            return roles
        progress("migrating")
        secret = derived_secret(server_secret(settings), ROLE_PASSWORDS)
        logins = prepare_roles(admin, secret)
        migrate(logins["owner"], role_names(admin.database), MIGRATIONS)
        self.owner = logins["owner"]
        return logins

    def _embedded(self, progress: Progress) -> Login:
        server = EmbeddedServer(self.settings.data_dir, self.settings.pg_version)
        server.start(progress)
        self.server = server
        self._closing.callback(server.stop)
        with Login(dict(server.conninfo("postgres"))).connect(autocommit=True) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if found is None:
                try:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
                except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    logger.info("another process made the database")
        self._thread("embedded-server", partial(_keep_alive, server))
        return Login(dict(server.conninfo(DATABASE)))

    def _open_tenant(self, recorder: LedgerRecorder) -> None:
        settings = self.settings
        now = self.clock.now()
        clock_at = (settings.test_clock or now) if settings.sandbox else None
        open_tenant(recorder, FIRST_TENANT, now, clock_at)

    def _payments(self) -> Payments | None:
        if self.settings.payments == "none":
            return None
        unsettled = self.read_models.unsettled_top_ups
        return Payments(self.ledger, self.reader, FakePayments(), unsettled)

    def _pool(self, login: Login, name: str, size: int) -> Pool:
        pool = Pool(login, name, size)
        pool.open()
        self._closing.callback(pool.close)
        return pool

    def _thread(self, name: str, run: Callable[[threading.Event], None]) -> None:
        thread = threading.Thread(target=run, args=(self._stop,), name=name, daemon=True)
        thread.start()

        def end() -> None:
            self._stop.set()
            thread.join()

        self._closing.callback(end)

    def check_sandbox(self) -> None:
        """Raise SettingsError where the settings and the first tenant's clock disagree."""
        if self.settings.sandbox != self.reader.tenant(self.tenant_id).sandbox:
            raise SettingsError(
                ["COUNTERFOIL_SANDBOX: the first tenant was made the other way; use a new DATA_DIR"]
            )

    @cached_property
    def links(self) -> Links:
        """Signs links to documents and exports, and knows its own again."""
        return Links(derived_secret(server_secret(self.settings), "document links"))

    def _stops(self) -> list[TellStop]:
        return [
            TellStop(each.projection, each.position, each.topic, each.because)
            for each in self.engine.stops()
        ]

    @cached_property
    def _list_waiters(self) -> CapacityLimiter:
        """Threads of their own: who waits for a list takes none from those who read."""
        return CapacityLimiter(MOST_LIST_WAITERS)

    # What interfaces ask of it

    def catch_up(self) -> None:
        """Bring all read models up to the log."""
        self.engine.catch_up()

    async def wait_for_lists(
        self,
        tenant_id: str,
        customer_id: str | None,
        client_position: int,
        models: Sequence[str] = LISTED_MODELS,
    ) -> int:
        """Wait until lists show what was acknowledged, at most a second.

        Of a customer, else of the tenant; and what the client has seen already. Returns by
        how many positions lists are behind that.
        """
        acknowledged = await to_thread.run_sync(self._last_position, tenant_id, customer_id)
        wanted = max(acknowledged, client_position)
        wait = partial(self.engine.wait_for, wanted, LONGEST_LIST_WAIT_SECONDS, models)
        if await to_thread.run_sync(wait, limiter=self._list_waiters):
            return 0
        positions = await to_thread.run_sync(self.engine.positions)
        return max(0, wanted - min(positions[name] for name in models))

    def _last_position(self, tenant_id: str, customer_id: str | None) -> int:
        """Return the last position of a customer, else of the tenant, by whichever process.

        What this process wrote is known to its commit's end, not only to the wallet's event.
        """
        wallet_id = customer_id and identity.wallet_id(tenant_id, customer_id)
        logged = self.reader.last_position(tenant_id, wallet_id)
        return max(logged, self._acknowledged.position(wallet_id) if wallet_id else 0)

    def wallet_changes(self, tenant_id: str, wallet_id: str) -> AsyncGenerator[int, None]:  # noqa: ARG002
        """Yield the log's position at once, then after each change of a wallet, whichever
        process made it.
        """
        return self.feed.changes(wallet_id)


class _Acknowledged:
    """The last positions of the commits of this process, by wallet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_wallet: OrderedDict[str, int] = OrderedDict()

    def note(self, rows: Rows, positions: Sequence[int]) -> None:
        with self._lock:
            for stream, topic in zip(rows.originators, rows.topics, strict=True):
                if topic.startswith("wallet."):
                    self._by_wallet[stream] = positions[-1]
                    self._by_wallet.move_to_end(stream)
            while len(self._by_wallet) > REMEMBERED_POSITIONS:
                self._by_wallet.popitem(last=False)

    def position(self, wallet_id: str) -> int:
        with self._lock:
            return self._by_wallet.get(wallet_id, 0)


def _log_stop(stopped: Stopped) -> None:
    logger.error(
        "projection stopped",
        projection=stopped.projection,
        position=stopped.position,
        topic=stopped.topic,
        error=stopped.because,
        remedy=stopped.remedy,
    )


def _keep_alive(server: EmbeddedServer, stop: threading.Event) -> None:
    """Start the embedded server again when it dies while we run."""
    while not stop.wait(GLANCE_SECONDS):
        try:
            if server.ensure_alive():
                logger.warning("embedded database was down and is up again")
        except EmbeddedServerError as error:
            logger.warning("embedded database", error=type(error).__name__, exc_info=error)


def _say_nothing(_: Any) -> None:
    pass
