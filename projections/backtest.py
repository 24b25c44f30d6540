"""What an estimate of breakage is held to: what of the credits of each month lapsed in the end.

Source: ASC 606-10-55-48 (the estimate is in proportion to the pattern of rights exercised).
"""

from __future__ import annotations

from dataclasses import dataclass

from projections.database import Connection
from projections.tables import Location

_BACKTEST = """
    SELECT to_char(first_day, 'YYYY-MM'), asset, max(scale), source,
        sum(granted - revoked)::text, sum(burned)::text, sum(lapsed)::text,
        sum(granted - revoked) FILTER (WHERE ended)::text,
        sum(lapsed) FILTER (WHERE ended)::text
    FROM {obligations} WHERE tenant = %(tenant)s AND booked AND NOT ratable
    GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
"""


@dataclass(frozen=True, slots=True)
class BacktestRow:
    """Of the grants of a month: units granted (less revoked), burned, lapsed; and of those
    that have ended. What lapsed of the ended is the share that an estimate foretold.
    """

    cohort: str
    asset: str
    scale: int
    source: str
    granted: int
    burned: int
    lapsed: int
    ended: int
    ended_lapsed: int


def breakage_backtest(
    connection: Connection, location: Location, tenant_id: str
) -> list[BacktestRow]:
    """Return what of the credits of each month lapsed in the end."""
    rows = connection.execute(location.query(_BACKTEST), {"tenant": tenant_id})
    return [
        BacktestRow(cohort, asset, scale, source, *(int(units or 0) for units in figures))
        for cohort, asset, scale, source, *figures in rows
    ]
