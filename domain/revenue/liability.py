"""The contract liability from month to month: what moved it, by cause (ASC 606-10-50-8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.revenue.facts import BY_KEY, Movement
from domain.revenue.months import months_from

_COLUMNS: dict[Movement, str] = {
    "BILLING": "billings",
    "REVERSAL": "reversals",
    "REFUND": "refunds",
    "REPAYMENT": "repayments",
    "TRANSFER": "transfers",
}
_RECOGNIZED = {
    "revenue_usage": "recognized",
    "revenue_ratable": "recognized",
    "revenue_breakage": "breakage",
    "unclaimed_property": "unclaimed_property",
}
_SUBTRACTED = ("REFUND", "REPAYMENT")


@dataclass(slots=True)
class LiabilityMonth:
    """Minor units. opening + billings + reversals - recognized - breakage - refunds -
    unclaimed_property - repayments + transfers + other = closing; `other`, what no cause
    explains, is zero.
    """

    period: str
    opening: int
    closing: int
    billings: int = 0
    reversals: int = 0
    recognized: int = 0
    recognized_from_opening: int = 0
    breakage: int = 0
    refunds: int = 0
    unclaimed_property: int = 0
    repayments: int = 0
    transfers: int = 0

    @property
    def other(self) -> int:
        added = self.billings + self.reversals + self.transfers
        taken = self.recognized + self.breakage + self.refunds
        taken += self.unclaimed_property + self.repayments
        return self.closing - self.opening - added + taken


def liability_months_of(
    sums: Iterable[tuple[str, str, str, int]],
    from_opening: Mapping[str, int],
    months: tuple[str, str],
) -> list[LiabilityMonth]:
    """Return each month from the first to the last.

    sums: (period, fact, account, credits less debits) of the journal since inception;
    from_opening: by month, what was recognised of the liability that it opened with.
    """
    rows = {period: LiabilityMonth(period, 0, 0) for period in months_from(*months)}
    moved = dict.fromkeys(rows, 0)
    opening = 0
    for period, fact, account, amount in sums:
        row, movement = rows.get(period), BY_KEY[fact].movement
        if account == "contract_liability":
            if row is None:
                opening += amount
                continue
            moved[period] += amount
            if (column := _COLUMNS.get(movement)) is not None:
                change = -amount if movement in _SUBTRACTED else amount
                setattr(row, column, getattr(row, column) + change)
        elif row is not None and movement == "RECOGNITION":
            column = _RECOGNIZED[account]
            setattr(row, column, getattr(row, column) + amount)
    for period, row in rows.items():
        row.opening, opening = opening, opening + moved[period]
        row.closing = opening
        row.recognized_from_opening = from_opening.get(period, 0)
    return list(rows.values())
