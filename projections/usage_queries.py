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

from domain.identity import LEDGER_PREFIX
from projections.tenant_rows import TenantRows

# Of these statuses something was used; what was withdrawn never happened.
USED = ("SETTLED", "OBSERVED", "PARTIALLY_REFUNDED", "REFUNDED")
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
    """charged_units: net of what was given back, of `asset`."""

    customer_id: str
    event_type: str
    quantity: str | None
    properties: dict[str, Any]
    occurred_at: datetime
    asset: str
    charged_units: int


class UsageQueries(TenantRows):
    """transaction: opens one that sees the rows of a tenant, as the role that reads."""

    def customers(
        self, tenant_id: str, stretch: Stretch, after: str | None, limit: int
    ) -> list[str]:
        """Return the customers with such usage, in the order of their ids, from `after` on."""
        query = self._location.query(
            "SELECT DISTINCT customer_id::text FROM {charges}"
            " WHERE tenant = %(tenant)s AND occurred_at >= %(since)s AND occurred_at < %(until)s"
            " AND meter = ANY(%(meters)s) AND status = ANY(%(used)s)"
            " AND NOT starts_with(source, %(own)s)"
            " AND (%(after)s::uuid IS NULL OR customer_id >= %(after)s::uuid)"
            " ORDER BY 1 LIMIT %(limit)s"
        )
        with self._transaction(tenant_id) as connection:
            asked = {**_asked(tenant_id, stretch), "after": after, "limit": limit}
            return [customer for (customer,) in connection.execute(query, asked).fetchall()]

    def usage(
        self, tenant_id: str, stretch: Stretch, customers: Sequence[str]
    ) -> Iterator[RecordedUsage]:
        """Yield what these customers used, by customer, in the order in which it settled."""
        query = self._location.query(
            "SELECT customer_id::text, meter, quantity::text, properties::text, occurred_at, asset,"
            " (amount - refunded)::text FROM {charges}"
            " WHERE tenant = %(tenant)s AND customer_id = ANY(%(customers)s::uuid[])"
            " AND occurred_at >= %(since)s AND occurred_at < %(until)s"
            " AND meter = ANY(%(meters)s) AND status = ANY(%(used)s)"
            " AND NOT starts_with(source, %(own)s)"
            " ORDER BY customer_id, position"
        )
        with (
            self._transaction(tenant_id) as connection,
            connection.cursor("usage", row_factory=tuple_row) as cursor,
        ):
            cursor.itersize = _AT_A_TIME
            cursor.execute(query, {**_asked(tenant_id, stretch), "customers": list(customers)})
            for customer, meter, quantity, properties, occurred_at, asset, charged in cursor:
                yield RecordedUsage(
                    customer,
                    meter,
                    quantity,
                    _properties(properties) if properties is not None else _NOTHING,
                    occurred_at.astimezone(UTC),
                    asset,
                    int(charged),
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
