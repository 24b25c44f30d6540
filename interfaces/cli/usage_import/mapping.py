"""Which column of a file is what: `--mapping KEY=VALUE`.

A value is a column's name; `const:TEXT` is that text for every row; `customers:N` deals the
rows out to N customers in turn. `column:NAME` is for a column whose name begins like those.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interfaces.cli.failures import WrongUsage

CONSTANT, COLUMN, ROUND_ROBIN = "const:", "column:", "customers:"
MOST_CUSTOMERS = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    text: str


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """customer-01 to customer-N, in turn."""

    count: int

    def external_id(self, ordinal: int) -> str:
        return f"customer-{ordinal % self.count + 1:0{len(str(self.count))}d}"


Field = Column | Constant


@dataclass(frozen=True, slots=True)
class UsageMapping:
    """Where each part of a usage event comes from. None: the ledger's default."""

    customer: Field | RoundRobin
    meter: Field
    time: Column | None = None
    event_id: Column | None = None
    source: Field | None = None
    subject: Field | None = None
    asset: Field | None = None
    amount: Column | None = None
    quantity: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """Return every column that is named."""
        fields = (
            self.customer, self.meter, self.time, self.event_id, self.source, self.subject,
            self.asset, self.amount,
        )  # fmt: skip
        named = [field.name for field in fields if isinstance(field, Column)]
        return [*named, *self.quantity, *self.properties]

    def column_of(self, field: str) -> str | None:
        """Return the column behind a field of the event, as a refusal names it."""
        found = {
            "customerId": self.customer,
            "meter": self.meter,
            "occurredAt": self.time,
            "eventId": self.event_id,
            "source": self.source,
            "subject": self.subject,
            "asset": self.asset,
            "amount": self.amount,
        }.get(field)
        return found.name if isinstance(found, Column) else None


KEYS = tuple(UsageMapping.__dataclass_fields__)
_COLUMNS_ONLY = ("time", "event_id", "amount")
_SEVERAL_COLUMNS = ("quantity", "properties")


def mapping_of(pairs: Sequence[tuple[str, str]], asset: str | None) -> UsageMapping:
    """Return the mapping that KEY=VALUE pairs make. Raises WrongUsage."""
    given: dict[str, object] = {}
    for key, value in pairs:
        if key not in KEYS:
            raise WrongUsage(f"--mapping {key}=...: {_not_among(key, KEYS)}")
        if key in given:
            raise WrongUsage(f"--mapping {key}: given twice")
        given[key] = _value(key, value)
    if asset is not None:
        if "asset" in given:
            raise WrongUsage("--asset and --mapping asset=...: give one of them")
        given["asset"] = Constant(asset)
    for required in ("customer", "meter"):
        if required not in given:
            raise WrongUsage(
                f"--mapping {required}=... is missing: a column, or {CONSTANT}TEXT for all rows"
                + (f", or {ROUND_ROBIN}40 for 40 in turn" if required == "customer" else "")
            )
    return UsageMapping(**given)  # type: ignore[arg-type]


def check_columns(wanted: Iterable[str], there: Sequence[str]) -> None:
    """Raise WrongUsage for a column that the file has not."""
    for name in wanted:
        if name not in there:
            raise WrongUsage(f"No column {name!r} in the file: {_not_among(name, there)}")


def _value(key: str, value: str) -> object:
    if not value:
        raise WrongUsage(f"--mapping {key}=: say a column")
    if key in _SEVERAL_COLUMNS:
        return tuple(value.removeprefix(COLUMN).split(","))
    if value.startswith(ROUND_ROBIN) and key == "customer":
        return _round_robin(value.removeprefix(ROUND_ROBIN))
    if value.startswith(CONSTANT):
        if key in _COLUMNS_ONLY:
            raise WrongUsage(f"--mapping {key}={value}: only a column makes sense here")
        return Constant(value.removeprefix(CONSTANT))
    return Column(value.removeprefix(COLUMN))


def _round_robin(text: str) -> RoundRobin:
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text[:9]) <= MOST_CUSTOMERS:
        raise WrongUsage(f"--mapping customer={ROUND_ROBIN}{text}: from 1 to {MOST_CUSTOMERS}")
    return RoundRobin(int(text))


def _not_among(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are {', '.join(names)}"
