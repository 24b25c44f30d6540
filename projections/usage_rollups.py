"""Usage summed by quarter hours: part of the read model `charges`, in its transactions.

Tables: usage_rollups, usage_rollup_properties. A sum is of the charges of one customer, meter,
subject, asset and status; kept once for all of them, and once more for each property that is
rolled up, by its value. It is a sum over the rows of `charges` and nothing else: what a row
was is taken out, what it is now is put in, both by the database from the row itself.

A quarter hour, because every zone's hours and days are made of quarter hours and of nothing
longer: Kathmandu is 5:45 ahead of UTC, Adelaide 9:30. What a span has of less than one at its
ends is read from the charges themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.sql import SQL, Composable, Composed

from projections.database import Connection
from projections.tables import Location, Table

ALL_CHARGES = ""
"""Stands for a property in the sums that are by none."""
QUARTER = timedelta(minutes=15)
NO_USAGE = ("AUTHORIZED", "RELEASED")

ChargeKey = tuple[str, int]
"""The first columns of a charge: its tenant and position."""
Key = tuple[Any, ...]
"""The first columns of a sum."""


@dataclass(slots=True)
class RollupRow:
    """subject: "" for none. value_id: the nil id where `value` is none."""

    tenant: str
    property: str
    starts_at: datetime
    customer_id: str
    meter: str
    subject: str
    asset: str
    status: str
    value_id: str
    value: str | None
    charges: int
    quantity: str
    amount: int


@dataclass(slots=True)
class PropertyRow:
    tenant: str
    property: str


USAGE_ROLLUPS = Table(
    "usage_rollups",
    RollupRow,
    9,
    "uuid text time uuid text text text text uuid text bigint decimal units",
)
ROLLUP_PROPERTIES = Table("usage_rollup_properties", PropertyRow, 2, "uuid text")


def quarter_of(at: datetime) -> datetime:
    """Return the beginning of the quarter hour that holds `at`."""
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def whole_quarters(frm: datetime, to: datetime) -> tuple[datetime, datetime]:
    """Return the span of the whole quarter hours in [frm, to); an empty one at `to` if none."""
    first, last = quarter_of(frm), quarter_of(to)
    if first < frm:
        first += QUARTER
    return (first, last) if first < last else (to, to)


def begin_sums(
    connection: Connection, location: Location, tenants: Iterable[str], wished: Sequence[str]
) -> None:
    """Let sums of a tenant be kept by what is wished for at its first charge, and by nothing
    else from then on, so that none has a gap.
    """
    wanted = list(tenants)
    kept = ROLLUP_PROPERTIES.load(connection, location, [(tenant,) for tenant in wanted])
    begun = {row.tenant for row in kept}
    rows = [
        PropertyRow(tenant, name)
        for tenant in wanted
        if tenant not in begun
        for name in (ALL_CHARGES, *wished)
    ]
    ROLLUP_PROPERTIES.insert(connection, location, rows)


def take_out(connection: Connection, location: Location, charges: Sequence[ChargeKey]) -> list[Key]:
    """Take out what these rows of `charges` are, before they change; return whose sums."""
    if not charges:
        return []
    query = location.query(_ADD + _RETURNED, sign=SQL("-1"), source=location.query(_OF_KEYS))
    return connection.execute(query, _columns(charges)).fetchall()


def put_in_added(location: Location) -> Composed:
    """Return the statement that puts in what the rows of `added`, new charges, are."""
    return location.query(_ADD, sign=SQL("1"), source=SQL("added"))


def put_in(connection: Connection, location: Location, charges: Sequence[ChargeKey]) -> None:
    """Put in what these rows of `charges` are."""
    if charges:
        query = location.query(_ADD, sign=SQL("1"), source=location.query(_OF_KEYS))
        connection.execute(query, _columns(charges))


def forget_empty(connection: Connection, location: Location, keys: Sequence[Key]) -> None:
    """Forget those of these sums of which nothing is left."""
    if keys:
        connection.execute(location.query(_FORGET_EMPTY), _columns(keys))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


_ADD = """
    INSERT INTO {usage_rollups} AS t (tenant, property, starts_at, customer_id, meter, subject,
        asset, status, value_id, value, charges, quantity, amount)
    SELECT tenant, property, date_bin('15 minutes', occurred_at, '2000-01-01 00:00Z') AS starts_at,
           customer_id, meter, coalesce(subject, '') AS subject, asset, status,
           coalesce(md5(value)::uuid, '00000000-0000-0000-0000-000000000000') AS value_id, value,
           {sign} * count(*), trim_scale({sign} * coalesce(sum(quantity), 0)), {sign} * sum(amount)
    FROM (
        SELECT c.*, p.property, c.properties ->> nullif(p.property, '') AS value
        FROM {source} c JOIN {usage_rollup_properties} p USING (tenant)
        WHERE c.status NOT IN ('AUTHORIZED', 'RELEASED')
    ) AS charges
    GROUP BY tenant, property, 3, customer_id, meter, 6, asset, status, value
    ORDER BY tenant, property, 3, customer_id, meter, 6, asset, status, 9
    ON CONFLICT (tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id)
    DO UPDATE SET charges = t.charges + EXCLUDED.charges,
        quantity = trim_scale(t.quantity + EXCLUDED.quantity), amount = t.amount + EXCLUDED.amount
