"""The entries of plans: fees charged and given back, shared over included credits, ended.

A fee in advance is a stand-ready obligation of its period, recognised by day; where the
included credits roll over, they are what was bought: the fee is theirs, and is recognised
as they burn. A fee in arrears, and a commitment's shortfall, are earned when they are due.

Worked example: $20.00 a month with 100 credits of which 50 may roll over. 30 burn: 6.00. At
the month's end 20 lapse: 4.00; 50 roll over with 10.00, which is earned as those burn.

Source: ASC 606-10-25-27(a), 25-31 (over time), 25-30, 55-46 (as credits are used), 25-13 (a
change of plan); IFRS 15.35(a), 39, 38, B44, 21.
"""

from __future__ import annotations

from datetime import date, timedelta

from domain.aggregate import Event
from domain.grants.events import GrantIssued
from domain.money.decimals import units_of
from domain.money.exact import exact_value
from domain.revenue import ratable
from domain.revenue.books import Books, Place, policy_for
from domain.revenue.journal import Line, units_per_minor
from domain.revenue.months import month_of
from domain.revenue.obligation import Obligation, recognise, withdraw
from domain.revenue.unbilled import Segment, UnbilledWallet
from domain.subscriptions.events import (
    CycleStarted,
    FeeCredit,
    FeeEvent,
    FeeLine,
    GrantLine,
    PeriodStarted,
    PlanChanged,
    SubscriptionCanceled,
    credits_of,
)
from domain.subscriptions.fee_charges import fee_time
from domain.usage.events import ChargeCorrected, ChargeRefunded, ChargeSettled

_MOMENT = timedelta(microseconds=1)
_PRICE_SCALE = 18


def charge(books: Books, place: Place, event: ChargeSettled) -> None:
    """A fee that the wallet paid: the liability of the grants that paid becomes the plan's,
    and what none covered is unbilled.
    """
    tenant = books.tenant(place.tenant)
    wallet = books.wallet(place, event.wallet_id, event.customer_id)
    due = fee_time(event)
    day, service = tenant.entry_day(tenant.local_day(due), event.timestamp)
    fee: Obligation | None = None
    for grant_id, units in event.allocations:
        o = books.obligations.get(grant_id)
        if o is None or not o.booked:
            continue
        o.burned += units
        released = _liability_of(recognise(o, policy_for(tenant, o, event.timestamp)))
        fee = fee or _begun(books, place, event, event.originator_id, o.currency, day)
        _move(books, place, event, "plan_fee", fee, released, o.grant_id, day, service)
    if event.overage is not None:
        rate = tenant.rate(event.asset, due)
        if rate is None:
            return
        cycle = month_of(tenant.local_day(due))
        segment = Segment(*event.overage, cycle, rate.currency, rate.unit_price)
        change = wallet.incur(event.asset, segment, tenant.scale(event.asset))
        fee = fee or _begun(books, place, event, event.originator_id, rate.currency, day)
        _bill(books, place, event, "plan_fee", fee, change, day)


def give_back(
    books: Books, place: Place, event: ChargeRefunded | ChargeCorrected, fee: Obligation
) -> None:
    """A fee, or a part of it, goes back to the grants that paid."""
    tenant = books.tenant(place.tenant)
    wallet = books.wallet(place, event.wallet_id, event.customer_id)
    day = tenant.local_day(event.timestamp)
    books.retell(fee)
    for grant_id, units in event.returned:
        o = books.obligations.get(grant_id)
        if o is None or not o.booked:
            continue
        o.burned -= units
        back = -_liability_of(recognise(o, policy_for(tenant, o, event.timestamp)))
        fee.consideration -= back * fee.minor
        _move(books, place, event, "plan_fee_credit", o, back, fee.obligation_id, day, None)
    for currency, cycle, exact in wallet.take(
        event.asset, event.forgiven, tenant.scale(event.asset)
    ):
        change = wallet.move(currency, cycle, -exact)
        _bill(books, place, event, "plan_fee_credit", fee, change, day)


