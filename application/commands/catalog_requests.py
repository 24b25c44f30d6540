"""Commands about the catalogue, as what the client said: meters, prices, products.

Decimals are exact, as text. What the catalogue as a whole forbids, its own rules say
(`domain/catalog/validity.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from application.commands import checks
from domain.calendar.cycles import CyclePeriod
from domain.catalog.price import PriceModel
from domain.grants.events import Recognition
from domain.metering.meter import Aggregation
from domain.refusals import InvalidInput

MOST_LISTED = 100
LONGEST_TRIAL_DAYS = 3_660
LARGEST_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class DefineMeter:
    """event_type: None is the meter's key. filters: a JSON object, each property with the
    value that it equals, or a list of those.
    """

    key: str
    event_type: str | None = None
    aggregation: Aggregation = Aggregation.SUM
    property: str | None = None
    less: tuple[str, ...] = ()
    filters: Any = None
    unpriced_asset: str | None = None

    def check(self) -> None:
        checks.meter(self.key, "key")
        if self.event_type is not None:
            checks.meter(self.event_type, "eventType")
        checks.optional_identifier(self.property, "property")
        _names(self.less, "less")
        if self.filters is not None:
            _filters(self.filters)
        if self.unpriced_asset is not None:
            checks.asset_key(self.unpriced_asset, "unpricedAsset")


@dataclass(frozen=True, slots=True)
class TierSaid:
    unit_price: str
    up_to: str | None = None
    flat_fee: str = "0"

    def check(self, field: str) -> None:
        checks.decimal(self.unit_price, f"{field}.unitPrice")
        checks.decimal(self.flat_fee, f"{field}.flatFee")
        if self.up_to is not None:
            checks.decimal(self.up_to, f"{field}.upTo")


@dataclass(frozen=True, slots=True)
class RowSaid:
    """match: a JSON object, each dimension with its value; "*" is any."""

    match: Any
    unit_price: str

    def check(self, field: str) -> None:
        checks.decimal(self.unit_price, f"{field}.unitPrice")
        _scalars_by_name(self.match, f"{field}.match")


@dataclass(frozen=True, slots=True)
class PriceSaid:
    """A price of a version, or agreed with one customer."""

    key: str
    model: PriceModel
    asset: str
    meter: str | None = None
    unit_price: str | None = None
    package_size: str | None = None
    tiers: tuple[TierSaid, ...] = ()
    per: str = "1"
    rate: str | None = None
    fixed_fee: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    free: str | None = None
    cap: str | None = None
    dimensions: tuple[str, ...] = ()
    rows: tuple[RowSaid, ...] = ()
    in_advance: bool = True
    period: CyclePeriod | None = None

    def check(self, field: str) -> None:
        checks.identifier(self.key, f"{field}.key")
        checks.asset_key(self.asset, f"{field}.asset")
        checks.optional_identifier(self.meter, f"{field}.meter")
        for name, number in (
            ("unitPrice", self.unit_price),
            ("packageSize", self.package_size),
            ("per", self.per),
            ("rate", self.rate),
            ("fixedFee", self.fixed_fee),
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("free", self.free),
            ("cap", self.cap),
        ):
            if number is not None:
                checks.decimal(number, f"{field}.{name}")
        _names(self.dimensions, f"{field}.dimensions")
        for place, tier in enumerate(self.tiers):
            tier.check(f"{field}.tiers[{place}]")
        for place, row in enumerate(self.rows):
            row.check(f"{field}.rows[{place}]")


@dataclass(frozen=True, slots=True)
class IncludedGrantSaid:
    asset: str
    amount: str
    rollover: bool = False
    rollover_limit: str | None = None
    recognition: Recognition | None = None
    priority: int = 20
    period: CyclePeriod | None = None
    rollover_times: int | None = None
    per_seat: bool = True

    def check(self, field: str) -> None:
        checks.asset_key(self.asset, f"{field}.asset")
        checks.positive(self.amount, f"{field}.amount")
        checks.priority(self.priority, f"{field}.priority")
        if self.rollover_limit is not None:
            checks.not_negative(self.rollover_limit, f"{field}.rolloverLimit")
        if self.rollover_times is not None:
            checks.between(self.rollover_times, 1, LARGEST_COUNT, f"{field}.rolloverTimes")
        for name, said in (
            ("rolloverLimit", self.rollover_limit),
            ("rolloverTimes", self.rollover_times),
        ):
            if said is not None and not self.rollover:
                raise InvalidInput(field=f"{field}.{name}", reason="needs rollover: true")


@dataclass(frozen=True, slots=True)
class CommitmentSaid:
    """What a customer commits to spend each cycle: a decimal of a currency."""

    amount: str
    currency: str

    def check(self, field: str) -> None:
        checks.positive(self.amount, f"{field}.amount")
        checks.currency(self.currency, f"{field}.currency")


@dataclass(frozen=True, slots=True)
class DraftProductVersion:
    """name: None leaves the product's; a new product is named by its key."""

    product: str
    prices: tuple[PriceSaid, ...]
    name: str | None = None
    effective_at: datetime | None = None
    includes: tuple[IncludedGrantSaid, ...] = ()
    period: CyclePeriod = CyclePeriod.MONTH
    trial_days: int = 0
    minimum_commitment: CommitmentSaid | None = None

    def check(self) -> None:
        checks.identifier(self.product, "productKey")
        checks.optional_name(self.name, "name")
        checks.between(self.trial_days, 0, LONGEST_TRIAL_DAYS, "trialDays")
        for place, price in enumerate(self.prices):
            price.check(f"prices[{place}]")
        if len(self.includes) > MOST_LISTED:
            raise InvalidInput(field="includes", reason=f"at most {MOST_LISTED}")
        for place, included in enumerate(self.includes):
            included.check(f"includes[{place}]")
        if self.minimum_commitment is not None:
            self.minimum_commitment.check("minimumCommitment")


