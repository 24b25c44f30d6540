"""A product, and its versions: immutable once published, each from a time on."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from domain.calendar.cycles import CyclePeriod
from domain.catalog.price import Price
from domain.grants.events import Paid, Recognition


class VersionStatus(StrEnum):
    """ARCHIVED: a draft that a later published version overtook."""

    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class IncludedGrant:
    """Credits that a subscription gets each period. Units of `asset`.

    rollover_limit_units: None rolls all over; rollover_times: None any number of times;
    recognition: None is RATABLE, unless it rolls over; period: None is the version's.
    """

    asset: str
    scale: int
    amount_units: int
    rollover: bool = False
    rollover_limit_units: int | None = None
    recognition: Recognition | None = None
    priority: int = 20
    period: CyclePeriod | None = None
    rollover_times: int | None = None
    per_seat: bool = True

    @property
    def recognized(self) -> Recognition:
        """Return how its revenue is earned: over its period, unless what is left rolls over."""
        return self.recognition or ("ON_USAGE" if self.rollover else "RATABLE")


@dataclass(frozen=True, slots=True)
class VersionTerms:
    """What a version says, whoever publishes it when. minimum_commitment: per cycle."""

    prices: tuple[Price, ...]
    includes: tuple[IncludedGrant, ...] = ()
    period: CyclePeriod = CyclePeriod.MONTH
    trial_days: int = 0
    minimum_commitment: Paid | None = None


@dataclass(frozen=True, slots=True)
class ProductVersion:
    """effective_at: from when a published version holds; what a draft is meant for."""

    number: int
    terms: VersionTerms
    status: VersionStatus
    effective_at: datetime | None

    @property
    def prices(self) -> tuple[Price, ...]:
        return self.terms.prices

    def price(self, key: str) -> Price | None:
        return next((price for price in self.terms.prices if price.key == key), None)


@dataclass(slots=True)
class Product:
    """versions: by number. _line: published ones by the time from which they hold."""

    key: str
    name: str
    versions: dict[int, ProductVersion] = field(default_factory=dict)
    _line: list[tuple[datetime, int]] = field(default_factory=list)

    def effective(self, at: datetime) -> ProductVersion | None:
        """Return the version that holds at `at`, if any is published for then."""
        place = bisect_right(self._line, at, key=lambda entry: entry[0])
        return self.versions[self._line[place - 1][1]] if place else None

    def version(self, pin: int | None, at: datetime) -> ProductVersion | None:
        """Return the pinned version; with no pin the one that holds at `at`."""
        return self.effective(at) if pin is None else self.versions.get(pin)

    @property
    def published(self) -> bool:
        return bool(self._line)

    # Folding

    def draft(self, number: int, terms: VersionTerms, effective_at: datetime | None) -> None:
        self.versions[number] = ProductVersion(number, terms, VersionStatus.DRAFT, effective_at)

    def publish(self, number: int, effective_at: datetime) -> None:
        for other in self.versions.values():
            if other.number < number and other.status == VersionStatus.DRAFT:
                self.versions[other.number] = replace(other, status=VersionStatus.ARCHIVED)
        self.versions[number] = replace(
            self.versions[number], status=VersionStatus.PUBLISHED, effective_at=effective_at
        )
        self._line.append((effective_at, number))
        self._line.sort()
