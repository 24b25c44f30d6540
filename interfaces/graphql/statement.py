"""What moved a balance, and balances and usage over time."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry

from interfaces.graphql.nodes import PageInfo
from interfaces.graphql.scalars import ExactDecimal, Long, exact
from projections import statement_queries


@strawberry.enum
class StatementKind(Enum):
    GRANT = "GRANT"
    CHARGE = "CHARGE"
    HOLD = "HOLD"
    RELEASE = "RELEASE"
    EXPIRY = "EXPIRY"
    REVOCATION = "REVOCATION"
    REFUND = "REFUND"
    REPAYMENT = "REPAYMENT"
    ADJUSTMENT = "ADJUSTMENT"


@strawberry.enum
class Bucket(Enum):
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@strawberry.enum
class UsageGroup(Enum):
    CUSTOMER = "CUSTOMER"
    METER = "METER"
    SUBJECT = "SUBJECT"
    PROPERTY = "PROPERTY"


@strawberry.type(description="One move of a balance, with a way to what caused it.")
class StatementLine:
    position: Long
    kind: StatementKind
    at: datetime
    change: ExactDecimal
    balance_after: ExactDecimal
    description: str
    grant_id: strawberry.ID | None
    charge_id: strawberry.ID | None
    hold_id: strawberry.ID | None


@strawberry.type(description="Newest first.")
class StatementConnection:
    nodes: list[StatementLine]
    page_info: PageInfo


@strawberry.type
class UsagePoint:
    at: datetime
    group: str | None
    charges: Long
    quantity: ExactDecimal
    amount: ExactDecimal
    asset: str


@strawberry.type
class BalancePoint:
    at: datetime
    available: ExactDecimal
    held: ExactDecimal
    overage: ExactDecimal


def line_of(line: statement_queries.StatementLine, scale: int) -> StatementLine:
    return StatementLine(
        position=Long(line.position),
        kind=StatementKind(line.kind),
        at=line.at,
        change=exact(line.change, scale),
        balance_after=exact(line.balance_after, scale),
        description=line.description,
        grant_id=_optional_id(line.grant_id),
        charge_id=_optional_id(line.charge_id),
        hold_id=_optional_id(line.hold_id),
    )


def _optional_id(value: str | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(value)
