"""Do credits tie to money? Wallets, what is owed for them, and the journal, side by side.

Wallets fold their own events; obligations and the journal fold those of grants and charges.
Neither knows the other, so that a difference is an error of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.money.currencies import EXPONENTS
from domain.revenue.journal import units_per_minor
from projections.database import Connection
from projections.tables import Location

_MINORS = {key: units_per_minor(key) for key in EXPONENTS}
"""Units of the ledger that make a minor unit, by currency."""

# Half-even, as `Obligation.whole`: the quotient, and one more above a half or at an odd half.
_ASSETS = """
    WITH parts AS (
        SELECT o.*, m.minor,
            o.consideration * (o.granted - o.revoked) AS part, o.granted * m.minor AS whole
        FROM {obligations} o
        JOIN unnest(%(currencies)s::text[], %(minors)s::numeric[]) AS m (currency, minor)
            USING (currency)
        WHERE o.tenant = %(tenant)s
    ), owed AS (
        SELECT *,
            -- What is owed for a plan is of no grant.
            CASE WHEN grant_id IS NULL THEN 0 ELSE granted - revoked - burned - lapsed END AS units,
            CASE WHEN booked THEN div(part, whole) + CASE
                WHEN 2 * mod(part, whole) > whole THEN 1
                WHEN 2 * mod(part, whole) = whole THEN mod(div(part, whole), 2)
                ELSE 0
            END ELSE 0 END - earned - breakage - escheated AS liability
        FROM parts
    )
    SELECT o.asset, max(o.scale), o.currency, coalesce(sum(g.remaining), 0)::text,
        sum(o.units)::text, sum(o.liability)::text,
        count(*) FILTER (
            WHERE o.grant_id IS NOT NULL AND g.remaining IS DISTINCT FROM o.units
        )
    FROM owed o LEFT JOIN {grants} g ON g.tenant = o.tenant AND g.grant_id = o.grant_id
    GROUP BY o.asset, o.currency ORDER BY o.currency, o.asset
"""
_MONEY = """
    SELECT currency, sum(journal)::text, sum(schedules)::text FROM (
        SELECT currency, credit - debit AS journal, 0 AS schedules FROM {journal_sums}
        WHERE tenant = %(tenant)s AND account = 'contract_liability'
        UNION ALL
        SELECT o.currency, 0,
            s.paid - s.recognized - s.breakage - s.refunded - s.escheated - s.transferred
        FROM {obligation_months} s JOIN {obligations} o USING (tenant, obligation_id)
        WHERE s.tenant = %(tenant)s
    ) AS sides GROUP BY currency ORDER BY currency
"""
_ACCRUED = """
    SELECT accrual ->> 'currency', sum((accrual ->> 'amount')::numeric)::text
    FROM {tenant_books}, jsonb_array_elements(state -> 'accruals') AS accrual
    WHERE tenant = %(tenant)s GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class AssetTie:
    """Of the grants in an asset that were paid for in a currency. wallets, books: units that
    remain; liability: minor units, of plans with a fee in the asset too; differing: grants
    whose units are not the same in both.
    """

    asset: str
    scale: int
    currency: str
    wallets: int
    books: int
    liability: int
    differing: int


@dataclass(frozen=True, slots=True)
class MoneyTie:
    """The contract liability of a currency, in minor units: in the journal, by what is owed
    for each grant, by the schedules' months; accrued: taken off the journal's until reversed.
    """

    currency: str
    journal: int
    grants: int
    schedules: int
    accrued: int

    @property
    def ties(self) -> bool:
        return self.grants == self.schedules == self.journal + self.accrued


def tie_out(
    connection: Connection, location: Location, tenant_id: str
) -> tuple[Sequence[AssetTie], Sequence[MoneyTie]]:
    """Return both sides, by asset and by currency.

    The read models `balances` and `journal` have to stand at one position.
    """
    asked = {
        "tenant": tenant_id,
        "currencies": list(_MINORS),
        "minors": list(_MINORS.values()),
    }
    assets = [
        AssetTie(asset, scale, currency, *map(int, figures))
        for asset, scale, currency, *figures in connection.execute(location.query(_ASSETS), asked)
    ]
    accrued = {
        str(currency): int(amount)
        for currency, amount in connection.execute(location.query(_ACCRUED), asked)
    }
    owed: dict[str, int] = {}
    for each in assets:
        owed[each.currency] = owed.get(each.currency, 0) + each.liability
    money = [
        MoneyTie(
            currency, int(journal), owed.get(currency, 0), int(schedules),
            accrued.get(currency, 0),
        )
        for currency, journal, schedules in connection.execute(location.query(_MONEY), asked)
    ]  # fmt: skip
    return assets, money
