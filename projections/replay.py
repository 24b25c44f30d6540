"""`replay --check`: the log folded from zero, and compared with what is read.

Five comparisons, figure by figure:
  tables    every read model, folded by its own code into temporary tables, with the live one
            as of the live one's position
  wallets   the figures of `balances` with the Wallet aggregates of the domain
  lines     what the last line of each account shows with those aggregates
  grants    what each dead grant's own stream last said of it, with what its wallet says
  charges   what charges took and gave back, with what their wallets say, account by account
All but the first look at the whole log: the end of a snapshot is the end of a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from psycopg.sql import SQL, Composed, Identifier

from domain.aggregate import Event
from domain.grants.events import Figures
from domain.streams import BY_TOPIC
from domain.wallet.account import Account
from domain.wallet.events import WalletEvent, WalletOpened
from domain.wallet.wallet import Wallet
from projections import positions
from projections.balances import ACCOUNTS, GRANTS, AccountRow, GrantRow, available_units
from projections.database import Connection, Connections
from projections.log import Decode, LogBatch, LogReader
from projections.read_model import ReadModel
from projections.scratch import SCRATCH, scratch_tables
from projections.statement import STATEMENT_ACCOUNTS
from projections.tables import Location, Table

BATCH_SIZE = 10_000
MOST_DIFFERENCES = 1_000
R = TypeVar("R")
_AGGREGATES = "aggregates"

Progress = Callable[[int, int], None]
"""Told the position that was reached, and the last one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is not what the log makes of it. `table`: or what was compared with it."""

    table: str
    key: str
    column: str
    live: str
    replayed: str


@dataclass(slots=True)
class ReplayReport:
    """events: all that were folded, up to `position`. At most MOST_DIFFERENCES are listed;
    complete: whether those are all.
    """

    events: int = 0
    position: int = 0
    seconds: float = 0.0
    differences: list[Difference] = field(default_factory=list)
    complete: bool = True

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    def add(self, found: Iterable[Difference]) -> None:
        for difference in found:
            if len(self.differences) >= MOST_DIFFERENCES:
                self.complete = False
                return
            self.differences.append(difference)


def replay(
    connections: Connections,
    decode: Decode,
    read_models: Sequence[ReadModel[Any]],
    *,
    schema: str = "ledger_00",
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> ReplayReport:
    """Fold the whole log and compare; the live tables go on meanwhile.

    Memory is flat in history, linear in wallets, open holds and grants. Needs the right to
    make temporary tables.
    """
    report = ReplayReport()
    started = perf_counter()
    live = Location(schema)
    with connections.connection() as connection, scratch_tables(connection, live, read_models):
        fold = _Fold(connection, LogReader(live, decode), read_models, batch_size, progress)
        at_first = positions.read(connection, live, fold.positions)
        connection.commit()
        fold.upto(at_first, in_one=False)
        # The short rest in one snapshot: in it the live tables and the log stand still.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        fold.upto(positions.read(connection, live, fold.positions), in_one=True)
        for model in read_models:
            for table in model.tables if fold.able(model.name) else ():
                report.add(_table_differences(connection, live, table))
        report.position = fold.reader.head(connection)
        fold.upto(dict.fromkeys(fold.positions, report.position), in_one=True)
        if fold.able("balances", _AGGREGATES):
            report.add(_wallet_differences(connection, fold.wallets))
            report.add(_grant_differences(connection, fold.figures))
        if fold.able("statement", _AGGREGATES):
            report.add(_statement_differences(connection, fold.wallets))
        if fold.able("balances", "charges"):
            report.add(_charge_differences(connection))
        report.add(fold.failed.values())
        report.events = fold.events
    report.seconds = perf_counter() - started
    return report


# Folding


class _Fold:
    """Copies of the read models in temporary tables, and aggregates in memory."""

    def __init__(
        self,
        connection: Connection,
        reader: LogReader,
        read_models: Sequence[ReadModel[Any]],
        batch_size: int,
        progress: Progress | None,
    ) -> None:
        self.reader = reader
        self.positions = {model.name: 0 for model in read_models}
        self.failed: dict[str, Difference] = {}
        self.wallets: dict[str, Wallet] = {}
        self.figures: dict[str, Figures] = {}
        self.events = 0
        self._connection = connection
        self._copies = {model.name: model.beside(SCRATCH, model.name) for model in read_models}
        self._batch_size = batch_size
        self._progress = progress
        self._aggregated = 0

    def able(self, *names: str) -> bool:
        """Return whether all of these could be folded so far."""
        return self.failed.keys().isdisjoint(names)

    def upto(self, wanted: dict[str, int], *, in_one: bool) -> None:
        """Take each read model to its position; a transaction a batch, unless `in_one`."""
        end = max(wanted.values(), default=0)
        while behind := {name: at for name, at in self.positions.items() if at < wanted[name]}:
            start = min(behind.values())
            stops = [wanted[name] for name in behind]
            # Never past another's position: where they meet, they share a batch.
            stops += [at for at in self.positions.values() if at > start]
            batch = self.reader.batch(self._connection, start, min(stops), self._batch_size)
            for name in behind:
                if self.positions[name] == start:
                    self.positions[name] = batch.end
                    self._try(name, batch, partial(self._apply, self._copies[name], batch))
            if start == self._aggregated:
                self._aggregated = batch.end
                self.events += len(batch.rows)
                self._try(_AGGREGATES, batch, partial(self._aggregate, batch))
            if not in_one:
                self._connection.commit()
            if self._progress is not None:
                self._progress(batch.end, end)

    def _try(self, name: str, batch: LogBatch, fold: Callable[[], None]) -> None:
        if name in self.failed:
            return
        try:
            fold()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            where = f"positions {batch.start + 1} to {batch.end}"
            text = f"{type(error).__name__}: {error}"
            self.failed[name] = Difference(name, where, "cannot be folded", "", text)

    def _apply(self, copy: ReadModel[Any], batch: LogBatch) -> None:
        with self._connection.transaction():
            copy.apply(self._connection, batch.events(copy.topics))

    def _aggregate(self, batch: LogBatch) -> None:
        for _, _, event in batch.events(_TOPICS_OF_AGGREGATES):
            if isinstance(event, WalletOpened):
                self.wallets[event.originator_id] = Wallet.begin(event)
            elif isinstance(event, WalletEvent):
                event.mutate(self.wallets[event.originator_id])
            else:
                self.figures[event.originator_id] = event.__dict__["figures"]


def _stating_figures(event_class: type[Event]) -> bool:
    return "figures" in event_class.__annotations__


_TOPICS_OF_AGGREGATES = frozenset(
    topic
    for topic, event_class in BY_TOPIC.items()
    if issubclass(event_class, WalletEvent) or _stating_figures(event_class)
)


# Comparing


def _table_differences(
    connection: Connection, live: Location, table: Table[Any]
) -> Iterator[Difference]:
    """Return every figure in which the live table is not the replayed one."""
    columns = len(table.columns)
    rows = connection.execute(
        SQL(
            "SELECT {l_columns}, {r_columns} FROM {live} l FULL JOIN {replayed} r USING ({key})"
            " WHERE l IS DISTINCT FROM r ORDER BY {order} LIMIT {limit}"
        ).format(
            l_columns=_texts_of("l", table),
            r_columns=_texts_of("r", table),
            live=live.table(table.name),
            replayed=SCRATCH.table(table.name),
            key=SQL(", ").join(map(Identifier, table.key)),
            # By name alone it would be ambiguous: both sides answer a column of that name.
            order=SQL(", ").join(
                SQL("coalesce(l.{0}, r.{0})").format(Identifier(column)) for column in table.key
            ),
            limit=MOST_DIFFERENCES + 1,
        )
    )
    for row in rows:
        ours, theirs = row[:columns], row[columns:]
        there = theirs if ours[0] is None else ours
        key = "/".join(there[1 : len(table.key)])
        if ours[0] is None or theirs[0] is None:
            yield Difference(
                table.name,
                key,
                "row",
                "missing" if ours[0] is None else "there",
                "missing" if theirs[0] is None else "there",
            )
            continue
        for column, was, made in zip(table.columns, ours, theirs, strict=True):
            if was != made:
                yield Difference(table.name, key, column, str(was), str(made))


def _texts_of(alias: str, table: Table[Any]) -> Composed:
    return SQL(", ").join(
        SQL("{}::text").format(Identifier(alias, column)) for column in table.columns
    )


def _wallet_differences(connection: Connection, wallets: dict[str, Wallet]) -> Iterator[Difference]:
    """Compare the tables with the aggregates: accounts, and grants of which something is left."""
    grants: dict[tuple[str, str], list[GrantRow]] = {}
    for grant in _all_rows(connection, GRANTS, "remaining > 0"):
        grants.setdefault((grant.wallet_id, grant.asset), []).append(grant)
    compared = 0
    for row in _all_rows(connection, ACCOUNTS, "true"):
        wallet = wallets[row.wallet_id]
        account = wallet.accounts[row.asset]
        compared += 1
        open_grants = grants.get((row.wallet_id, row.asset), [])
        key = f"{row.wallet_id}/{row.asset}"
        ours = _figures_of_rows(row, open_grants, wallet.recorded_at)
        theirs = _figures_of_aggregate(account, wallet.recorded_at)
        yield from _figure_differences("wallet aggregates", key, ours, theirs)
    total = sum(len(wallet.accounts) for wallet in wallets.values())
    yield from _figure_differences(
        "wallet aggregates", "all", {"accounts": compared}, {"accounts": total}
    )


def _figures_of_rows(row: AccountRow, grants: list[GrantRow], at: datetime) -> dict[str, Any]:
    figures = {
        "available": available_units(row, grants, at),
        "granted": row.granted,
        "burned": row.burned,
        "expired": row.expired,
        "revoked": row.revoked,
        "held": row.held,
        "uncovered_held": row.uncovered_held,
        "incurred": row.incurred,
        "owed": row.owed,
        "overage_limit": row.overage_limit,
    }
    return figures | {
        f"grant {grant.grant_id}": (
            grant.status, grant.remaining, grant.held, grant.burned, grant.expired, grant.revoked,
        )
        for grant in grants
    }  # fmt: skip


def _figures_of_aggregate(account: Account, at: datetime) -> dict[str, Any]:
    figures = {
        "available": account.available_units(at),
        "granted": account.granted_units,
        "burned": account.burned_units,
        "expired": account.expired_units,
        "revoked": account.revoked_units,
        "held": account.held_units,
        "uncovered_held": account.uncovered_held_units,
        "incurred": account.incurred_units,
        "owed": account.owed_units,
        "overage_limit": account.limit_units,
    }
    return figures | {
        f"grant {grant_id}": (
            grant.status, grant.remaining_units, grant.held_units, grant.burned_units,
            grant.expired_units, grant.revoked_units,
        )
        for grant_id, grant in account.grants.items()
        if grant.remaining_units
    }  # fmt: skip


def _statement_differences(
    connection: Connection, wallets: dict[str, Wallet]
) -> Iterator[Difference]:
    """Compare the last line of each account with the aggregates, which charges never fold.

    A statement counts a grant until it lapses, whatever the settlement grace.
    """
    shown = {
        (row.wallet_id, row.asset): {
            "available": row.available,
            "held": row.held,
            "overage": row.overage,
        }
        for row in _all_rows(connection, STATEMENT_ACCOUNTS, "true")
    }
    for wallet in wallets.values():
        for account in wallet.accounts.values():
            usable = sum(account.usable.values())
            theirs = {
                "available": usable - account.uncovered_held_units - account.owed_units,
                "held": account.held_units,
                "overage": account.owed_units,
            }
            ours = shown.pop((wallet.id, account.asset), dict.fromkeys(theirs, 0))
            key = f"{wallet.id}/{account.asset}"
            yield from _figure_differences("last lines", key, ours, theirs)
    for (wallet_id, asset), figures in shown.items():
        yield from _figure_differences("last lines", f"{wallet_id}/{asset}", figures, {})


def _grant_differences(connection: Connection, figures: dict[str, Figures]) -> Iterator[Difference]:
    """Compare what is left of nothing: a dead grant's own stream states its last figures."""
    for grant in _all_rows(connection, GRANTS, "remaining = 0"):
        stated = figures.get(grant.grant_id)
        ours = {"burned": grant.burned, "expired": grant.expired, "revoked": grant.revoked}
        theirs: dict[str, Any] = dict.fromkeys(ours, "never stated")
        if stated is not None:
            theirs = {
                "burned": stated.burned_units,
                "expired": stated.expired_units,
                "revoked": stated.revoked_units,
            }
        yield from _figure_differences("grant streams", grant.grant_id, ours, theirs)


