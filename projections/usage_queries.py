"""Recorded usage of many customers, as prices are compared on it. It reads; it never writes.

Fees and adjustments, which are charges of the ledger's own, are no usage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from psycopg.rows import tuple_row
from psycopg.sql import SQL

from domain.calendar.months import Months
from domain.identity import LEDGER_PREFIX
from domain.subscriptions.enrolment import Enrolment
from projections.tenant_rows import TenantRows

# Of these statuses something was used. What was withdrawn never happened, but may have been
# paid for in part: what the rest costs less by it was given back, no more.
USED = ("SETTLED", "OBSERVED", "PARTIALLY_REFUNDED", "REFUNDED")
_COUNTED = SQL(
    "(status = ANY(%(used)s) OR status = 'WITHDRAWN' AND amount <> refunded)"
    " AND NOT starts_with(source, %(own)s)"
)
_AT_A_TIME = 5_000

_properties = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Usage of these event types that occurred in [since, until)."""

    event_types: Sequence[str]
    since: datetime
    until: datetime


@dataclass(slots=True)
class RecordedUsage:
    """charged_units: net of what was given back, of `asset`. withdrawn: nothing was used."""

    customer_id: str
    event_type: str
    quantity: str | None
    properties: dict[str, Any]
    occurred_at: datetime
    asset: str
    charged_units: int
    withdrawn: bool


@dataclass(slots=True)
class PricedCustomer:
    """By what a customer's usage is priced: its subscriptions of one product, the oldest first,
    else calendar months.
    """

    months: Months
    subscriptions: list[Enrolment]


class UsageQueries(TenantRows):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def customers(
        self, tenant_id: str, stretch: Stretch, after: str | None, limit: int
    ) -> list[str]:
        """Return the customers with such usage, in the order of their ids, from `after` on."""
        query = self._location.query(
            "SELECT DISTINCT customer_id::text FROM {charges}"
            " WHERE tenant = %(tenant)s AND occurred_at >= %(since)s AND occurred_at < %(until)s"
            " AND meter = ANY(%(meters)s) AND {counted}"
            " AND (%(after)s::uuid IS NULL OR customer_id >= %(after)s::uuid)"
            " ORDER BY 1 LIMIT %(limit)s",
            counted=_COUNTED,
        )
        with self._transaction(tenant_id) as connection:
            asked = {**_asked(tenant_id, stretch), "after": after, "limit": limit}
            return [customer for (customer,) in connection.execute(query, asked).fetchall()]

    def priced_customers(
        self, tenant_id: str, customers: Sequence[str], product: str
    ) -> dict[str, PricedCustomer]:
        """Return by what usage of these customers was priced whenever it occurred."""
        asked = {
            "tenant": tenant_id,
            "customers": list(customers),
            "priced": msgspec.json.encode(
                {"spans": [{"terms": {"product_key": product}}]}
            ).decode(),
        }
        months = self._location.query(
            "SELECT customer_id::text, months FROM {customers}"
            " WHERE tenant = %(tenant)s AND customer_id = ANY(%(customers)s::uuid[])"
        )
        subscriptions = self._location.query(
            "SELECT customer_id::text, enrolment FROM {customers} c"
            " JOIN {subscriptions} s USING (tenant, wallet_id)"
            " WHERE tenant = %(tenant)s AND customer_id = ANY(%(customers)s::uuid[])"
            " AND enrolment @> %(priced)s::jsonb ORDER BY s.position"
        )
        with self._transaction(tenant_id) as connection:
            found = {
                customer: PricedCustomer(msgspec.convert(said, Months), [])
                for customer, said in connection.execute(months, asked)
            }
            for customer, enrolment in connection.execute(subscriptions, asked):
                found[customer].subscriptions.append(msgspec.convert(enrolment, Enrolment))
        return found

    def usage(
        self, tenant_id: str, stretch: Stretch, customers: Sequence[str]
    ) -> Iterator[RecordedUsage]:
        """Yield what these customers used, by customer, in the order in which it settled."""
        query = self._location.query(
            "SELECT customer_id::text, meter, quantity::text, properties::text, occurred_at, asset,"
            " (amount - refunded)::text, status = 'WITHDRAWN' FROM {charges}"
            " WHERE tenant = %(tenant)s AND customer_id = ANY(%(customers)s::uuid[])"
            " AND occurred_at >= %(since)s AND occurred_at < %(until)s"
            " AND meter = ANY(%(meters)s) AND {counted}"
            " ORDER BY customer_id, position",
            counted=_COUNTED,
        )
        with (
            self._transaction(tenant_id) as connection,
            connection.cursor("usage", row_factory=tuple_row) as cursor,
        ):
            cursor.itersize = _AT_A_TIME
            cursor.execute(query, {**_asked(tenant_id, stretch), "customers": list(customers)})
            for customer, meter, quantity, properties, at, asset, charged, withdrawn in cursor:
                yield RecordedUsage(
                    customer,
                    meter,
                    quantity,
                    _properties(properties) if properties is not None else _NOTHING,
                    at.astimezone(UTC),
                    asset,
                    int(charged),
                    withdrawn,
                )


def _asked(tenant_id: str, stretch: Stretch) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "since": stretch.since,
        "until": stretch.until,
        "meters": list(stretch.event_types),
        "used": list(USED),
        "own": LEDGER_PREFIX,
    }
