"""What lists and series answer, from the read models, for one tenant at a time.

Every query runs in a transaction that sees the rows of its tenant alone, and names the
tenant besides. Amounts are units of the asset's smallest. Lists are newest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg.sql import SQL

from domain.usage.charge import ChargeStatus
from projections import positions
from projections.finance_queries import FinanceQueries
from projections.holds import HoldQueries
from projections.invoice_queries import InvoiceQueries
from projections.pages import Page, cursor, place
from projections.series import Bucket, TooManyPoints
from projections.spend_queries import SpendQueries
from projections.statement_queries import StatementQueries
from projections.usage_rollups import ALL_CHARGES, NO_USAGE, series_query, whole_quarters
from projections.watch_queries import WatchQueries

UsageGroup = Literal["CUSTOMER", "METER", "SUBJECT", "PROPERTY"]

LISTED_MODELS = (
    "balances", "budgets", "customers", "charges", "statement", "invoices", "subscriptions",
    "top_ups", "notifications",
)  # fmt: skip
MOST_USAGE_POINTS = 50_000
_NEWEST = 2**63 - 1
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

_GROUPS = {
    "CUSTOMER": SQL("customer_id::text"),
    "METER": SQL("meter"),
    "SUBJECT": SQL("subject"),
    "PROPERTY": SQL("properties ->> %(property)s::text"),
}
_ROLLED_UP_GROUPS: dict[UsageGroup, SQL] = {"PROPERTY": SQL("value")}


@dataclass(frozen=True, slots=True)
class ChargeFilter:
    """occurred_from <= occurred_at < occurred_to. Without `status` all but AUTHORIZED and
    RELEASED ones.
    """

    customer_id: str | None = None
    meter: str | None = None
    subject: str | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    status: ChargeStatus | None = None


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """Usage that occurred in the bucket that begins at `at`. quantity: an exact decimal;
    amount: as charged, refunds not taken off.
    """

    at: datetime
    group: str | None
    charges: int
    quantity: str
    amount: int
    asset: str


class ReadModels(
    StatementQueries, HoldQueries, SpendQueries, WatchQueries, FinanceQueries, InvoiceQueries
):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def position(self, tenant_id: str) -> int:
        """Return how far all the read models behind these queries have come."""
        with self._transaction(tenant_id) as connection:
            return min(positions.read(connection, self._location, LISTED_MODELS).values())

    # Lists

    def customer_page(self, tenant_id: str, first: int, after: str | None = None) -> Page[str]:
        """Return ids of customers. Raises BadCursor."""
        rows = self._rows(
            tenant_id,
            "SELECT customer_id::text, position FROM {customers}"
            " WHERE tenant = %(tenant)s AND position < %(before)s"
            " ORDER BY position DESC LIMIT %(limit)s",
            {"before": _before("customers", after), "limit": first + 1},
        )
        return _page("customers", rows, first)

    def charge_page(
        self, tenant_id: str, wanted: ChargeFilter, first: int, after: str | None = None
    ) -> Page[str]:
        """Return ids of charges. Raises BadCursor."""
        where, parameters = _conditions(wanted)
        rows = self._rows(
            tenant_id,
            "SELECT charge_id::text, position FROM {charges}"
            " WHERE {where} AND position < %(before)s ORDER BY position DESC LIMIT %(limit)s",
            {**parameters, "before": _before("charges", after), "limit": first + 1},
            where=where,
        )
        return _page("charges", rows, first)

    def spent_grant_ids(self, tenant_id: str, wallet_id: str, asset: str) -> list[str]:
        """Return all grants that an account ever had, the dead ones too, in burn-down order."""
        rows = self._rows(
            tenant_id,
            "SELECT grant_id::text FROM {grants}"
            " WHERE tenant = %(tenant)s AND wallet_id = %(wallet)s AND asset = %(asset)s"
            " ORDER BY priority, coalesce(expires_at, 'infinity'), source = 'PAID',"
            " effective_at, issued_at, grant_id",
            {"wallet": wallet_id, "asset": asset},
        )
        return [grant_id for (grant_id,) in rows]

    def due_wallets(self, tenant_id: str, until: datetime, limit: int | None) -> list[str]:
        """Return wallets in which something falls due by `until`, the soonest first."""
        rows = self._rows(
            tenant_id,
            """
            SELECT wallet_id::text FROM (
                SELECT wallet_id, lapses_at AS due_at FROM {grants}
                WHERE tenant = %(tenant)s AND status IN ('ACTIVE', 'PENDING')
                AND lapses_at <= %(until)s
                UNION ALL
                SELECT wallet_id, effective_at FROM {grants}
                WHERE tenant = %(tenant)s AND status = 'PENDING' AND effective_at <= %(until)s
                UNION ALL
                SELECT wallet_id, expires_at FROM {holds}
                WHERE tenant = %(tenant)s AND status = 'OPEN' AND expires_at <= %(until)s
                UNION ALL
                SELECT wallet_id, due_at FROM {subscriptions}
                WHERE tenant = %(tenant)s AND due_at <= %(until)s
                UNION ALL
                SELECT wallet_id, notice_at FROM {grants}
                WHERE tenant = %(tenant)s AND status = 'ACTIVE' AND notice_at <= %(until)s
                UNION ALL
                SELECT wallet_id, wait_ends_at FROM {top_ups}
                WHERE tenant = %(tenant)s AND wait_ends_at <= %(until)s
            ) AS due GROUP BY wallet_id ORDER BY min(due_at), wallet_id LIMIT %(limit)s
            """,
            {"until": until, "limit": limit},
        )
        return [wallet_id for (wallet_id,) in rows]

    def subscription_ids(self, tenant_id: str, wallet_id: str) -> list[str]:
        """Return a wallet's subscriptions, newest first."""
        rows = self._rows(
            tenant_id,
            "SELECT subscription_id::text FROM {subscriptions}"
            " WHERE tenant = %(tenant)s AND wallet_id = %(wallet)s ORDER BY position DESC",
            {"wallet": wallet_id},
        )
        return [subscription_id for (subscription_id,) in rows]

    # Series

    def usage_series(
        self,
        tenant_id: str,
        wanted: ChargeFilter,
        frm: datetime,
        to: datetime,
        bucket: Bucket,
        by: UsageGroup,
        property: str | None = None,  # noqa: A002 - the schema's word
    ) -> list[UsagePoint]:
        """Return usage that occurred in [frm, to) by bucket, group and asset, where there is any.

        property: whose values to group by. Groups are ids of customers, meters, subjects or
        values of the property as text; None where an event said none. Raises TooManyPoints.
        """
        frm = max(frm, wanted.occurred_from or frm)
        to = max(frm, min(to, wanted.occurred_to or to))
        where, parameters = _conditions(replace(wanted, occurred_from=None, occurred_to=None))
        whole = (to, to) if wanted.status in NO_USAGE else whole_quarters(frm, to)
        with self._transaction(tenant_id) as connection:
            groups = _GROUPS[by], _ROLLED_UP_GROUPS.get(by, _GROUPS[by])
            rows = connection.execute(
                series_query(self._location, where, *groups),
                {
                    **parameters, "tenant": tenant_id, "from": frm, "to": to,
                    "whole_from": whole[0], "whole_to": whole[1], "property": property,
                    "rolled_up": property if by == "PROPERTY" else ALL_CHARGES,
                    "bucket": bucket.lower(), "limit": MOST_USAGE_POINTS + 1,
                },
            ).fetchall()  # fmt: skip
        if len(rows) > MOST_USAGE_POINTS:
            raise TooManyPoints(f"more than {MOST_USAGE_POINTS} points: a longer bucket, or less")
        return [
            UsagePoint(at.astimezone(UTC), of_group, charges, quantity, int(amount), of_asset)
            for at, of_group, charges, quantity, amount, of_asset in rows
        ]


