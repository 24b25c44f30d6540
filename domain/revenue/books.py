"""The books of a stretch of the log: what it has touched, and the entries it has made.

Fed by events alone, in order; nothing here refuses, reads a clock or looks a price up, so
that the same log gives the same entries, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from domain.aggregate import Event
from domain.revenue.facts import ACCOUNTS_OF, BY_KEY
from domain.revenue.journal import EntryKind, JournalEntry, Line
from domain.revenue.months import month_of
from domain.revenue.obligation import Obligation
from domain.revenue.policies import Policy
from domain.revenue.tenant_books import TenantBooks
from domain.revenue.terms import Terms, terms_of
from domain.revenue.unbilled import UnbilledWallet


class Place(NamedTuple):
    """Where an event lies in the log, and whose it is."""

    position: int
    tenant: str


@dataclass(slots=True)
class Movements:
    """How an obligation's liability moved in a month, in minor units. delivered: of what was
    recognised, before reversals and repayments. entries: how many moved it.
    """

    tenant: str
    obligation_id: str
    period: str
    grant_id: str | None
    customer_id: str
    title: str
    currency: str
    paid: int = 0
    recognized: int = 0
    breakage: int = 0
    refunded: int = 0
    escheated: int = 0
    transferred: int = 0
    delivered: int = 0
    entries: int = 0

    def before(self, later: Movements) -> Movements:
        """Return what moved without what of it came later."""
        return replace(
            self, **{name: getattr(self, name) - getattr(later, name) for name in _FIGURES}
        )


_FIGURES = (
    "paid", "recognized", "breakage", "refunded", "escheated", "transferred", "delivered",
    "entries",
)  # fmt: skip


@dataclass(slots=True)
class Books:
    """obligations by id, wallets by wallet id, all of several tenants. entries, terms: what was
    made of this stretch, in order.
    """

    tenants: dict[str, TenantBooks] = field(default_factory=dict)
    obligations: dict[str, Obligation] = field(default_factory=dict)
    wallets: dict[str, UnbilledWallet] = field(default_factory=dict)
    entries: list[JournalEntry] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)
    _retold: dict[str, Obligation] = field(default_factory=dict)

    def tenant(self, tenant: str) -> TenantBooks:
        found = self.tenants.get(tenant)
        if found is None:
            found = self.tenants[tenant] = TenantBooks(tenant)
        return found

    def wallet(self, place: Place, wallet_id: str, customer_id: str) -> UnbilledWallet:
        found = self.wallets.get(wallet_id)
        if found is None:
            found = self.wallets[wallet_id] = UnbilledWallet(place.tenant, wallet_id, customer_id)
        return found

    def retell(self, o: Obligation) -> None:
        """Keep an obligation's terms as the event that is being folded leaves them."""
        self._retold[o.obligation_id] = o

    def keep_terms(self, place: Place, event: Event) -> None:
        if self._retold:
            retold = self._retold.values()
            self.terms += [terms_of(each, place.position, event.timestamp) for each in retold]
            self._retold = {}

    def bundle(self, tenant: str, customer_id: str, bundle_id: str) -> list[Obligation]:
        """Return the obligations of a purchase, those that were paid for first."""
        members = [
            each
            for each in self.obligations.values()
            if each.bundle_id == bundle_id
            and (each.tenant, each.customer_id) == (tenant, customer_id)
        ]
        return sorted(members, key=lambda each: each.source != "PAID")

    def of_fees(self, tenant: str, fee_ids: Iterable[str]) -> list[Obligation]:
        """Return fees of plans, and the credits that share them, in order of their ids."""
        wanted = set(fee_ids)
        if not wanted:
            return []
        found = [
            each
            for each in self.obligations.values()
            if each.tenant == tenant
            and (each.obligation_id in wanted or not wanted.isdisjoint(each.fee_ids))
        ]
        return sorted(found, key=lambda each: each.obligation_id)

    def living(self, tenant: str) -> list[Obligation]:
        """Return the tenant's obligations that have not ended, by their ids."""
        found = [
            each for each in self.obligations.values() if each.tenant == tenant and not each.ended
        ]
        return sorted(found, key=lambda each: each.obligation_id)

    def post(
        self,
        place: Place,
        event: Event,
        fact: str,
        day: date,
        currency: str,
        lines: list[Line],
        *,
        service: str | None = None,
        kind: EntryKind = "AUTOMATIC",
        customer_id: str | None = None,
        obligation: Obligation | None = None,
        from_grant_id: str | None = None,
        charge_id: str | None = None,
        invoice_id: str | None = None,
        meter: str | None = None,
        product: str | None = None,
        reverses: int | None = None,
    ) -> int | None:
        """Make the entry of a fact, unless it has no line; return its number.

        Lines are in minor units of `currency`, none of them zero, and balance.
        """
        if not lines:
            return None
        books = self.tenant(place.tenant)
        accounts, amounts = map(list, zip(*lines, strict=True))
        assert not sum(amounts), (fact, lines)
        assert ACCOUNTS_OF[fact].issuperset(accounts), (fact, lines)
        same = currency == books.functional_currency
        number = books.last_number = books.last_number + 1
        period = month_of(day)
        self.entries.append(
            JournalEntry(
                place.tenant,
                number,
                place.position,
                event.timestamp,
                kind,
                fact,
                day,
                period,
                service or period,
                currency,
                "1" if same else None,
                obligation.customer_id if obligation is not None else customer_id,
                obligation.grant_id if obligation is not None else None,
                obligation.obligation_id if obligation is not None else None,
                from_grant_id,
                charge_id,
                invoice_id,
                meter,
                obligation.product if product is None and obligation is not None else product,
                reverses,
                accounts,
                amounts,
                amounts if same else [0] * len(amounts),
            )
        )
        return number


