"""The entries of usage: what credits earn as they burn, what overage adds, what goes back."""

from __future__ import annotations

from datetime import date

from domain.money.exact import exact_money
from domain.revenue import plan_facts
from domain.revenue.books import Books, Place, policy_for
from domain.revenue.grant_facts import make_unconditional, undo_unused, undo_used
from domain.revenue.journal import Line, merged
from domain.revenue.months import month_of
from domain.revenue.obligation import Obligation, recognise, withdraw
from domain.revenue.tenant_books import TenantBooks
from domain.revenue.unbilled import Segment, UnbilledWallet
from domain.subscriptions.events import FEE_SOURCE
from domain.usage.events import (
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeRefunded,
    ChargeSettled,
)

_NOT_USAGE = ("FORFEITURE", "CORRECTION")

GivesBack = ChargeRefunded | ChargeCredited | ChargeCorrected
"""A charge given back, or one that is below zero itself: the same facts, the same entries."""
Takes = ChargeSettled | ChargeCaptured | ChargeCorrected


def settle(books: Books, place: Place, event: Takes) -> None:
    """Recognise a charge: an entry a grant that paid, and one for what none covered."""
    reason = None
    if isinstance(event, ChargeSettled):
        if event.reported.source == FEE_SOURCE:
            plan_facts.charge(books, place, event)
            return
        reason = event.adjustment
    elif isinstance(event, ChargeCaptured) and event.observed:
        return
    tenant = books.tenant(place.tenant)
    occurred = tenant.local_day(event.reported.occurred_at)
    wallet = books.wallet(place, event.wallet_id, event.customer_id)
    wallet.note_charge(event.asset, occurred)
    if reason in _NOT_USAGE:
        assert reason is not None
        wallet.adjustments[event.originator_id] = reason
    for grant_id, units in event.allocations:
        o = books.obligations.get(grant_id)
        if o is not None:
            _burn(books, place, event, tenant, o, units, occurred, reason)
    if event.overage is not None:
        _incur(books, place, event, wallet, event.overage, occurred)


def correct(books: Books, place: Place, event: ChargeCorrected) -> None:
    """Give back what a charge took too much, or recognise what it took too little."""
    refund(books, place, event)
    settle(books, place, event)


def _burn(
    books: Books,
    place: Place,
    event: Takes,
    tenant: TenantBooks,
    o: Obligation,
    units: int,
    occurred: date,
    reason: str | None,
) -> None:
    if o.source == "COMMITMENT":
        _draw(books, place, event, o, units, occurred)
        return
    make_unconditional(books, place, event, o)
    if reason == "CORRECTION":
        undo_unused(books, place, event, o, units, fact="correction")
        return
    before = o.burned
    if reason == "FORFEITURE":
        o.lapsed += units
    else:
        o.burned += units
    if not o.booked:
        return
    day, service = tenant.entry_day(max(occurred, o.first_day), event.timestamp)
    lines = recognise(o, policy_for(tenant, o, event.timestamp))
    o.last_service = service
    books.post(
        place, event, "expiry" if reason == "FORFEITURE" else "usage", day, o.currency, lines,
        service=service, obligation=o, charge_id=event.originator_id, meter=event.reported.meter,
    )  # fmt: skip
    if o.claim_ended:
        undo_used(books, place, event, o, before, o.burned)


def _draw(
    books: Books,
    place: Place,
    event: Takes,
    o: Obligation,
    units: int,
    occurred: date,
) -> None:
    """A credit line's usage is billed in arrears: as overage, at the currency itself."""
    tenant = books.tenant(place.tenant)
    wallet = books.wallet(place, o.wallet_id, o.customer_id)
    o.burned += units
    change = wallet.move(o.currency, month_of(occurred), exact_money(units))
    _post_overage(books, place, event, tenant, o.customer_id, o.currency, change, occurred)


def _incur(
    books: Books,
    place: Place,
    event: Takes,
    wallet: UnbilledWallet,
    incurred: tuple[int, int],
    occurred: date,
) -> None:
    """Overage is worth what the asset's exchange rate says; without one it posts nothing."""
    tenant = books.tenant(place.tenant)
    rate = tenant.rate(event.asset, event.reported.occurred_at)
    if rate is None:
        return
    segment = Segment(*incurred, month_of(occurred), rate.currency, rate.unit_price)
    change = wallet.incur(event.asset, segment, tenant.scale(event.asset))
    _post_overage(books, place, event, tenant, event.customer_id, rate.currency, change, occurred)


def _post_overage(
    books: Books,
    place: Place,
    event: Takes,
    tenant: TenantBooks,
    customer_id: str,
    currency: str,
    change: int,
    occurred: date,
) -> None:
    if not change:
        return
    day, service = tenant.entry_day(occurred, event.timestamp)
    lines: list[Line] = [("unbilled_receivable", change), ("revenue_usage", -change)]
    books.post(
        place, event, "overage", day, currency, lines, service=service, customer_id=customer_id,
        charge_id=event.originator_id, meter=event.reported.meter,
    )  # fmt: skip


