"""What margins and tasks answer, for one tenant at a time. Money in units of the currency."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg.sql import SQL

from projections.pages import BadCursor, Page, cursor, place
from projections.tenant_rows import TenantRows

MarginBy = Literal["CUSTOMER", "PRODUCT", "METER", "SUBJECT", "VENDOR", "DAY"]

_CURSOR = re.compile(r"[A-Za-z0-9_=-]{1,2000}", re.ASCII)
_NEWEST = 2**63 - 1
_KEYS = {
    "CUSTOMER": SQL("customer_id::text"),
    "PRODUCT": SQL("product"),
    "METER": SQL("meter"),
    "SUBJECT": SQL("subject"),
    "VENDOR": SQL("vendor"),
    "DAY": SQL("to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"),
}
# A charge has one row 0 a currency; by line it may have several of one key.
_CHARGES = SQL("count(*) FILTER (WHERE line = 0)")
_CHARGES_BY_LINE = SQL("count(DISTINCT charge_id)")


@dataclass(frozen=True, slots=True)
class Margin:
    """key: what rows were added up by; empty where charges say none."""

    key: str
    currency: str
    charges: int
    revenue: int
    cost: int


@dataclass(frozen=True, slots=True)
class Task:
    """amounts: units by asset, net; vendors: a row a vendor and currency."""

    subject: str
    charges: int
    started_at: datetime
    last_at: datetime
    amounts: dict[str, int]
    vendors: list[Margin]


@dataclass(frozen=True, slots=True)
class Unpriced:
    """How many charges a meter counted that no price did."""

    meter: str
    charges: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class MoneyMoved:
    currency: str
    revenue: int
    cost: int


class MarginQueries(TenantRows):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def margins(
        self,
        tenant_id: str,
        by: MarginBy,
        frm: datetime,
        to: datetime,
        customer_id: str | None,
        first: int,
        after: str | None = None,
    ) -> Page[Margin]:
        """Return what usage that occurred in [frm, to) earned and cost, by key and currency.

        Days are of UTC. Raises BadCursor.
        """
        key, currency = ("", "") if after is None else _place(after)
        rows = self._rows(
            tenant_id,
            """
            SELECT * FROM (
                SELECT ({key}) COLLATE "C" AS key, currency COLLATE "C" AS currency, {charges},
                       sum(revenue)::text, sum(cost)::text
                FROM {margin_lines}
                WHERE tenant = %(tenant)s AND counted AND currency <> ''
                AND occurred_at >= %(from)s AND occurred_at < %(to)s
                AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s::uuid)
                GROUP BY 1, 2
            ) AS m WHERE (key, currency) > (%(key)s::text, %(currency)s::text)
            ORDER BY key, currency LIMIT %(limit)s
            """,
            {
                "from": frm, "to": to, "customer": customer_id, "key": key, "currency": currency,
                "limit": first + 1,
            },
            key=_KEYS[by],
            charges=_CHARGES_BY_LINE if by in ("PRODUCT", "METER") else _CHARGES,
        )  # fmt: skip
        found = [_margin(row) for row in rows[:first]]
        end = _cursor(found[-1]) if found else None
        return Page(found, end, has_next=len(rows) > first)

    def unpriced(self, tenant_id: str, frm: datetime, to: datetime) -> list[Unpriced]:
        """Return what was used in [frm, to) and no price matched, by meter."""
        rows = self._rows(
            tenant_id,
            'SELECT meter COLLATE "C", count(DISTINCT charge_id), min(occurred_at),'
            " max(occurred_at) FROM {margin_lines}"
            " WHERE tenant = %(tenant)s AND unpriced AND counted"
            " AND occurred_at >= %(from)s AND occurred_at < %(to)s GROUP BY 1 ORDER BY 1",
            {"from": frm, "to": to},
        )
        return [
            Unpriced(meter, charges, first.astimezone(UTC), last.astimezone(UTC))
            for meter, charges, first, last in rows
        ]

    def of_customers(
        self,
        tenant_id: str,
        customers: Sequence[str],
        meters: Sequence[str],
        frm: datetime,
        to: datetime,
    ) -> dict[tuple[str, str], list[MoneyMoved]]:
        """Return what usage of some meters earned and cost, by customer and asset charged."""
        rows = self._rows(
            tenant_id,
            "SELECT customer_id::text, asset, currency, sum(revenue)::text, sum(cost)::text"
            " FROM {margin_lines} WHERE tenant = %(tenant)s AND counted AND currency <> ''"
            " AND occurred_at >= %(from)s AND occurred_at < %(to)s"
            " AND customer_id = ANY(%(customers)s::uuid[]) AND meter = ANY(%(meters)s)"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            {"from": frm, "to": to, "customers": list(customers), "meters": list(meters)},
        )
        found: dict[tuple[str, str], list[MoneyMoved]] = {}
        for customer, asset, currency, revenue, cost in rows:
            moved = MoneyMoved(currency, int(revenue), int(cost))
            found.setdefault((customer, asset), []).append(moved)
        return found

    def tasks(
        self, tenant_id: str, customer_id: str, first: int, after: str | None = None
    ) -> Page[Task]:
        """Return a customer's tasks, the last begun first. Raises BadCursor."""
        before = _NEWEST if after is None else place("tasks", 1, after)[0]
        rows = self._rows(
            tenant_id,
            "SELECT subject, charges, started_at, last_at, position FROM {tasks}"
            " WHERE tenant = %(tenant)s AND customer_id = %(customer)s AND charges > 0"
            " AND position < %(before)s ORDER BY position DESC LIMIT %(limit)s",
            {"customer": customer_id, "before": before, "limit": first + 1},
        )
        end = cursor("tasks", rows[:first][-1][4]) if rows else None
        found = self._tasks(tenant_id, customer_id, [row[:4] for row in rows[:first]])
        return Page(found, end, has_next=len(rows) > first)

    def task(self, tenant_id: str, customer_id: str, subject: str) -> Task | None:
        rows = self._rows(
            tenant_id,
            "SELECT subject, charges, started_at, last_at FROM {tasks}"
            " WHERE tenant = %(tenant)s AND customer_id = %(customer)s AND charges > 0"
            " AND subject = %(subject)s",
            {"customer": customer_id, "subject": subject},
        )
        found = self._tasks(tenant_id, customer_id, rows)
        return found[0] if found else None

    def _tasks(
        self, tenant_id: str, customer_id: str, rows: Sequence[tuple[Any, ...]]
    ) -> list[Task]:
        found = [
            Task(subject, charges, started.astimezone(UTC), last.astimezone(UTC), {}, [])
            for subject, charges, started, last in rows
        ]
        by_subject = {task.subject: task for task in found}
        wanted = {"customer": customer_id, "subjects": list(by_subject)}
        amounts = self._rows(
            tenant_id,
            "SELECT subject, asset, amount::text FROM {task_amounts}"
            " WHERE tenant = %(tenant)s AND customer_id = %(customer)s"
            " AND subject = ANY(%(subjects)s) ORDER BY asset",
            wanted,
        )
        for subject, asset, amount in amounts:
            by_subject[subject].amounts[asset] = int(amount)
        vendors = self._rows(
            tenant_id,
            'SELECT subject, vendor COLLATE "C", currency, {charges}, sum(revenue)::text,'
            " sum(cost)::text FROM {margin_lines}"
            " WHERE tenant = %(tenant)s AND customer_id = %(customer)s"
            " AND subject = ANY(%(subjects)s) AND counted AND currency <> ''"
            " GROUP BY 1, 2, 3 ORDER BY 2, 3",
            wanted,
            charges=_CHARGES,
        )
        for subject, *row in vendors:
            by_subject[subject].vendors.append(_margin(row))
        return found


def _margin(row: Sequence[Any]) -> Margin:
    key, currency, charges, revenue, cost = row
    return Margin(key, currency, charges, int(revenue), int(cost))


def _cursor(margin: Margin) -> str:
    text = json.dumps(["margins", margin.key, margin.currency])
    return urlsafe_b64encode(text.encode()).decode()


def _place(after: str) -> tuple[str, str]:
    """Return the key and currency that a cursor names. Raises BadCursor."""
    try:
        if not _CURSOR.fullmatch(after):
            raise BadCursor(after[:60])
        listed, key, currency = json.loads(urlsafe_b64decode(after))
    except ValueError:
        raise BadCursor(after[:60]) from None
    if listed != "margins" or not isinstance(key, str) or not isinstance(currency, str):
        raise BadCursor(after[:60])
    return key, currency
