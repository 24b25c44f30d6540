"""The entries of a grant's life: paid, on account, shared, expired, refunded, voided."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.aggregate import Event
from domain.grants.events import (
    GrantExpired,
    GrantIssued,
    GrantRefunded,
    GrantRepaidOverage,
    GrantReturnRevoked,
    GrantTermsExtended,
    GrantVoided,
)
from domain.grants.payment import GrantPaymentReceived
from domain.money.asset import ExchangeRate
from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import units_of
from domain.money.rounding import divide_half_even, part_of
from domain.revenue import bundles, plan_facts
from domain.revenue.books import Books, Place, policy_for
from domain.revenue.journal import Line, merged
from domain.revenue.months import month_of
from domain.revenue.obligation import Claim, Obligation, recognise, withdraw
from domain.revenue.shares import NOTHING, share_of
from domain.revenue.tenant_books import TenantBooks

_MOMENT = timedelta(microseconds=1)
_PRICE_SCALE = 18


def issue(books: Books, place: Place, event: GrantIssued) -> None:
    """Begin the obligation of a grant that was paid for, shares a price or has a value."""
    if event.origin.kind == "ROLLOVER":
        plan_facts.roll(books, place, event)
        return
    tenant = books.tenant(place.tenant)
    rate = None
    if event.origin.reason == "SERVICE_CREDIT":
        rate = tenant.rate(event.asset, event.timestamp)
    o = _begun(tenant, event, rate)
    if o is None:
        return
    books.obligations[o.obligation_id] = o
    books.retell(o)
    if rate is not None:
        o.booked = True
        lines: list[Line] = [
            ("revenue_concessions", o.whole),
            ("contract_liability", -o.whole),
        ]
        _post_today(books, place, event, "service_credit", o, merged(lines))
        return
    if o.claim in ("RECEIVED", "DUE"):
        fee_units = event.payment.fee_units if event.payment is not None else 0
        book(books, place, event, o, fee_units)
    elif o.bundle_id is not None:
        share(books, place, event, o)


def _begun(tenant: TenantBooks, event: GrantIssued, rate: ExchangeRate | None) -> Obligation | None:
    """Return the obligation of a grant; None where its credits have no cost basis."""
    paid_units = tax_units = consideration = 0
    claim: Claim = "NONE"
    currency = tenant.functional_currency
    if event.paid is not None and event.payment is not None:
        paid_units, currency = event.paid.units, event.paid.currency
        tax_units = event.payment.tax_units
        consideration = paid_units - tax_units
        claim = event.payment.state
    elif event.source == "COMMITMENT":
        currency = event.asset
    elif event.origin.kind == "REFUND":
        currency = event.cost_basis.paid.currency if event.cost_basis is not None else currency
    elif event.origin.kind == "OVERAGE" and event.cost_basis is not None:
        currency, consideration = event.cost_basis.paid.currency, event.cost_basis.paid.units
    elif rate is not None:
        currency = rate.currency
        price = units_of(rate.unit_price, _PRICE_SCALE)
        scale = tenant.scale(event.asset) + _PRICE_SCALE - CURRENCY_SCALE
        consideration = divide_half_even(event.amount_units * price, 10**scale)
    elif event.bundle_id is None:
        return None
    first = tenant.local_day(event.timestamp)
    ratable = event.recognition == "RATABLE" and claim != "NONE" and event.expires_at is not None
    return Obligation(
        tenant.tenant,
        event.originator_id,
        event.originator_id,
        event.wallet_id,
        event.customer_id,
        event.asset,
        tenant.scale(event.asset),
        event.source,
        None,
        event.bundle_id,
        ratable,
        currency,
        event.stand_alone.price if event.stand_alone is not None else None,
        paid_units,
        tax_units,
        consideration,
        claim,
        False,
        event.amount_units,
        0,
        0,
        0,
        -1,
        0,
        0,
        0,
        0,
        False,
        False,
        first,
        tenant.local_day(event.effective_at),
        tenant.local_day(event.expires_at) if event.expires_at is not None else None,
        0,
        None,
        [],
    )


def book(books: Books, place: Place, event: Event, o: Obligation, fee_units: int) -> None:
    """Recognise the liability of a sale: against cash, or against the claim."""
    o.booked = True
    o.first_day = books.tenant(place.tenant).local_day(event.timestamp)
    gross, fee = divide_half_even(o.paid_units, o.minor), divide_half_even(fee_units, o.minor)
    net = o.whole
    lines: list[Line] = [("contract_liability", -net), ("tax_payable", net - gross)]
    if o.claim == "DUE":
        lines.insert(0, ("receivable", gross))
    else:
        lines[:0] = [("cash", gross - fee), ("payment_costs", fee)]
    fact = "claim" if o.claim == "DUE" else "payment"
    _post_today(books, place, event, fact, o, merged(lines))
    if o.bundle_id is not None:
        share(books, place, event, o)


def share(books: Books, place: Place, event: Event, joined: Obligation) -> None:
    """Let a purchase share its price over all its grants, and catch up with what burned."""
    tenant = books.tenant(place.tenant)
    assert joined.bundle_id is not None
    members = books.bundle(place.tenant, joined.customer_id, joined.bundle_id)
    paid = [each for each in members if each.source == "PAID" and each.booked]
    if not paid:
        return
    first = paid[0]
    free = []
    for each in members:
        if each.source == "PAID":
            continue
        if each.booked or policy_for(tenant, each, event.timestamp).promotional != "NONE":
            free.append(each)
    if not free:
        return
    sharing = [each for each in paid + free if each.live]
    weights = [_weight(tenant, each, first, event.timestamp) for each in sharing]
    if not sum(weights) or not paid[0].live:
        return
    before = [each.whole for each in sharing]
    shares = bundles.shares_of(sum(before) * first.minor, weights, first.minor)
    for each, units in zip(sharing, shares, strict=True):
        if not each.booked:
            each.currency = first.currency
            each.first_day = tenant.local_day(event.timestamp)
            each.booked = True
        # The share is of what was not revoked; `consideration` is of all that was granted.
        each.consideration = divide_half_even(units * each.granted, each.live)
        books.retell(each)
    _transfer(books, place, event, sharing, before)
    for each in sharing:
        lines = recognise(each, policy_for(tenant, each, event.timestamp))
        _post_today(books, place, event, "usage", each, lines)


def _transfer(
    books: Books, place: Place, event: Event, sharing: list[Obligation], before: list[int]
) -> None:
    """Post what moves between the obligations of a purchase, from those that give to those
    that take, both in their order.
    """
    moved = [each.whole - was for each, was in zip(sharing, before, strict=True)]
    assert not sum(moved)
    left = [max(-change, 0) for change in moved]
    for taker, change in zip(sharing, moved, strict=True):
        wanted = change
        for place_of, giver in enumerate(sharing):
            amount = min(left[place_of], wanted)
            if amount <= 0:
                continue
            wanted -= amount
            left[place_of] -= amount
            # Both lines are of one account: what leaves the giver is the taker's.
            _post_today(
                books, place, event, "bundle_share", taker,
                [("contract_liability", amount), ("contract_liability", -amount)],
                from_grant_id=giver.grant_id,
            )  # fmt: skip


def _weight(tenant: TenantBooks, o: Obligation, purchase: Obligation, at: datetime) -> int:
    """Return an obligation's weight in its purchase. A price once allocated is not allocated
    anew: a bonus keeps the estimate by which it was weighed first (606-10-32-43).
    """
    breakage = NOTHING
    if o.source != "PAID":
        if o.weighed_at is None:
            o.weighed_at = policy_for(tenant, o, at).breakage_estimate
        breakage = share_of(o.weighed_at)
    if o.stand_alone is not None:
        price = units_of(o.stand_alone, _PRICE_SCALE)
    else:
        net = purchase.paid_units - purchase.tax_units
        scale = purchase.scale + _PRICE_SCALE - CURRENCY_SCALE
        price = divide_half_even(net * 10**scale, purchase.granted)
    return bundles.weight(o.live, o.scale, price, breakage)


def payment_received(books: Books, place: Place, event: GrantPaymentReceived) -> None:
    """Money for a grant on account: the claim is settled, or the sale is now certain."""
    o = books.obligations[event.grant_id]
    if not o.booked:
        o.claim = "RECEIVED"
        book(books, place, event, o, event.fee_units)
        # What has lapsed before it was paid for is earned at once.
        earned = recognise(o, policy_for(books.tenant(place.tenant), o, event.timestamp))
        _post_today(books, place, event, "expiry", o, earned)
        return
    o.claim = "RECEIVED"
    gross, fee = divide_half_even(o.paid_units, o.minor), divide_half_even(event.fee_units, o.minor)
    lines: list[Line] = [("cash", gross - fee), ("payment_costs", fee), ("receivable", -gross)]
    _post_today(books, place, event, "settlement", o, merged(lines))


def make_unconditional(books: Books, place: Place, event: Event, o: Obligation) -> None:
    """Burning credits of a CANCELLABLE sale makes its claim unconditional."""
    if not o.booked and o.claim == "CANCELLABLE":
        o.claim = "DUE"
        book(books, place, event, o, 0)


def expire(books: Books, place: Place, event: GrantExpired) -> None:
    """What is left lapsed, dated the day of the last moment at which it could be used."""
    o = books.obligations.get(event.originator_id)
    if o is None:
        return
    o.lapsed += event.units
    if o.ratable:
        return  # its last day ends by itself
    if not event.pinned_units:
        o.ended = True
    tenant = books.tenant(place.tenant)
    last = tenant.local_day(event.due_at - _MOMENT)
    day, service = tenant.entry_day(max(last, o.first_day), event.timestamp)
    lines = recognise(o, tenant.policy(o.asset, o.source, o.product, month_of(last)))
    books.post(place, event, "expiry", day, o.currency, lines, service=service, obligation=o)


def extend(books: Books, place: Place, event: GrantTermsExtended) -> None:
    o = books.obligations.get(event.originator_id)
    if o is not None:
        tenant = books.tenant(place.tenant)
        o.ends_on = tenant.local_day(event.expires_at) if event.expires_at is not None else None
        books.retell(o)


def refund(books: Books, place: Place, event: GrantRefunded) -> None:
    """Money back: the carrying amount of what is revoked, the difference from breakage
    posted so far, then concessions; tax in proportion to the money.
    """
    o = books.obligations.get(event.originator_id)
    if o is None:
        return
    books.retell(o)
    if not o.booked:
        o.revoked += event.units
        return
    tenant = books.tenant(place.tenant)
    money, tax = _money_back(o, event.money_units)
    carrying, breakage = withdraw(o, policy_for(tenant, o, event.timestamp), event.units)
    o.ended = o.ended or (event.ends and not o.ratable)
    lines: list[Line] = [
        ("contract_liability", carrying),
        ("tax_payable", tax),
        *_difference(money - tax - carrying, breakage),
        ("cash" if o.claim == "RECEIVED" else "receivable", -money),
    ]
    _post_today(books, place, event, "grant_refund", o, merged(lines))


def _money_back(o: Obligation, money_units: int) -> tuple[int, int]:
    """Return the money and the tax in it, in minor units, by cumulative rounding."""
    before, o.money_back = o.money_back, o.money_back + money_units
    money = divide_half_even(o.money_back, o.minor) - divide_half_even(before, o.minor)
    if not o.paid_units or not o.tax_units:
        return money, 0
    return money, part_of(o.tax_units, before, o.money_back, o.paid_units * o.minor)


def _difference(amount: int, breakage: int) -> list[Line]:
    """Return where what is paid beyond the carrying amount comes from; or what is kept."""
    if amount <= 0:
        return [("revenue_breakage", amount)]
    taken = min(amount, max(breakage, 0))
    return [("revenue_breakage", taken), ("revenue_concessions", amount - taken)]


def void(books: Books, place: Place, event: GrantVoided) -> None:
    """A sale undone: two facts, what was not used and, where the claim ends, what was."""
    o = books.obligations.get(event.originator_id)
    if o is None:
        return
    o.ended = o.ended or not o.ratable  # its last day ends by itself
    o.claim_ended = not event.keep_claim
    books.retell(o)
    if not o.booked:
        o.revoked += event.units
        return
    undo_unused(books, place, event, o, event.units)
    if o.claim_ended and o.burned:
        undo_used(books, place, event, o, 0, o.burned)


def undo_unused(
    books: Books, place: Place, event: Event, o: Obligation, units: int, fact: str = "void"
) -> None:
    """Reverse a part of a sale that was not used; negative units: take that back."""
    if not units:
        return
    tenant = books.tenant(place.tenant)
    money_units = part_of(o.paid_units, o.revoked, o.revoked + units, o.granted)
    money, tax = _money_back(o, money_units)
    carrying, breakage = withdraw(o, policy_for(tenant, o, event.timestamp), units)
    books.retell(o)
    lines: list[Line] = [
        ("contract_liability", carrying),
        ("tax_payable", tax),
        *_difference(money - tax - carrying, breakage),
        ("cash" if o.claim == "RECEIVED" else "receivable", -money),
    ]
    _post_today(books, place, event, fact, o, merged(lines))


def undo_used(
    books: Books, place: Place, event: Event, o: Obligation, before: int, after: int
) -> None:
    """Give up the claim for what of a voided sale was used, burned units `before` to `after`."""
    money, tax = _money_back(o, part_of(o.paid_units, before, after, o.granted))
    lines: list[Line] = [
        ("revenue_concessions", money - tax),
        ("tax_payable", tax),
        ("cash" if o.claim == "RECEIVED" else "receivable", -money),
    ]
    tenant = books.tenant(place.tenant)
    books.post(
        place, event, "void_after_use", tenant.local_day(event.timestamp), o.currency,
        merged(lines), service=o.last_service, obligation=o,
    )  # fmt: skip


def return_revoked(books: Books, place: Place, event: GrantReturnRevoked) -> None:
    """What a hold gave back to a voided or refunded grant is revoked with it."""
    o = books.obligations.get(event.originator_id)
    if o is None:
        return
    if not o.booked:
        o.revoked += event.units
        books.retell(o)
    elif o.claim_ended:
        undo_unused(books, place, event, o, event.units)
    else:
        # The money stays: nothing is given back for what nobody can use any more.
        o.lapsed += event.units
        tenant = books.tenant(place.tenant)
        lines = recognise(o, policy_for(tenant, o, event.timestamp))
        _post_today(books, place, event, "expiry", o, lines)


def repay(books: Books, place: Place, event: GrantRepaidOverage) -> None:
    """Credits repay overage: the basis of the credits against what it was recognised at."""
    tenant = books.tenant(place.tenant)
    o = books.obligations.get(event.originator_id)
    wallet = books.wallets.get(event.wallet_id)
    taken = []
    if wallet is not None:
        taken = wallet.take(event.asset, event.ranges, tenant.scale(event.asset))
    lines: list[Line] = []
    if o is not None:
        make_unconditional(books, place, event, o)
        o.burned += event.units
        lines = recognise(o, policy_for(tenant, o, event.timestamp))
        o.last_service = tenant.local_day(event.timestamp).isoformat()[:7]
    day = tenant.local_day(event.timestamp)
    others: dict[str, int] = {}
    for currency, cycle, exact in taken:
        assert wallet is not None
        change = wallet.move(currency, cycle, -exact)
        others[currency] = others.get(currency, 0) + change
    if o is not None:
        repaid = others.pop(o.currency, 0)
        lines += [("unbilled_receivable", repaid), ("revenue_usage", -repaid)]
        books.post(place, event, "repayment", day, o.currency, merged(lines), obligation=o)
    for currency, change in others.items():
        # Recognised in another currency, or repaid by credits without a cost basis.
        lines = [("unbilled_receivable", change), ("revenue_usage", -change)]
        books.post(
            place, event, "repayment", day, currency, merged(lines),
            customer_id=wallet.customer_id if wallet is not None else None,
        )  # fmt: skip


def _post_today(
    books: Books,
    place: Place,
    event: Event,
    fact: str,
    o: Obligation,
    lines: list[Line],
    *,
    from_grant_id: str | None = None,
) -> None:
    """Post on the day when the event was recorded, whose month is always open."""
    day = books.tenant(place.tenant).local_day(event.timestamp)
    books.post(
        place, event, fact, day, o.currency, lines, obligation=o, from_grant_id=from_grant_id
    )
