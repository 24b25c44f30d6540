"""Usage summed by quarter hours: part of the read model `charges`, in its transactions.

Tables: usage_rollups, usage_rollup_properties. A sum is of the charges of one customer, meter,
subject, asset and status; kept once for all of them, and once more for each property that is
rolled up, by its value. It is a sum over the rows of `charges` and nothing else: what a row
was is taken out, what it is now is put in.

A quarter hour, because every zone's hours and days are made of quarter hours and of nothing
longer: Kathmandu is 5:45 ahead of UTC, Adelaide 9:30. What a span has of less than one at its
ends is read from the charges themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.sql import Composable, Composed

from domain.money.decimals import decimal_of, units_of
from projections.database import Connection
from projections.tables import Location, Table

if TYPE_CHECKING:
    from projections.charges import ChargeRow

ALL_CHARGES = ""
"""Stands for a property in the sums that are by none."""
QUARTER = timedelta(minutes=15)
NO_USAGE = ("AUTHORIZED", "RELEASED")
_QUANTITY_SCALE = 18


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

_Key = tuple[str, str, datetime, str, str, str, str, str, str | None]
"""As the table's, with the value as JSON in the place of its id."""


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


def kept_by(
    connection: Connection, location: Location, tenants: Iterable[str], wished: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the properties by which each tenant's sums are kept: those that were wished for at
    its first charge, so that none has a gap.
    """
    kept: dict[str, list[str]] = {tenant: [] for tenant in tenants}
    for row in ROLLUP_PROPERTIES.load(connection, location, [(tenant,) for tenant in kept]):
        kept[row.tenant].append(row.property)
    new = [tenant for tenant, properties in kept.items() if not properties]
    for tenant in new:
        kept[tenant] = [ALL_CHARGES, *wished]
    rows = [PropertyRow(tenant, name) for tenant in new for name in kept[tenant]]
    ROLLUP_PROPERTIES.insert(connection, location, rows)
    return {
        tenant: tuple(name for name in properties if name != ALL_CHARGES)
        for tenant, properties in kept.items()
    }


class RollupChanges:
    """What a batch changes in the sums; properties: by which they are kept, by tenant."""

    def __init__(self, properties: Mapping[str, Sequence[str]]) -> None:
        self._properties = properties
        self._changes: dict[_Key, list[int]] = {}

    def take_out(self, charges: Iterable[ChargeRow]) -> None:
        """Take out what these rows were."""
        for charge in charges:
            self._count(charge, -1)

    def put_in(self, charges: Iterable[ChargeRow]) -> None:
        """Put in what these rows are."""
        for charge in charges:
            self._count(charge, 1)

    def _count(self, charge: ChargeRow, sign: int) -> None:
        if charge.status in NO_USAGE:
            return
        quantity = units_of(charge.quantity, _QUANTITY_SCALE) if charge.quantity else 0
        figures = (sign, sign * quantity, sign * charge.amount)
        rest = (
            quarter_of(charge.occurred_at), charge.customer_id, charge.meter,
            charge.subject or "", charge.asset, charge.status,
        )  # fmt: skip
        self._add((charge.tenant, ALL_CHARGES, *rest, None), figures)
        for name in self._properties[charge.tenant]:
            value = None if charge.properties is None else charge.properties.get(name)
            # In a list, of which PostgreSQL takes the one element as text.
            as_json = None if value is None else json.dumps([value])
            self._add((charge.tenant, name, *rest, as_json), figures)

    def _add(self, key: _Key, figures: tuple[int, int, int]) -> None:
        before = self._changes.get(key)
        if before is None:
            self._changes[key] = list(figures)
            return
        for place, figure in enumerate(figures):
            before[place] += figure

    def save(self, connection: Connection, location: Location) -> None:
        changed = [(key, figures) for key, figures in self._changes.items() if any(figures)]
        if changed:
            connection.execute(location.query(_ADD), _columns(changed))
        fewer = [(key, figures) for key, figures in changed if figures[0] < 0]
        if fewer:
            connection.execute(location.query(_FORGET_EMPTY), _columns(fewer))


def _columns(changed: Sequence[tuple[_Key, list[int]]]) -> list[list[Any]]:
    columns = [list(column) for column in zip(*(key for key, _ in changed), strict=True)]
    charges, quantities, amounts = zip(*(figures for _, figures in changed), strict=True)
    return [
        *columns,
        list(charges),
        [decimal_of(units, _QUANTITY_SCALE) for units in quantities],
        [str(units) for units in amounts],
    ]


_CHANGES = """
    SELECT tenant, property, starts_at, customer_id, meter, subject, asset, status,
           coalesce(md5(value)::uuid, '00000000-0000-0000-0000-000000000000') AS value_id, value,
           sum(charges) AS charges, sum(quantity) AS quantity, sum(amount) AS amount
    FROM (
        SELECT tenant, property, starts_at, customer_id, meter, subject, asset, status,
               value::jsonb ->> 0 AS value, charges, quantity, amount
        FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::uuid[], %s::text[], %s::text[],
                    %s::text[], %s::text[], %s::text[], %s::bigint[], %s::numeric[],
                    %s::numeric[])
        AS u (tenant, property, starts_at, customer_id, meter, subject, asset, status, value,
              charges, quantity, amount)
    ) AS one
    GROUP BY tenant, property, starts_at, customer_id, meter, subject, asset, status, value
"""
_ADD = f"""
    INSERT INTO {{usage_rollups}} AS t (tenant, property, starts_at, customer_id, meter, subject,
        asset, status, value_id, value, charges, quantity, amount)
    SELECT tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id,
           value, charges, trim_scale(quantity), amount
    FROM ({_CHANGES}) AS changes
    WHERE (charges, quantity, amount) <> (0, 0, 0)
    ORDER BY tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id
    ON CONFLICT (tenant, property, starts_at, customer_id, meter, subject, asset, status, value_id)
    DO UPDATE SET charges = t.charges + EXCLUDED.charges,
        quantity = trim_scale(t.quantity + EXCLUDED.quantity), amount = t.amount + EXCLUDED.amount
"""  # noqa: S608 - our own words
_FORGET_EMPTY = f"""
    DELETE FROM {{usage_rollups}} AS t USING ({_CHANGES}) AS changes
    WHERE t.tenant = changes.tenant AND t.property = changes.property
    AND t.starts_at = changes.starts_at AND t.customer_id = changes.customer_id
    AND t.meter = changes.meter AND t.subject = changes.subject AND t.asset = changes.asset
    AND t.status = changes.status AND t.value_id = changes.value_id AND t.charges = 0
"""  # noqa: S608 - our own words

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