def _charge_differences(connection: Connection) -> Iterator[Difference]:
    """Compare each account with the sums of its charges.

    What grants paid is what charges took beyond overage, less what went back to grants (what
    made invoiced overage good is a new one); what repaid overage is burned too, and on no
    charge.
    """
    rows = connection.execute(
        SCRATCH.query(
            """
            SELECT coalesce(wallet_id::text, '') || '/' || asset,
                   a.burned - a.repaid, a.incurred, a.forgiven,
                   coalesce(c.burned, 0), coalesce(c.incurred, 0), coalesce(c.forgiven, 0)
            FROM {accounts} a FULL JOIN (
                SELECT tenant, wallet_id, asset,
                       sum(amount - overage - (refunded - forgiven - made_good)) AS burned,
                       sum(overage) AS incurred, sum(forgiven) AS forgiven
                FROM {charges} WHERE status NOT IN ('OBSERVED', 'AUTHORIZED', 'RELEASED')
                GROUP BY tenant, wallet_id, asset
            ) c USING (tenant, wallet_id, asset)
            WHERE (a.burned - a.repaid, a.incurred, a.forgiven) IS DISTINCT FROM
                  (coalesce(c.burned, 0), coalesce(c.incurred, 0), coalesce(c.forgiven, 0))
            """
        )
    )
    names = ("burned", "incurred", "forgiven")
    for key, *figures in rows:
        ours = dict(zip(names, figures[:3], strict=True))
        theirs = dict(zip(names, figures[3:], strict=True))
        yield from _figure_differences("charge streams", key, ours, theirs)


def _figure_differences(
    table: str, key: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> Iterator[Difference]:
    for name in ours.keys() | theirs.keys():
        was, made = ours.get(name), theirs.get(name)
        if was != made:
            yield Difference(table, key, name, str(was), str(made))


def _all_rows(connection: Connection, table: Table[R], where: str) -> Iterator[R]:
    """Return rows of a scratch table without holding all of them."""
    with connection.cursor(name=f"all_{table.name}") as cursor:
        cursor.itersize = BATCH_SIZE
        cursor.execute(
            SQL("SELECT {columns} FROM {table} WHERE {where}").format(
                columns=table.selected(), table=SCRATCH.table(table.name), where=SQL(where)
            )
        )
        for row in cursor:
            yield table.row_of(row)