def _conditions(wanted: ChargeFilter) -> tuple[SQL, dict[str, Any]]:
    conditions = ["tenant = %(tenant)s"]
    parameters: dict[str, Any] = {}
    for name, condition, value in (
        ("customer", "customer_id = %(customer)s", wanted.customer_id),
        ("meter", "meter = %(meter)s", wanted.meter),
        ("subject", "subject = %(subject)s", wanted.subject),
        ("since", "occurred_at >= %(since)s", wanted.occurred_from),
        ("upto", "occurred_at < %(upto)s", wanted.occurred_to),
        ("status", "status = %(status)s", wanted.status),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    if wanted.customer_id is not None and not _ID.fullmatch(wanted.customer_id):
        conditions[1] = "false"  # no customer has such an id
    if wanted.status is None:
        conditions.append("status NOT IN ('AUTHORIZED', 'RELEASED')")
    return SQL(" AND ".join(conditions)), parameters


def _before(listed: str, after: str | None) -> int:
    return _NEWEST if after is None else place(listed, 1, after)[0]


def _page(listed: str, rows: Sequence[tuple[Any, ...]], first: int) -> Page[str]:
    """Return a page of rows of (id, position), one more than asked for if there are more."""
    shown = rows[:first]
    end = cursor(listed, shown[-1][1]) if shown else None
    return Page([found for found, _ in shown], end, has_next=len(rows) > first)
