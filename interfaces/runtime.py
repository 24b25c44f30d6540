"""The running ledger: its database, writer, readers, projections and due work, wired."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import psycopg
import structlog
from anyio import to_thread

from application.clock import Clock, SystemClock
from application.codec import EventCodec
from application.due_work import DueWork
from application.ledger import Ledger
from application.reading import Reader
from application.storage.database import Login, Pool, Role
from application.storage.embedded import EmbeddedServer, EmbeddedServerError
from application.storage.migrate import LOG_MIGRATIONS, MigrationsPending, migrate, pending
from application.storage.recorder import LedgerDatastore, LedgerRecorder, Rows
from application.storage.roles import check_isolation, prepare_roles, role_names
from application.storage.shard import FIRST_SHARD
from application.tenants import open_tenant
from domain import identity
from interfaces.keys.secret import derived_secret, server_secret
from interfaces.metrics import Metrics
from interfaces.settings import Settings, SettingsError
from projections.engine import ProjectionEngine
from projections.holds import open_holds
from projections.models import read_models
from projections.queries import LISTED_MODELS, ReadModels

DATABASE = "counterfoil"
FIRST_TENANT = "default"
READ_MODEL_MIGRATIONS = Path(__file__).parent.parent / "projections" / "migrations"
MIGRATIONS = (LOG_MIGRATIONS, READ_MODEL_MIGRATIONS)
LONGEST_LIST_WAIT_SECONDS = 1.0
REMEMBERED_POSITIONS = 100_000
GLANCE_SECONDS = 0.5
CHANGE_POLL_SECONDS = 2.0

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
        self._closing = ExitStack()
        self._stop = threading.Event()
        self._acknowledged = _Acknowledged()
        self._changes = _Changes()
        self.owner: Login
        self.ledger: Ledger
        self.reader: Reader
        self.read_models: ReadModels
        self.engine: ProjectionEngine
        self.projection_pool: Pool
        self.due_work: DueWork

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        progress: Progress | None = None,
        serve_projections: bool = True,
    ) -> Runtime:
        """Start or reach the database, bring it up to date, and start the writer.

        serve_projections: keep read models current and write due work in threads of this
        process. Raises EmbeddedServerError, RolesMissing, MigrationChanged,
        RefusesToServe, SettingsError, psycopg.OperationalError.
        """
        runtime = cls(settings, clock or SystemClock())
        try:
            runtime._open(progress or _say_nothing, serve_projections=serve_projections)
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

    def _open(self, progress: Progress, *, serve_projections: bool) -> None:
        logins = self._logins(progress)
        recorder = LedgerRecorder(LedgerDatastore(logins["log"]))
        self._closing.callback(recorder.datastore.close)
        self._open_tenant(recorder)
        app = self._pool(logins["app"], "app", 16)
        proj = self.projection_pool = self._pool(logins["proj"], "proj", 4)
        for login in (logins["log"], logins["app"], logins["proj"]):
            with login.connect() as connection:
                check_isolation(connection, [FIRST_SHARD.schema, "counterfoil"])
        self.reader = Reader(app, self.clock)
        self.read_models = ReadModels(app.transaction)
        self.engine = ProjectionEngine(
            proj,
            EventCodec().decode,
            read_models(FIRST_SHARD.schema),
            told=lambda stopped: logger.error(
                "projection stopped",
                projection=stopped.projection,
                position=stopped.position,
                topic=stopped.topic,
            ),
        )
        self.ledger = Ledger(recorder, self.clock)
        self.ledger.on_commit += [self._acknowledged.note, self._changes.tell]
        self.metrics.watch_writer(self.ledger)
        self.metrics.watch_database(
            self.engine.health, partial(open_holds, proj, FIRST_SHARD.schema)
        )
        self.due_work = DueWork(
            self.ledger,
            self.reader,
            self.read_models.due_wallets,
            self.catch_up,
            lambda: [self.tenant_id],
        )
        latest = self.reader.events(self.tenant_id, limit=1)
        self._acknowledged.begin(self.tenant_id, latest[0].position)
        self.ledger.start()
        self._closing.callback(self.ledger.stop)
        if serve_projections:
            self._thread("projections", self.engine.run)
            self._thread("due-work", self.due_work.run)

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
        secret = derived_secret(server_secret(settings), "database roles")
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

    # What interfaces ask of it

    def catch_up(self) -> None:
        """Bring all read models up to the log."""
        self.engine.catch_up()

    async def wait_for_lists(
        self, tenant_id: str, customer_id: str | None, client_position: int
    ) -> int:
        """Wait until lists show what was acknowledged, at most a second.

        Of a customer, else of the tenant; and what the client has seen already. Returns by
        how many positions lists are behind that.
        """
        wanted = max(self._acknowledged.position(tenant_id, customer_id), client_position)
        if not wanted:
            return 0
        wait = partial(self.engine.wait_for, wanted, LONGEST_LIST_WAIT_SECONDS, LISTED_MODELS)
        if await to_thread.run_sync(wait):
            return 0
        positions = await to_thread.run_sync(self.engine.positions)
        return max(0, wanted - min(positions[name] for name in LISTED_MODELS))

    async def wallet_changes(self, tenant_id: str, wallet_id: str) -> AsyncIterator[int]:
        """Yield the log's position after each change of a wallet, whichever process made it."""
        read = partial(self.reader.events, tenant_id, aggregate_id=wallet_id, limit=1)
        with self._changes.of(wallet_id) as queue:
            seen = max((event.position for event in await to_thread.run_sync(read)), default=0)
            while True:
                try:
                    position = await asyncio.wait_for(queue.get(), CHANGE_POLL_SECONDS)
                except TimeoutError:
                    latest = await to_thread.run_sync(read)
                    position = max((event.position for event in latest), default=0)
                if position > seen:
                    seen = position
                    yield position


