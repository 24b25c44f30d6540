"""How money goes back, wherever it goes back from: a refund, a charge withdrawn or rated anew, a
line below zero. Who gives up how much is decided before (`domain/wallet/payers.py`); this states
it, in this order:

1. overage that is owed is owed no more, and grants get back what they paid: one wallet event;
2. what came to an expired grant lapses, or to a dead one moves on to a COMPENSATION grant;
3. overage on an invoice stays there, and a COMPENSATION grant makes it good.

The charge's own event follows, with what all of this came to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from application.commands.made_good import make_good
from application.commands.returns import Returns, compensate_grant, returns_of, returns_to_live
from application.work import Work
from domain.money.asset import Asset
from domain.usage.charge import UsageCharge
from domain.wallet import overage
from domain.wallet.burndown import merged
from domain.wallet.events import GrantReturn, Part, Range
from domain.wallet.payers import GivenUp
from domain.wallet.totals import TotalsMoved
from domain.wallet.wallet import Wallet


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What went back, as events of charges say it. Units of the charge's asset."""

    forgiven: tuple[Range, ...] = ()
    invoiced: tuple[Range, ...] = ()
    returned: tuple[Part, ...] = ()
    compensated: tuple[tuple[str, int, str], ...] = ()
    made_good: str | None = None

    @property
    def units(self) -> int:
        return self.overage_units + sum(units for _, units in self.returned)

    @property
    def overage_units(self) -> int:
        return overage.length(self.forgiven) + overage.length(self.invoiced)


NOTHING = GivenBack()


@dataclass(slots=True)
class GivingBack:
    """What a charge gives back: decided as it is made, stated later. dry: what new grants would
    get is only counted. Raises InvalidState: a part of a voided or refunded grant, without
    `compensate`.
    """

    work: Work
    wallet: Wallet
    asset: Asset
    charge_id: str
    occurred_at: datetime
    back: GivenUp
    at: datetime
    compensate: bool = True
    dry: bool = False
    returned: tuple[Part, ...] = field(init=False)
    returns: Returns = field(init=False)

    def __post_init__(self) -> None:
        wallet, asset = self.wallet, self.asset.key
        self.returned = merged(self.back.parts)
        if self.dry:
            self.returns = returns_to_live(wallet, asset, self.returned)
        else:
            self.returns = returns_of(
                self.work, wallet, asset, self.charge_id, self.returned, self.compensate, self.at
            )

    @property
    def to_grants(self) -> list[GrantReturn]:
        return self.returns.returned

    @property
    def only_counted_units(self) -> int:
        """Return what new grants would get, were it not dry."""
        if not self.dry:
            return 0
        stated = overage.length(self.back.forgiven) + sum(each.units for each in self.to_grants)
        return self.back.units - stated

    def reverse(self, charge: UsageCharge, rated: TotalsMoved | None, key: str) -> GivenBack:
        """State it of a charge that was settled; its budgets have spent so much less. rated:
        what it changes of totals; `key` names the giving.
        """
        units = self.back.units
        budgets = self.wallet.budgets.lowered(charge.budgets, charge.settled_at, units, self.at)
        self.wallet.reverse(
            self.asset.key,
            charge.id,
            units,
            self.back.forgiven,
            self.to_grants,
            self.at,
            budgets=budgets,
            rated=rated,
        )
        self.work.lower_derived(self.wallet, charge.budgets, charge.settled_at, units)
        return self.follow(key)

    def follow(self, key: str) -> GivenBack:
        """State what follows the wallet's event; `key` names the giving."""
        work, wallet, asset, at = self.work, self.wallet, self.asset, self.at
        forgiven, invoiced = self.back.forgiven, self.back.invoiced
        if self.dry:
            return GivenBack(forgiven, invoiced, self.returned)
        for grant_id in self.returns.lapsing:
            wallet.lapse_return(asset.key, grant_id, at)
        compensated = tuple(
            compensate_grant(work, wallet, asset, self.charge_id, grant, units, key, at)
            for grant, units in self.returns.compensating
        )
        made_good = make_good(
            work, wallet, asset, self.charge_id, self.occurred_at, invoiced, key, at
        )
        return GivenBack(forgiven, invoiced, self.returned, compensated, made_good)
