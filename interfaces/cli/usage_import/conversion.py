"""A row as the command that charges it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from application.commands.requests import RecordUsage
from domain.money.asset import Asset
from domain.money.decimals import decimal_of
from interfaces.cli.usage_import.bad_row import BadRow
from interfaces.cli.usage_import.mapping import Constant, Field, RoundRobin, UsageMapping
from interfaces.cli.usage_import.pricing import (
    PLACES,
    Price,
    finest_units,
    priced_units,
    stated_units,
)
from interfaces.cli.usage_import.rows import Row
from interfaces.cli.usage_import.times import NotATime, moment_of

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Converter:
    """zone: where times without one were written. since: rows before it are bad ones. digest: of
    the file, for event ids where no column has them. asset: finds one by key.
    rated: rows cost what the ledger's catalogue says.
    """

    mapping: UsageMapping
    prices: tuple[Price, ...]
    zone: ZoneInfo | None
    since: datetime | None
    digest: str
    asset: Callable[[str], Asset | None]
    rated: bool = False

    def external_id(self, row: Row, ordinal: int) -> str:
        """Return whose row it is. Raises BadRow."""
        customer = self.mapping.customer
        if isinstance(customer, RoundRobin):
            return customer.external_id(ordinal)
        return _required(customer, row)

    def usage(self, row: Row, external_id: str) -> RecordUsage:
        """Return the command. Raises BadRow."""
        mapping = self.mapping
        asset = None if self.rated else self._asset(row)
        event_id = f"{self.digest}:{row.number}"
        if mapping.event_id is not None:
            event_id = _required(mapping.event_id, row)
        return RecordUsage(
            event_id=event_id,
            customer=f"ext:{external_id}",
            meter=_required(mapping.meter, row),
            source=_optional(mapping.source, row) or "default",
            quantity=self._quantity(row),
            properties=self._properties(row),
            subject=_optional(mapping.subject, row),
            occurred_at=self._time(row),
            amount=None if asset is None else self._amount(row, asset),
            asset=None if asset is None else asset.key,
        )

    def _asset(self, row: Row) -> Asset:
        assert self.mapping.asset is not None
        key = _required(self.mapping.asset, row)
        asset = self.asset(key)
        if asset is None:
            raise BadRow(self.mapping.column_of("asset"), "is no asset: define it first", key)
        return asset

    def _amount(self, row: Row, asset: Asset) -> str:
        if self.mapping.amount is not None:
            units = stated_units(_number(row, self.mapping.amount.name), asset.scale)
        else:
            counts = ((_number(row, price.column), price) for price in self.prices)
            units = priced_units(counts, asset.scale)
        return decimal_of(units, asset.scale)

    def _time(self, row: Row) -> datetime | None:
        if self.mapping.time is None:
            return None
        text = _required(self.mapping.time, row)
        try:
            moment = moment_of(text, self.zone)
        except NotATime as error:
            raise BadRow(self.mapping.time.name, str(error), text) from None
        if self.since is not None and moment < self.since:
            raise BadRow(self.mapping.time.name, "is before --since", text)
        return moment

    def _quantity(self, row: Row) -> str | None:
        if not self.mapping.quantity:
            return None
        return decimal_of(sum(_number(row, column) for column in self.mapping.quantity), PLACES)

    def _properties(self, row: Row) -> dict[str, Any] | None:
        columns = self.mapping.properties
        if len(columns) == 1 and isinstance(whole := row.get(columns[0]), dict):
            return {key: _plain(value) for key, value in whole.items()}
        properties = {column: _plain(row.get(column)) for column in columns}
        return {name: value for name, value in properties.items() if value not in (None, "")}


def _required(field: Field, row: Row) -> str:
    text = _optional(field, row)
    if text is None:
        assert not isinstance(field, Constant)
        raise BadRow(field.name, "is missing or empty")
    return text


def _optional(field: Field | None, row: Row) -> str | None:
    if field is None:
        return None
    if isinstance(field, Constant):
        return field.text
    value = row.get(field.name)
    if value is None or value == "":
        return None
    if isinstance(value, bool | dict | list):
        raise BadRow(field.name, "is no text")
    return str(value)


def _number(row: Row, column: str) -> int:
    """Return a number of the row in units of 10^-18. Raises BadRow."""
    value = row.get(column)
    if value is None or value == "":
        raise BadRow(column, "is missing or empty")
    if isinstance(value, bool | dict | list):
        raise BadRow(column, "is no number such as 12 or 12.50")
    text = str(value).strip()
    try:
        return finest_units(text)
    except ValueError as error:
        raise BadRow(column, str(error), text) from None


def _plain(value: Any) -> Any:
    """Return a value as a property keeps it: whole numbers as such, other decimals as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
