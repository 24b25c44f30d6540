"""Catalogue files: their shape, and what is wrong with one, by file, line and path.

Names are those of the API. What is keyed there by `key` is a mapping here. Amounts and
prices are exact decimals, quoted or not. Whether prices make sense together the ledger says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from domain.money.decimals import NotADecimal, canonical
from interfaces.catalogue import yaml_text
from interfaces.catalogue.yaml_text import BadYaml, Document

MOST_TOLD = 20


def _exact(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        # The library takes no other for a fault of the file.
        raise ValueError("must be an exact decimal such as 0.25")  # noqa: TRY004
    try:
        return canonical(str(value))
    except NotADecimal:
        raise ValueError(f"{str(value)[:60]!r} is no exact decimal such as 0.25") from None


def _with_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs a zone: end it in Z, or in +02:00")
    return value


Exact = Annotated[str, BeforeValidator(_exact)]
Moment = Annotated[datetime, AfterValidator(_with_zone)]
Period = Literal["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]


class _Shape(BaseModel):
    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=False, frozen=True
    )


class AssetEntry(_Shape):
    name: str
    scale: int | None = None


class MeterEntry(_Shape):
    event_type: str | None = None
    aggregation: Literal["COUNT", "SUM", "MAX", "UNIQUE", "LATEST"] = "SUM"
    property: str | None = None
    less: tuple[str, ...] = ()
    filters: dict[str, Any] | None = None
    unpriced_asset: str | None = None


class TierEntry(_Shape):
    up_to: Exact | None = None
    unit_price: Exact
    flat_fee: Exact = "0"


class RowEntry(_Shape):
    match: dict[str, Any]
    unit_price: Exact


class PriceEntry(_Shape):
    meter: str | None = None
    model: Literal["UNIT", "PACKAGE", "GRADUATED", "VOLUME", "PERCENTAGE", "FLAT", "SEAT"] = "UNIT"
    asset: str
    unit_price: Exact | None = None
    package_size: Exact | None = None
    tiers: tuple[TierEntry, ...] = ()
    per: Exact = "1"
    rate: Exact | None = None
    fixed_fee: Exact | None = None
    minimum: Exact | None = None
    maximum: Exact | None = None
    free: Exact | None = None
    cap: Exact | None = None
    dimensions: tuple[str, ...] = ()
    rows: tuple[RowEntry, ...] = ()
    in_advance: bool = True
    period: Period | None = None


class IncludedEntry(_Shape):
    asset: str
    amount: Exact
    rollover: bool = False
    rollover_limit: Exact | None = None
    recognition: Literal["ON_USAGE", "RATABLE", "NONE"] | None = None
    priority: int = 20
    period: Period | None = None
    rollover_times: int | None = None
    per_seat: bool = True


class MoneyEntry(_Shape):
    amount: Exact
    currency: str


class ProductEntry(_Shape):
    """A product as its newest version shall be. effective_at: of a version that `apply`
    publishes; without it, the moment of publishing.
    """

    name: str | None = None
    effective_at: Moment | None = None
    prices: dict[str, PriceEntry] = Field(default_factory=dict)
    includes: tuple[IncludedEntry, ...] = ()
    period: Period = "MONTH"
    trial_days: int = 0
    minimum_commitment: MoneyEntry | None = None


class CostRowEntry(_Shape):
    match: dict[str, Any] = Field(default_factory=dict)
    property: str | None = None
    unit_cost: Exact


class CostTableEntry(_Shape):
    event_type: str
    vendor: str | None = None
    currency: str
    per: Exact = "1"
    dimensions: tuple[str, ...] = ()
    rows: tuple[CostRowEntry, ...]
    effective_at: Moment | None = None


class Catalogue(_Shape):
    assets: dict[str, AssetEntry] = Field(default_factory=dict)
    meters: dict[str, MeterEntry] = Field(default_factory=dict)
    products: dict[str, ProductEntry] = Field(default_factory=dict)
    cost_tables: dict[str, CostTableEntry] = Field(default_factory=dict)
    default_product: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file. `path`: as it is written there, dots between."""

    file: Path
    line: int
    path: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.path}: {self.reason}" if self.path else f"{place}: {self.reason}"


class BadCatalogue(Exception):
    """The files cannot be meant; all faults that were found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults[:MOST_TOLD])))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Written:
    """A catalogue, and where each of its entries was written."""

    catalogue: Catalogue
    documents: tuple[tuple[Path, Document], ...]

    def fault(self, path: Sequence[str | int], reason: str) -> Fault:
        """Return a fault at a path of the catalogue, by the names of the file."""
        for file, document in self.documents:
            if tuple(path[:2]) in document.lines or len(self.documents) == 1:
                return Fault(file, document.line_of(path), _dotted(path), reason)
        file, document = self.documents[0]
        return Fault(file, 1, _dotted(path), reason)


def said_by(catalogue: Catalogue, source: Path) -> Written:
    """Return a catalogue that no file says, as if `source` did."""
    return Written(catalogue, ((source, Document({}, {})),))


def read_files(files: Iterable[Path]) -> Written:
    """Return what the files say together. Raises BadCatalogue, OSError."""
    documents: list[tuple[Path, Document]] = []
    faults: list[Fault] = []
    for file in files:
        try:
            documents.append((file, yaml_text.read(file.read_text("utf-8"))))
        except UnicodeDecodeError:
            faults.append(Fault(file, 1, "", "is no UTF-8 text"))
        except BadYaml as bad:
            faults.append(Fault(file, bad.line, "", bad.reason))
    parts = list(_shaped(documents, faults))
    faults += _repeated(documents)
    if faults:
        raise BadCatalogue(faults)
    together = Catalogue(
        assets=_merged(part.assets for part in parts),
        meters=_merged(part.meters for part in parts),
        products=_merged(part.products for part in parts),
        cost_tables=_merged(part.cost_tables for part in parts),
        default_product=next((p.default_product for p in parts if p.default_product), None),
    )
    return Written(together, tuple(documents))


def _shaped(documents: Sequence[tuple[Path, Document]], faults: list[Fault]) -> Iterator[Catalogue]:
    for file, document in documents:
        if not isinstance(document.value, dict):
            faults.append(Fault(file, 1, "", "must begin with keys such as meters and products"))
            continue
        try:
            yield Catalogue.model_validate(document.value)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                path = each["loc"]
                faults.append(
                    Fault(file, document.line_of(path), _dotted(path), _reason(each["msg"]))
                )


def _repeated(documents: Sequence[tuple[Path, Document]]) -> Iterator[Fault]:
    seen: dict[tuple[str | int, ...], Path] = {}
    for file, document in documents:
        for path, line in document.lines.items():
            if len(path) != 2 and path != ("defaultProduct",):
                continue
            if path in seen:
                reason = f"stands in {seen[path]} as well: say it in one file"
                yield Fault(file, line, _dotted(path), reason)
            seen.setdefault(path, file)


def _merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {key: entry for part in parts for key, entry in part.items()}


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _reason(told: str) -> str:
    """Return what the library tells, in our words where they are shorter."""
    return {
        "Extra inputs are not permitted": "is no key that is known here",
        "Field required": "is missing",
    }.get(told, told.removeprefix("Value error, "))