class _Acknowledged:
    """The last position that this process acknowledged, by tenant and by wallet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[str, int] = {}
        self._by_tenant: dict[str, int] = {}
        self._by_wallet: OrderedDict[str, int] = OrderedDict()

    def begin(self, tenant_id: str, position: int) -> None:
        """Note what was acknowledged before this process began, by whichever."""
        self._before[tenant_id] = position

    def note(self, rows: Rows, positions: Sequence[int]) -> None:
        if not positions:
            return
        with self._lock:
            for tenant_id in set(rows.tenants):
                self._by_tenant[tenant_id] = positions[-1]
            for stream, topic in zip(rows.originators, rows.topics, strict=True):
                if topic.startswith("wallet."):
                    self._by_wallet[stream] = positions[-1]
                    self._by_wallet.move_to_end(stream)
            while len(self._by_wallet) > REMEMBERED_POSITIONS:
                self._by_wallet.popitem(last=False)

    def position(self, tenant_id: str, customer_id: str | None) -> int:
        before = self._before.get(tenant_id, 0)
        with self._lock:
            if customer_id is None:
                return self._by_tenant.get(tenant_id, before)
            return self._by_wallet.get(identity.wallet_id(tenant_id, customer_id), before)


class _Changes:
    """Who wants to hear of which wallet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[_Listener]] = {}

    def of(self, wallet_id: str) -> _Listener:
        return _Listener(self, wallet_id)

    def add(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.setdefault(listener.wallet_id, set()).add(listener)

    def remove(self, listener: _Listener) -> None:
        with self._lock:
            left = self._listeners[listener.wallet_id]
            left.discard(listener)
            if not left:
                del self._listeners[listener.wallet_id]

    def tell(self, rows: Rows, positions: Sequence[int]) -> None:
        if not self._listeners or not positions:
            return
        with self._lock:
            changed = self._listeners.keys() & set(rows.originators)
            listeners = [each for wallet_id in changed for each in self._listeners[wallet_id]]
        for listener in listeners:
            listener.tell(positions[-1])


class _Listener:
    """A queue of positions in the event loop that opened it."""

    def __init__(self, changes: _Changes, wallet_id: str) -> None:
        self.wallet_id = wallet_id
        self._changes = changes
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[int] = asyncio.Queue()

    def __enter__(self) -> asyncio.Queue[int]:
        self._changes.add(self)
        return self._queue

    def __exit__(self, *_: object) -> None:
        self._changes.remove(self)

    def tell(self, position: int) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, position)


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