"""
_OF_KEYS = """
        (SELECT charges.* FROM unnest(%s::uuid[], %s::bigint[]) AS k (tenant, position)
         JOIN {charges} charges USING (tenant, position))"""
_RETURNED = """
    RETURNING tenant::text, property, starts_at, customer_id::text, meter, subject, asset, status,
              value_id::text
"""
_FORGET_EMPTY = """
    DELETE FROM {usage_rollups} AS t
    USING unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[], %s::text[], %s::text[],
                 %s::text[], %s::text[], %s::uuid[])
    AS k (tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id)
    WHERE t.charges = 0 AND t.tenant = k.tenant AND t.property = k.property
    AND t.starts_at = k.starts_at AND t.customer_id = k.customer_id AND t.meter = k.meter
    AND t.subject = k.subject AND t.asset = k.asset AND t.status = k.status
    AND t.value_id = k.value_id
"""
_SERIES = """
    WITH rolled_up AS MATERIALIZED (
        SELECT EXISTS (
            SELECT FROM {usage_rollup_properties}
            WHERE tenant = %(tenant)s AND property = %(rolled_up)s
        ) AS so
    ), parts AS (
        SELECT starts_at AS at, {rolled_group} AS of_group, charges, quantity, amount, asset
        FROM (
            SELECT tenant, property, starts_at, customer_id, meter,
                   nullif(subject, '') AS subject, asset, status, value, charges, quantity, amount
            FROM {usage_rollups}
        ) AS sums
        WHERE {where} AND property = %(rolled_up)s
        AND starts_at >= %(whole_from)s AND starts_at < %(whole_to)s
        AND (SELECT so FROM rolled_up)
        UNION ALL
        SELECT occurred_at, {group}, 1, quantity, amount, asset FROM {charges}
        WHERE {where} AND occurred_at >= %(from)s AND occurred_at < %(whole_from)s
        UNION ALL
        SELECT occurred_at, {group}, 1, quantity, amount, asset FROM {charges}
        WHERE {where} AND occurred_at >= %(whole_to)s AND occurred_at < %(to)s
        UNION ALL
        SELECT occurred_at, {group}, 1, quantity, amount, asset FROM {charges}
        WHERE {where} AND occurred_at >= %(whole_from)s AND occurred_at < %(whole_to)s
        AND NOT (SELECT so FROM rolled_up)
    )
    SELECT date_trunc(%(bucket)s, at, 'UTC'), of_group, sum(charges)::bigint,
           trim_scale(coalesce(sum(quantity), 0))::text, sum(amount)::text, asset
    FROM parts GROUP BY 1, 2, asset ORDER BY 1, asset, 2 LIMIT %(limit)s
"""


def series_query(
    location: Location, where: Composable, group: Composable, rolled_group: Composable
) -> Composed:
    """Return the statement of a series: sums for the whole quarter hours, charges for the ends.

    where: on columns that charges and sums share. Parameters besides its own: tenant, from, to,
    whole_from, whole_to, bucket, limit, and rolled_up: the property that it is by, "" for none.
    A property that is not rolled up is read from the charges alone.
    """
    return location.query(_SERIES, where=where, group=group, rolled_group=rolled_group)