def refund(books: Books, place: Place, event: GivesBack) -> None:
    """Give a charge's revenue back to the liability of the credits that paid; overage that is
    still owed leaves what is unbilled. A refund is dated when it was recorded; what the charge
    itself turns out to be, on its own day while that month is open.
    """
    fee = books.obligations.get(event.originator_id)
    if fee is not None and isinstance(event, ChargeRefunded | ChargeCorrected):
        plan_facts.give_back(books, place, event, fee)
        _compensate_all(books, place, event)
        return
    tenant = books.tenant(place.tenant)
    wallet = books.wallet(place, event.wallet_id, event.customer_id)
    recorded = tenant.local_day(event.timestamp)
    occurred = tenant.local_day(event.occurred_at)
    own_day = recorded
    if not isinstance(event, ChargeRefunded):
        own_day = tenant.entry_day(occurred, event.timestamp)[0]
    service = month_of(occurred)
    reason = wallet.adjustments.get(event.originator_id)
    cycle = service
    for grant_id, units in event.returned:
        o = books.obligations.get(grant_id)
        if o is None:
            continue
        if o.source == "COMMITMENT":
            o.burned -= units
            change = wallet.move(o.currency, cycle, -exact_money(units))
            _post_forgiven(books, place, event, o.currency, change, own_day, service)
        elif reason == "CORRECTION":
            undo_unused(books, place, event, o, -units, fact="correction")
        else:
            if reason == "FORFEITURE":
                o.lapsed -= units
            else:
                o.burned -= units
            day = recorded
            if not isinstance(event, ChargeRefunded):
                day = tenant.entry_day(max(occurred, o.first_day), event.timestamp)[0]
            lines = recognise(o, policy_for(tenant, o, event.timestamp))
            books.post(
                place, event, "charge_refund", day, o.currency, lines, service=service,
                obligation=o, charge_id=event.originator_id, meter=event.meter,
            )  # fmt: skip
    _compensate_all(books, place, event)
    if not isinstance(event, ChargeRefunded) and event.made_good is not None:
        _make_good(books, place, event, event.made_good, recorded, service)
    for currency, of_cycle, exact in wallet.take(
        event.asset, event.forgiven, tenant.scale(event.asset)
    ):
        change = wallet.move(currency, of_cycle, -exact)
        _post_forgiven(books, place, event, currency, change, own_day, service)


def _post_forgiven(
    books: Books,
    place: Place,
    event: GivesBack,
    currency: str,
    change: int,
    day: date,
    service: str,
) -> None:
    if change:
        lines: list[Line] = [("revenue_usage", -change), ("unbilled_receivable", change)]
        books.post(
            place, event, "overage_refund", day, currency, lines, service=service,
            customer_id=event.customer_id, charge_id=event.originator_id, meter=event.meter,
        )  # fmt: skip


def _compensate_all(books: Books, place: Place, event: GivesBack) -> None:
    day = books.tenant(place.tenant).local_day(event.timestamp)
    for grant_id, units, compensation_id in event.compensated:
        _compensate(books, place, event, grant_id, units, compensation_id, day)


def _compensate(
    books: Books,
    place: Place,
    event: GivesBack,
    grant_id: str,
    units: int,
    compensation_id: str,
    day: date,
) -> None:
    """Move the liability of credits that could not return to the grant that takes them."""
    tenant = books.tenant(place.tenant)
    o = books.obligations.get(grant_id)
    new = books.obligations.get(compensation_id)
    if o is None or new is None:
        return
    carrying, _ = withdraw(o, policy_for(tenant, o, event.timestamp), units)
    books.retell(o)
    books.retell(new)
    new.currency = o.currency
    new.consideration = carrying * o.minor
    new.booked = True
    books.post(
        place, event, "compensation", day, o.currency,
        [("contract_liability", carrying), ("contract_liability", -carrying)] if carrying else [],
        obligation=new, from_grant_id=o.grant_id, charge_id=event.originator_id,
    )  # fmt: skip


def _make_good(
    books: Books,
    place: Place,
    event: ChargeCredited | ChargeCorrected,
    grant_id: str,
    day: date,
    service: str,
) -> None:
    """Owe the credits by which invoiced overage goes back; the invoice and its claim stay."""
    o = books.obligations.get(grant_id)
    if o is None:
        return
    o.booked = True
    books.retell(o)
    lines: list[Line] = [("revenue_usage", o.whole), ("contract_liability", -o.whole)]
    books.post(
        place, event, "overage_credit", day, o.currency, merged(lines), service=service,
        obligation=o, charge_id=event.originator_id, meter=event.meter,
    )  # fmt: skip
