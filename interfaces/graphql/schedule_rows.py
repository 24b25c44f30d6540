"""A row of the revenue schedule, as the API shows it."""

from __future__ import annotations

import strawberry

from domain.revenue.schedule import ScheduleRow
from interfaces.graphql.journal import money
from interfaces.graphql.scalars import ExactDecimal


@strawberry.type(description="paid = all left of it to date + remaining, month by month.")
class RevenueScheduleRow:
    grant_id: strawberry.ID | None
    customer_id: strawberry.ID
    obligation: str
    currency: str
    paid: ExactDecimal = strawberry.field(description="All that was allocated by the month's end.")
    period: str
    recognized: ExactDecimal
    breakage: ExactDecimal
    refunded: ExactDecimal = strawberry.field(description="What left the liability by that.")
    escheated: ExactDecimal
    transferred: ExactDecimal
    remaining: ExactDecimal = strawberry.field(description="At the month's end.")
    expected: ExactDecimal = strawberry.field(
        description="What time alone releases in the month: days of a ratable grant, or what "
        "remains of one that lapses."
    )


def schedule_row_of(row: ScheduleRow) -> RevenueScheduleRow:
    return RevenueScheduleRow(
        grant_id=None if row.grant_id is None else strawberry.ID(row.grant_id),
        customer_id=strawberry.ID(row.customer_id),
        obligation=row.title,
        currency=row.currency,
        paid=money(row.paid, row.currency),
        period=row.period,
        recognized=money(row.recognized, row.currency),
        breakage=money(row.breakage, row.currency),
        refunded=money(row.refunded, row.currency),
        escheated=money(row.escheated, row.currency),
        transferred=money(row.transferred, row.currency),
        remaining=money(row.remaining, row.currency),
        expected=money(row.expected, row.currency),
    )
