"""What statements and series of balances answer: lines as they are written, and plain charges.

A plain charge's line is made of its row in `charges`: the balance after it is that of the written
line before it, less the amounts since; nothing else has moved. Nothing is told beyond the
position that both read models have reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.sql import SQL, Composable, Composed

from domain.wallet.wallet import Wallet
from projections.pages import Page, cursor, place
from projections.series import Bucket, ends_of
from projections.statement import MOST_UNWRITTEN, StatementKind, usage_of
from projections.tenant_rows import TenantRows
from projections.wallets import wallet_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StatementLine:
    position: int
    kind: StatementKind
    at: datetime
    change: int
    balance_after: int
    held_after: int
    overage_after: int
    description: str
    grant_id: str | None
    charge_id: str | None
    hold_id: str | None


@dataclass(frozen=True, slots=True)
class BalancePoint:
    """What the account showed at `at`."""

    at: datetime
    available: int
    held: int
    overage: int


@dataclass(frozen=True, slots=True)
class AccountMovement:
    """What one kind of line moved an account by in a span; `opening` and `closing` of it are
    kinds of their own.
    """

    asset: str
    kind: str
    description: str
    units: int


class StatementQueries(TenantRows):
    """Part of `ReadModels`."""

    def statement_page(
        self, tenant_id: str, wallet_id: str, asset: str, first: int, after: str | None = None
    ) -> Page[StatementLine]:
        """Return what moved an account, newest first. Raises BadCursor."""
        earlier = "true"
        asked: dict[str, Any] = {
            "wallet": wallet_id, "asset": asset, "usage": usage_of(""), "before": _NEWEST,
            "written": first + 1,
            # So many beyond the page's oldest line tell what was shown after it.
            "plain": first + MOST_UNWRITTEN + 2,
        }  # fmt: skip
        if after is not None:
            microseconds, position = place("statement", 2, after)
            earlier = "(at, position) < (%(at)s, %(before)s)"
            asked |= {"at": _EPOCH + microseconds * _MICROSECOND, "before": position}
        query = self._with_reached(_PAGE, earlier=SQL(earlier))
        with self._transaction(tenant_id) as connection:
            rows = connection.execute(query, {**asked, "tenant": tenant_id}).fetchall()
        newest = _lines(rows)[: first + 1]
        shown = newest[:first]
        return Page(shown, _line_cursor(shown[-1]) if shown else None, has_next=len(newest) > first)

    def balance_series(
        self,
        tenant_id: str,
        wallet_id: str,
        asset: str,
        frm: datetime,
        to: datetime,
        bucket: Bucket,
    ) -> list[BalancePoint]:
        """Return what an account showed at the end of each bucket, the last time at `to`.

        Buckets begin on the hour, day, Monday or first of the month, in UTC. What has
        fallen due by a point counts, written or not. Raises TooManyPoints.
        """
        ends = ends_of(frm, to, bucket)
        if not ends:
            return []
        with self._transaction(tenant_id) as connection:
            asked = {"ends": ends, "tenant": tenant_id, "wallet": wallet_id, "asset": asset}
            rows = connection.execute(self._with_reached(_BALANCES_AT_ENDS), asked).fetchall()
            newest = connection.execute(
                self._location.query(_NEWEST_LINE, of_account=_OF_ACCOUNT), asked
            ).fetchone()
            wallet = wallet_of(connection, self._location, tenant_id, wallet_id)
        last_moved_at = newest[0] if newest else None
        # After the last line the wallet itself tells, with what falls due by then.
        return [
            _point_of(wallet, asset, end)
            if line_at == last_moved_at
            else BalancePoint(end, int(available), int(held), int(overage))
            if line_at is not None
            else BalancePoint(end, 0, 0, 0)
            for end, (line_at, available, held, overage) in zip(ends, rows, strict=True)
        ]

    def account_movements(
        self, tenant_id: str, wallet_id: str, start: datetime, end: datetime
    ) -> list[AccountMovement]:
        """Return what moved each account from `start` until just before `end`, opening first,
        closing last; by kind, and by description within it.
        """
        asked = {"wallet": wallet_id, "start": start, "end": end, "usage": usage_of("")}
        with self._transaction(tenant_id) as connection:
            query = self._with_reached(_MOVEMENTS)
            rows = connection.execute(query, {**asked, "tenant": tenant_id}).fetchall()
        begins: dict[str, int] = {}
        moves: dict[str, list[AccountMovement]] = {}
        for asset, kind, description, units, _ in rows:
            of_asset = moves.setdefault(asset, [])
            if kind == "OPENING":
                begins[asset] = int(units)
            else:
                of_asset.append(AccountMovement(asset, kind, description, int(units)))
        found: list[AccountMovement] = []
        for asset in sorted(moves):
            first = begins.get(asset, 0)
            last = first + sum(each.units for each in moves[asset])
            found.append(AccountMovement(asset, "OPENING", "Opening balance", first))
            found += moves[asset]
            found.append(AccountMovement(asset, "CLOSING", "Closing balance", last))
        return found

    def _with_reached(self, query: str, **parts: Composable) -> Composed:
        """Return a query that knows what both read models have reached."""
        parts |= {"of_wallet": _OF_WALLET, "of_account": _OF_ACCOUNT}
        rest = self._location.query(query, **parts)
        return self._location.query(_WITH_REACHED, query=rest)


def _lines(rows: Iterable[Sequence[Any]]) -> list[StatementLine]:
    """Return lines, newest first; of rows in order, the first of which is written."""
    lines: list[StatementLine] = []
    balance = held = overage = 0
    for position, kind, at, change, *after, said, grant_id, charge_id, hold_id in rows:
        if after[0] is None:
            balance += int(change)
        else:
            balance, held, overage = map(int, after)
        lines.append(
            StatementLine(
                position, kind, at.astimezone(UTC), int(change), balance, held, overage, said,
                grant_id, charge_id, hold_id,
            )
        )  # fmt: skip
    return lines[::-1]


def _line_cursor(line: StatementLine) -> str:
    return cursor("statement", (line.at - _EPOCH) // _MICROSECOND, line.position)


def _point_of(wallet: Wallet | None, asset: str, at: datetime) -> BalancePoint:
    account = wallet.as_of(at).accounts.get(asset) if wallet else None
    if account is None:
        return BalancePoint(at, 0, 0, 0)
    return BalancePoint(at, account.available_units(at), account.held_units, account.owed_units)


# An account's rows between two positions are asked for by all columns together: with bounds on the
# position alone, tables without statistics yet would be read by it, and so all wallets' rows.
_OF_WALLET = SQL("tenant = %(tenant)s AND wallet_id = %(wallet)s")
_OF_ACCOUNT = SQL("tenant = %(tenant)s AND wallet_id = %(wallet)s AND asset = %(asset)s")
_WITH_REACHED = """
    WITH reached AS (
        SELECT min(position) AS position FROM {projection_positions}
        WHERE projection IN ('charges', 'statement')
    ), {query}