def tell(books: Books, place: Place, event: FeeEvent) -> None:
    """What a subscription's event says of its fees and of the credits that came with them."""
    tenant = books.tenant(place.tenant)
    wallet = books.wallet(place, event.wallet_id, event.customer_id)
    for credit in credits_of(event):
        if credit.charge_id is None:
            _credit(books, place, event, wallet, credit)
    if isinstance(event, PlanChanged | SubscriptionCanceled):
        _end(books, place, event)
    for line in event.fees:
        if line.charge_id is None and line.units:
            _invoice(books, place, event, wallet, line)
        fee = books.obligations.get(line.fee_id)
        if fee is None:
            continue
        books.retell(fee)
        fee.product = _product(event)
        fee.starts_on = tenant.local_day(line.starts_at)
        fee.ends_on = tenant.local_day(line.ends_at)
        fee.paid_units = fee.consideration
        if not line.in_advance:
            _earn(books, place, event, fee, line)
    if isinstance(event, CycleStarted | PeriodStarted | PlanChanged):
        _share(books, place, event, event.running, event.grants)


def roll(books: Books, place: Place, event: GrantIssued) -> None:
    """What rolls over keeps its basis, date and product."""
    assert event.origin.grant_id is not None
    old = books.obligations.get(event.origin.grant_id)
    if old is None or not old.booked:
        return
    tenant = books.tenant(place.tenant)
    carrying, _ = withdraw(old, policy_for(tenant, old, event.timestamp), event.amount_units)
    new = _of_grant(books, place, event.originator_id, event, old.currency, event.amount_units)
    new.asset, new.scale, new.product = old.asset, old.scale, old.product
    new.first_day, new.fee_ids = old.first_day, list(old.fee_ids)
    new.starts_on = tenant.local_day(event.effective_at)
    new.ends_on = tenant.local_day(event.expires_at) if event.expires_at is not None else None
    books.retell(old)
    new.consideration = carrying * new.minor
    _move(
        books, place, event, "rollover", new, carrying, old.grant_id,
        tenant.local_day(event.timestamp), None,
    )  # fmt: skip


# Fees


def _credit(
    books: Books, place: Place, event: FeeEvent, wallet: UnbilledWallet, credit: FeeCredit
) -> None:
    fee = books.obligations.get(credit.fee_id)
    tenant = books.tenant(place.tenant)
    rate = tenant.rate(credit.asset, credit.starts_at)
    if fee is None or rate is None:
        return
    exact = exact_value(-credit.units, tenant.scale(credit.asset), rate.unit_price)
    cycle = month_of(tenant.local_day(credit.starts_at))
    change = wallet.move(rate.currency, cycle, exact)
    _bill(books, place, event, "plan_fee_credit", fee, change, tenant.local_day(event.timestamp))


def _invoice(
    books: Books, place: Place, event: FeeEvent, wallet: UnbilledWallet, line: FeeLine
) -> None:
    """A fee that is billed: a claim not invoiced yet, and what it obliges to."""
    tenant = books.tenant(place.tenant)
    due = line.starts_at if line.in_advance else line.ends_at - _MOMENT
    rate = tenant.rate(line.asset, due)
    if rate is None:
        return
    day, _ = tenant.entry_day(tenant.local_day(due), event.timestamp)
    exact = exact_value(line.units, tenant.scale(line.asset), rate.unit_price)
    change = wallet.move(rate.currency, month_of(tenant.local_day(due)), exact)
    fee = _begun(books, place, event, line.fee_id, rate.currency, day)
    _bill(books, place, event, "plan_fee", fee, change, day)


def _earn(books: Books, place: Place, event: FeeEvent, fee: Obligation, line: FeeLine) -> None:
    """What is due for a time that is over is earned, dated its last day."""
    tenant = books.tenant(place.tenant)
    day, service = tenant.entry_day(tenant.local_day(line.ends_at - _MOMENT), event.timestamp)
    day = max(day, fee.first_day)
    fact = "day"
    if line.kind == "COMMITMENT":
        fee.ratable, fee.lapsed, fact = False, 1, "expiry"
    _finish(books, place, event, fee, fact, day, service)


