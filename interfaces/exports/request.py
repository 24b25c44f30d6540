"""What is asked of an export: which report of which months, as what, of which position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from domain.refusals import InvalidInput
from interfaces.exports.entries import Detail
from interfaces.months import check_months

Report = Literal[
    "JOURNAL",
    "REVENUE_SCHEDULE",
    "ROLLFORWARD",
    "TRIAL_BALANCE",
    "WATERFALL",
    "RPO",
    "REVENUE",
    "BREAKAGE",
    "LATE_ENTRIES",
    "AGEING",
    "TIE_OUT",
    "POLICIES",
    "CLOSE_CERTIFICATE",
    "CHARGES",
    "INVOICES",
]
Format = Literal[
    "CSV",
    "PARQUET",
    "NETSUITE_CSV",
    "QUICKBOOKS_CSV",
    "XERO_CSV",
    "HLEDGER",
    "LEDGER",
    "BEANCOUNT",
]
REPORTS: tuple[Report, ...] = get_args(Report)
FORMATS: tuple[Format, ...] = get_args(Format)
DETAILS: tuple[Detail, ...] = get_args(Detail)
OF_EVERY_REPORT: tuple[Format, ...] = ("CSV", "PARQUET")

_LARGEST_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Months are both included. position: of the log, up to which things count."""

    report: Report
    format: Format
    from_month: str
    to_month: str
    detail: Detail
    position: int

    def check(self) -> None:
        """Raises InvalidInput."""
        check_months(self.from_month, self.to_month)
        if self.report != "JOURNAL":
            if self.format not in OF_EVERY_REPORT:
                raise InvalidInput(
                    field="format", reason=f"{self.format} is for the JOURNAL; CSV and PARQUET do"
                )
            if self.detail != "FULL":
                raise InvalidInput(field="detail", reason="summaries are of the JOURNAL: FULL")
        if not 1 <= self.position <= _LARGEST_POSITION:
            raise InvalidInput(field="position", reason="a position of the log, 1 or more")

    @property
    def months(self) -> tuple[str, str]:
        return self.from_month, self.to_month

    def said(self) -> dict[str, str]:
        """Return the request as `request_of` reads it."""
        return {
            "report": self.report,
            "format": self.format,
            "fromMonth": self.from_month,
            "toMonth": self.to_month,
            "detail": self.detail,
            "position": str(self.position),
        }


def request_of(said: Mapping[str, str]) -> ExportRequest:
    """Return the request that a link makes. Raises InvalidInput."""
    position = said.get("position", "")
    if not (position.isascii() and position.isdigit() and len(position) <= 18):
        raise InvalidInput(field="position", reason="a position of the log, 1 or more")
    request = ExportRequest(
        _one_of(said, "report", REPORTS),  # type: ignore[arg-type]
        _one_of(said, "format", FORMATS),  # type: ignore[arg-type]
        said.get("fromMonth", ""),
        said.get("toMonth", ""),
        _one_of({"detail": "FULL", **said}, "detail", DETAILS),  # type: ignore[arg-type]
        int(position),
    )
    request.check()
    return request


def _one_of(said: Mapping[str, str], field: str, known: tuple[str, ...]) -> str:
    value = said.get(field, "")
    if value not in known:
        raise InvalidInput(field=field, reason=f"one of {', '.join(known)}")
    return value