"""
_PAGE = """
    written AS (
        SELECT * FROM {statement_lines}
        WHERE {of_account} AND {earlier} AND position <= (SELECT position FROM reached)
        ORDER BY at DESC, position DESC LIMIT %(written)s
    ), plain AS (
        SELECT * FROM {charges}
        WHERE {of_account} AND plain
        AND position < %(before)s AND position <= (SELECT position FROM reached)
        ORDER BY position DESC LIMIT %(plain)s
    )
    SELECT position, kind, at, change::text, balance_after::text, held_after::text,
           overage_after::text, description, grant_id::text, charge_id::text, hold_id::text
    FROM written
    UNION ALL
    SELECT position, 'CHARGE', recorded_at, (-amount)::text, NULL, NULL, NULL,
           %(usage)s || meter, NULL, charge_id::text, NULL
    FROM plain WHERE position NOT IN (SELECT position FROM written)
    AND position > (SELECT min(position) FROM written)
    ORDER BY position
"""
_BALANCES_AT_ENDS = """
    ends AS (SELECT unnest(%(ends)s::timestamptz[]) AS at)
    SELECT greatest(l.at, c.at), (l.balance_after - coalesce(c.amount, 0))::text,
           l.held_after::text, l.overage_after::text
    FROM ends LEFT JOIN LATERAL (
        SELECT * FROM {statement_lines}
        WHERE {of_account} AND at <= ends.at AND position <= (SELECT position FROM reached)
        ORDER BY at DESC, position DESC LIMIT 1
    ) AS l ON true LEFT JOIN LATERAL (
        SELECT max(recorded_at) AS at, sum(amount) AS amount FROM {charges}
        WHERE {of_account} AND plain AND recorded_at <= ends.at
        AND (wallet_id, asset, position) > (%(wallet)s, %(asset)s, l.position)
        AND (wallet_id, asset, position) < (%(wallet)s, %(asset)s, least((
            SELECT position FROM {statement_lines}
            WHERE {of_account} AND (at, position) > (l.at, l.position)
            ORDER BY at, position LIMIT 1
        ), (SELECT position + 1 FROM reached)))
    ) AS c ON true ORDER BY ends.at
"""
_NEWEST_LINE = "SELECT at FROM {statement_accounts} WHERE {of_account}"
_MOVEMENTS = """
    accounts AS (
        SELECT asset, coalesce(opening.position, 0) AS begins, opening.balance_after, (
            SELECT position FROM {statement_lines} l
            WHERE {of_wallet} AND l.asset = a.asset AND at >= %(end)s
            ORDER BY at, position LIMIT 1
        ) AS ends
        FROM (SELECT asset FROM {statement_accounts} WHERE {of_wallet}) AS a
        LEFT JOIN LATERAL (
            SELECT position, balance_after FROM {statement_lines} l
            WHERE {of_wallet} AND l.asset = a.asset AND at < %(start)s
            ORDER BY at DESC, position DESC LIMIT 1
        ) AS opening ON true
    ), written AS (
        SELECT * FROM {statement_lines} WHERE {of_wallet} AND at >= %(start)s AND at < %(end)s
        AND position <= (SELECT position FROM reached)
    ), plain AS (
        SELECT c.asset, meter, -amount AS change, position, recorded_at AS at
        FROM accounts a CROSS JOIN LATERAL (
            SELECT * FROM {charges}
            WHERE {of_wallet} AND asset = a.asset AND plain AND recorded_at < %(end)s
            AND (wallet_id, asset, position) > (%(wallet)s, a.asset, a.begins)
            AND (wallet_id, asset, position)
                < (%(wallet)s, a.asset, least(a.ends, (SELECT position + 1 FROM reached)))
            OFFSET 0 -- an account at a time, from where it begins
        ) AS c
        WHERE position NOT IN (SELECT position FROM written)
    ), moved AS (
        SELECT asset, kind, description, change, position FROM written
        UNION ALL
        SELECT asset, 'CHARGE', %(usage)s || meter, change, position
        FROM plain WHERE at >= %(start)s
    )
    SELECT asset, kind, description, sum(change)::text, min(position)
    FROM moved GROUP BY asset, kind, description
    UNION ALL
    SELECT asset, 'OPENING', '', (balance_after + coalesce((
        SELECT sum(change) FROM plain p WHERE p.asset = a.asset AND at < %(start)s
    ), 0))::text, 0
    FROM accounts a WHERE balance_after IS NOT NULL
    ORDER BY 1, 5
"""