def _end(books: Books, place: Place, event: PlanChanged | SubscriptionCanceled) -> None:
    """Fees end before their time: what was not given back is earned, or will not be used."""
    tenant = books.tenant(place.tenant)
    today = tenant.local_day(event.timestamp)
    fees = [fee for each in event.ended if (fee := books.obligations.get(each)) is not None]
    for grant_id, units in event.revoked:
        o = books.obligations.get(grant_id)
        if o is None or not o.booked:
            continue
        carrying, _ = withdraw(o, policy_for(tenant, o, event.timestamp), units)
        books.retell(o)
        if fees:
            fees[0].consideration += carrying * fees[0].minor
            _move(
                books, place, event, "plan_share", fees[0], carrying, o.grant_id, today, None,
                added=False,
            )  # fmt: skip
    for fee in fees:
        books.retell(fee)
        if fee.ratable:
            fee.ends_on = max(today, fee.starts_on)
            _finish(books, place, event, fee, "day", today, None)
        else:
            fee.lapsed = 1
            _finish(books, place, event, fee, "expiry", today, None)


def _finish(
    books: Books,
    place: Place,
    event: FeeEvent,
    fee: Obligation,
    fact: str,
    day: date,
    service: str | None,
) -> None:
    tenant = books.tenant(place.tenant)
    if fee.ratable:
        assert fee.ends_on is not None
        fee.ended_days = ratable.days_of(fee.starts_on, fee.ends_on)
    fee.ended = True
    lines = recognise(fee, policy_for(tenant, fee, event.timestamp))
    books.post(place, event, fact, day, fee.currency, lines, service=service, obligation=fee)


# Included credits


def _share(
    books: Books,
    place: Place,
    event: CycleStarted | PeriodStarted | PlanChanged,
    running: tuple[str, ...],
    grants: tuple[GrantLine, ...],
) -> None:
    """Give the fees that run to the credits that they buy, by stand-alone price; a longer
    fee to its shorter periods by time. What stands ready for all of the period keeps its part.
    """
    tenant = books.tenant(place.tenant)
    given = [each for each in grants if each.rolled_from is None]
    weights = [_weight(books, place, each) for each in given]
    if not sum(weights) or not any(each.recognition == "ON_USAGE" for each in given):
        return
    day = tenant.local_day(event.timestamp)
    ends_on = tenant.local_day(given[0].ends_at)
    for fee_id in running:
        fee = books.obligations.get(fee_id)
        if fee is None:
            continue
        books.retell(fee)
        due = _due_part(fee, ends_on)
        handed = 0
        for place_of, (line, weight) in enumerate(zip(given, weights, strict=True)):
            upto = due * sum(weights[: place_of + 1]) // sum(weights)
            part, handed = upto - handed, upto
            if line.recognition != "ON_USAGE" or not part or not weight:
                continue
            o = books.obligations.get(line.grant_id)
            if o is None:
                o = _of_grant(books, place, line.grant_id, event, fee.currency, line.units)
                o.asset, o.scale = line.asset, tenant.scale(line.asset)
                o.product = fee.product
                o.ends_on = tenant.local_day(line.ends_at)
            fee.consideration -= part * fee.minor
            o.consideration += part * fee.minor
            books.retell(o)
            if fee_id not in o.fee_ids:
                o.fee_ids.append(fee_id)
            _move(
                books, place, event, "plan_share", o, part, fee.obligation_id, day, None,
                added=False,
            )  # fmt: skip
        if all(each.recognition == "ON_USAGE" for each in given):
            fee.ratable = False


def _due_part(fee: Obligation, ends_on: date) -> int:
    """Return the minor units of a fee up to a day that were not shared yet. Cumulative."""
    assert fee.ends_on is not None
    shared = (fee.paid_units - fee.consideration) // fee.minor
    whole = fee.paid_units // fee.minor
    if ends_on >= fee.ends_on:
        return whole - shared
    days = ratable.days_of(fee.starts_on, fee.ends_on)
    return whole * max((ends_on - fee.starts_on).days, 0) // days - shared