def policy_for(tenant: TenantBooks, o: Obligation, at: datetime) -> Policy:
    """Return the policy that holds for an obligation when an event of that time is folded."""
    if not tenant.settings:
        return _DEFAULT
    return tenant.policy(o.asset, o.source, o.product, month_of(tenant.local_day(at)))


_DEFAULT = Policy()


def movements_of(entries: Iterable[JournalEntry]) -> dict[tuple[str, str, str], Movements]:
    """Return how entries moved the liability of each obligation in each month."""
    found: dict[tuple[str, str, str], Movements] = {}
    for entry in entries:
        obligation_id = entry.obligation_id
        if obligation_id is None:
            continue
        key = (entry.tenant, obligation_id, entry.period)
        moved = found.get(key)
        if moved is None:
            moved = found[key] = Movements(
                entry.tenant, obligation_id, entry.period, entry.grant_id,
                entry.customer_id or "", "", entry.currency,
            )  # fmt: skip
        moved.entries += 1
        _move(moved, entry)
        if entry.from_grant_id is not None:
            amount = max(entry.amounts)
            left = found.setdefault(
                (entry.tenant, entry.from_grant_id, entry.period),
                Movements(
                    entry.tenant, entry.from_grant_id, entry.period, entry.from_grant_id,
                    entry.customer_id or "", "", entry.currency,
                ),
            )  # fmt: skip
            left.entries += 1
            moved.paid += amount
            if entry.fact == "bundle_share":
                left.paid -= amount
            else:
                left.transferred += amount
    return found


def _move(moved: Movements, entry: JournalEntry) -> None:
    movement = BY_KEY[entry.fact].movement
    if entry.fact == "overage_credit":  # with it the obligation begins
        moved.paid += max(entry.amounts)
        return
    if movement in ("RECOGNITION", "REVERSAL"):
        before = moved.recognized
        _release(moved, entry)
        if movement == "RECOGNITION":
            moved.delivered += moved.recognized - before
        return
    for account, amount in zip(entry.accounts, entry.amounts, strict=True):
        if account == "contract_liability" and not entry.from_grant_id:
            if movement == "BILLING":
                moved.paid -= amount
            elif movement == "REFUND":
                moved.refunded += amount
            elif movement == "REPAYMENT":
                moved.recognized += amount
        elif movement == "REPAYMENT" and account == "revenue_breakage":
            moved.recognized += amount
            moved.breakage -= amount
        elif movement == "REPAYMENT" and account == "unclaimed_property":
            moved.recognized += amount
            moved.escheated -= amount


def _release(moved: Movements, entry: JournalEntry) -> None:
    for account, amount in zip(entry.accounts, entry.amounts, strict=True):
        if account in ("revenue_usage", "revenue_ratable"):
            moved.recognized -= amount
        elif account == "revenue_breakage":
            moved.breakage -= amount
        elif account == "unclaimed_property":
            moved.escheated -= amount