@dataclass(frozen=True, slots=True)
class PublishProductVersion:
    """effective_at: None is what the draft says, else now."""

    product: str
    number: int
    effective_at: datetime | None = None

    def check(self) -> None:
        checks.identifier(self.product, "productKey")
        checks.between(self.number, 1, LARGEST_COUNT, "number")


@dataclass(frozen=True, slots=True)
class SetDefaultProduct:
    """product: None for none."""

    product: str | None

    def check(self) -> None:
        checks.optional_identifier(self.product, "productKey")


CatalogCommand = DefineMeter | DraftProductVersion | PublishProductVersion | SetDefaultProduct


def _names(values: Sequence[str], field: str) -> None:
    if len(values) > MOST_LISTED:
        raise InvalidInput(field=field, reason=f"at most {MOST_LISTED}")
    for value in values:
        checks.identifier(value, field)


def _filters(value: Any) -> None:
    for name, said in _object(value, "filters").items():
        values = said if isinstance(said, list) else [said]
        if not 0 < len(values) <= MOST_LISTED:
            raise InvalidInput(field="filters", reason=f"{name}: from 1 to {MOST_LISTED} values")
        for each in values:
            _scalar(name, each, "filters")


def _scalars_by_name(value: Any, field: str) -> None:
    for name, said in _object(value, field).items():
        _scalar(name, said, field)


def _object(value: Any, field: str) -> Mapping[str, Any]:
    checks.properties(value, field)
    if value is None or len(value) > MOST_LISTED:
        raise InvalidInput(field=field, reason=f"must be a JSON object of at most {MOST_LISTED}")
    found: Mapping[str, Any] = value
    for name in found:
        checks.identifier(name, field)
    return found


def _scalar(name: str, value: Any, field: str) -> None:
    if isinstance(value, Mapping | list):
        raise InvalidInput(field=field, reason=f"{name} must be a text, a number or true or false")