def _weight(books: Books, place: Place, line: GrantLine) -> int:
    tenant = books.tenant(place.tenant)
    rate = tenant.rate(line.asset, line.starts_at)
    price = units_of(rate.unit_price, _PRICE_SCALE) if rate is not None else 10**_PRICE_SCALE
    weight: int = line.units * price * 10 ** (12 - tenant.scale(line.asset))
    return weight


# Inside


def _begun(
    books: Books,
    place: Place,
    event: ChargeSettled | FeeEvent,
    fee_id: str,
    currency: str,
    day: date,
) -> Obligation:
    """Return the obligation of a fee, without its money yet."""
    fee = _obligation(books, place, fee_id, event.wallet_id, event.customer_id, currency, 1, day)
    fee.asset, fee.ratable = currency, True
    return fee


def _of_grant(
    books: Books,
    place: Place,
    grant_id: str,
    event: FeeEvent | GrantIssued,
    currency: str,
    units: int,
) -> Obligation:
    tenant = books.tenant(place.tenant)
    day = tenant.local_day(event.timestamp)
    o = _obligation(
        books, place, grant_id, event.wallet_id, event.customer_id, currency, units, day
    )
    o.grant_id = grant_id
    return o


def _obligation(
    books: Books,
    place: Place,
    obligation_id: str,
    wallet_id: str,
    customer_id: str,
    currency: str,
    granted: int,
    day: date,
) -> Obligation:
    o = Obligation(
        tenant=place.tenant,
        obligation_id=obligation_id,
        grant_id=None,
        wallet_id=wallet_id,
        customer_id=customer_id,
        asset=currency,
        scale=9,
        source="INCLUDED",
        product=None,
        bundle_id=None,
        ratable=False,
        currency=currency,
        stand_alone=None,
        paid_units=0,
        tax_units=0,
        consideration=0,
        claim="NONE",
        booked=True,
        granted=granted,
        revoked=0,
        burned=0,
        lapsed=0,
        remote_units=-1,
        earned=0,
        breakage=0,
        escheated=0,
        money_back=0,
        ended=False,
        claim_ended=False,
        first_day=day,
        starts_on=day,
        ends_on=day,
        ended_days=0,
        last_service=None,
        fee_ids=[],
    )
    books.obligations[obligation_id] = o
    books.retell(o)
    return o


def _move(
    books: Books,
    place: Place,
    event: Event,
    fact: str,
    into: Obligation,
    minor: int,
    leaves: str | None,
    day: date,
    service: str | None,
    *,
    added: bool = True,
) -> None:
    """Move liability from one obligation into another. added: `into` gains it as consideration."""
    if not minor:
        return
    if added and fact == "plan_fee":
        into.consideration += minor * into.minor
        books.retell(into)
    lines: list[Line] = [("contract_liability", minor), ("contract_liability", -minor)]
    books.post(
        place, event, fact, day, into.currency, lines, service=service, obligation=into,
        from_grant_id=leaves,
    )  # fmt: skip


def _bill(
    books: Books,
    place: Place,
    event: Event,
    fact: str,
    fee: Obligation,
    change: int,
    day: date,
) -> None:
    """Book what is unbilled of a fee, or is no longer."""
    if not change:
        return
    fee.consideration += change * units_per_minor(fee.currency)
    books.retell(fee)
    lines: list[Line] = [("unbilled_receivable", change), ("contract_liability", -change)]
    books.post(place, event, fact, day, fee.currency, lines, obligation=fee)


def _liability_of(lines: list[Line]) -> int:
    """Return the minor units by which an entry lowers the liability."""
    return sum(amount for account, amount in lines if account == "contract_liability")


def _product(event: FeeEvent) -> str | None:
    return None if isinstance(event, SubscriptionCanceled) else event.product_key
