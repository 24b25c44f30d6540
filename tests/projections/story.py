"""A story in which every event of wallets and charges happens, in several modes and customers."""

from __future__ import annotations

from datetime import timedelta

from application.commands.accounting_requests import (
    AbandonClose,
    BeginClose,
    CompleteClose,
    EndDays,
    ReopenPeriod,
    SetAccountingPolicy,
)
from application.commands.catalog_requests import DraftProductVersion, PublishProductVersion
from application.commands.requests import (
    AdjustWallet,
    ConfigureTenant,
    ExtendGrant,
    ExtendHold,
    FreezeWallet,
    IssueGrant,
    Money,
    RecordGrantPayment,
    RecordUsage,
    RefundCharge,
    RefundGrant,
    ReleaseHold,
    SetExchangeRate,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    UpdateCustomer,
    VoidGrant,
)
from application.commands.spend_requests import SetBudget, SetBudgetTemplate
from application.commands.stop_requests import TellStop
from application.commands.subscription_requests import (
    CancelSubscription,
    ChangeSubscription,
    PauseSubscription,
    ResumeSubscription,
    SetOverrides,
    Subscribe,
)
from application.commands.top_up_requests import (
    ReportTopUp,
    ResumeAutoTopUp,
    SetAutoTopUp,
    SetBalanceAlert,
)
from domain.calendar.cycles import CyclePeriod
from domain.refusals import InsufficientFunds
from domain.revenue.months import last_day, month_after, month_of, months_from
from tests.plans import flat, included, seat
from tests.projections.documents import tell_documents
from tests.projections.rated import tell_rated
from tests.projections.shop import Shop


def tell(shop: Shop) -> None:
    """Tell it all; the clock ends three months on."""
    burn_down_and_refunds(shop)
    holds_over_ends(shop)
    modes_and_overage(shop)
    dead_grants(shop)
    returns_to_the_dead(shop)
    grace_and_batches(shop)
    settings(shop)
    spend_control(shop)
    watched(shop)
    on_account(shop)
    accounting(shop)
    subscribed(shop)
    tell_rated(shop)
    tell_documents(shop)


def burn_down_and_refunds(shop: Shop) -> None:
    customer = shop.customer()
    soon = shop.clock.at + timedelta(days=10)
    shop.grant(customer, "100", "PAID")
    shop.grant(customer, "30")
    shop.grant(customer, "50", "PAID", expires_at=soon, paid=Money("4", "USD"))
    shop.grant(customer, "20", "PAID", priority=10, meters=("tokens",))
    first = shop.charge(customer, "60", subject="agent:a/run:1", quantity="12.5")
    shop.charge(customer, "60.000001", cost=Money("0.01", "USD"), properties={"model": 'o"p\\us'})
    shop.charge(customer, "0")
    try:
        shop.charge(customer, "5000")
    except InsufficientFunds:
        pass
    else:
        raise AssertionError("a charge beyond the balance settled")
    shop.do(RefundCharge(first, "wrong", "refund-1", "15"))
    shop.do(RefundCharge(first, "wrong", "refund-2"))
    shop.do(AdjustWallet("gift-1", customer, "CREDIT", "7", "GIFT"))
    shop.do(AdjustWallet("fee-1", customer, "CREDIT", "-3", "FEE"))
    shop.wait(days=11)
    shop.run_due_work(customer)


def holds_over_ends(shop: Shop) -> None:
    customer = shop.customer()
    noon = shop.clock.at + timedelta(hours=12)
    grant = shop.grant(customer, "10", expires_at=noon)
    shop.wait(hours=11, minutes=59)
    hold = shop.hold(customer, "6")
    shop.wait(minutes=6)
    shop.capture(hold, "5")
    assert grant

    shop.grant(customer, "100", "PAID")
    hold = shop.hold(customer, "60")
    shop.capture(hold, "20", event_id="part-a", final=False, properties={"model": "haiku"})
    shop.do(ExtendHold(hold, 1800, "70"))
    shop.capture(hold, "30", event_id="part-b")
    released = shop.hold(customer, "5")
    shop.do(ReleaseHold(released))
    lapsed = shop.hold(customer, "8")
    shop.wait(minutes=16)
    shop.capture(lapsed, "3", quantity="4")
    shop.hold(customer, "9")
    shop.wait(hours=1)
    shop.run_due_work(customer)
    shop.hold(customer, "4", ttl_seconds=86_400 * 365)


def modes_and_overage(shop: Shop) -> None:
    customer = shop.customer("SHADOW")
    shop.grant(customer, "10")
    shop.charge(customer, "25")
    shadow = shop.hold(customer, "7")
    shop.do(ExtendHold(shadow, None, "9"))
    shop.capture(shadow, "4", event_id=shop.key("event"), final=False)
    shop.do(SetWalletMode(customer, "HYBRID"))
    shop.capture(shadow, "3")
    another = shop.hold(customer, "30")
    overage = shop.charge(customer, "15.5")
    shop.capture(another, "41")
    shop.do(RefundCharge(overage, "too much", shop.key("refund"), "10"))
    shop.grant(customer, "20", "PAID", meters=("images",))
    shop.grant(customer, "12", "PAID")
    pending = shop.clock.at + timedelta(days=2)
    shop.grant(customer, "500", "PAID", effective_at=pending)
    shop.wait(days=3)
    shop.run_due_work(customer)
    shop.do(RefundCharge(overage, "too much", shop.key("refund")))
    shop.do(SetWalletMode(customer, "CONTROL"), SetOverageLimit(customer, "CREDIT", "15"))
    shop.charge(customer, "480")
    shop.charge(customer, "12", delivered=True)
    shadowy = shop.customer("SHADOW")
    hold = shop.hold(shadowy, "5")
    shop.wait(hours=1)
    shop.run_due_work(shadowy)
    shop.capture(hold, "2")
    shop.do(ReleaseHold(shop.hold(shadowy, "6")))


def dead_grants(shop: Shop) -> None:
    customer = shop.customer()
    voided = shop.grant(customer, "100", "PAID")
    charge = shop.charge(customer, "30")
    first, second = shop.hold(customer, "12"), shop.hold(customer, "8")
    shop.do(VoidGrant(voided, "mistake"))
    shop.capture(first, "5", final=True)
    shop.do(ReleaseHold(second))
    shop.do(RefundCharge(charge, "goodwill", shop.key("refund"), "10", compensate=True))
    refunded = shop.grant(customer, "1000", "PAID", paid=Money("100", "USD"))
    shop.do(RefundGrant(refunded, "asked", money=Money("10", "USD"), idempotency_key="back-1"))
    shop.do(RefundGrant(refunded, "asked", credits="250", idempotency_key="back-2"))
    shop.do(RefundGrant(refunded, "asked", idempotency_key="back-3"))
    later = shop.clock.at + timedelta(days=5)
    waiting = shop.grant(customer, "40", "PAID", effective_at=later)
    shop.do(RefundGrant(waiting, "asked", credits="15", idempotency_key="back-4"))
    gone = shop.grant(customer, "44", "PAID", effective_at=later)
    shop.do(VoidGrant(gone, "mistake"))
    extended = shop.grant(customer, "9", expires_at=shop.clock.at + timedelta(days=1))
    shop.do(ExtendGrant(extended, shop.clock.at + timedelta(days=9), "sorry"))
    shop.wait(days=20)
    shop.run_due_work(customer)


def returns_to_the_dead(shop: Shop) -> None:
    customer = shop.customer()
    short = shop.grant(customer, "10", "PAID", expires_at=shop.clock.at + timedelta(hours=1))
    all_of_it = shop.charge(customer, "6")
    first, second = shop.hold(customer, "1"), shop.hold(customer, "2", ttl_seconds=86_400)
    shop.wait(hours=2)
    shop.run_due_work(customer)
    shop.do(RefundCharge(all_of_it, "late", shop.key("refund"), "1"))
    shop.do(ReleaseHold(second))
    shop.do(RefundCharge(all_of_it, "late", shop.key("refund"), "2"))
    shop.do(RefundCharge(all_of_it, "late", shop.key("refund"), "3", compensate=True))
    assert short
    assert first
    spent = shop.grant(customer, "5", "PAID", expires_at=shop.clock.at + timedelta(hours=1))
    charge = shop.charge(customer, "8")
    shop.do(RefundCharge(charge, "reopened", shop.key("refund"), "4"))
    shop.charge(customer, "4")
    assert spent


def grace_and_batches(shop: Shop) -> None:
    shop.do(ConfigureTenant(settlement_grace_seconds=3600))
    customer = shop.customer()
    ends = shop.clock.at + timedelta(days=1)
    shop.grant(customer, "50", expires_at=ends)
    shop.wait(days=1, minutes=10)
    shop.charge(customer, "5", occurred_at=ends - timedelta(minutes=1))
    shop.wait(hours=2)
    shop.run_due_work(customer)
    shop.do(ConfigureTenant(settlement_grace_seconds=0))
    customers = [shop.customer() for _ in range(5)]
    for each in customers:
        shop.grant(each, "100")
    shop.do(
        *[
            RecordUsage(
                shop.key("event"), each, "tokens", amount=f"0.{part + 1}", asset="CREDIT",
                subject=f"agent:{part % 3}", occurred_at=shop.clock.at - timedelta(hours=part),
            )
            for part in range(9)
            for each in customers
        ]
    )  # fmt: skip


def settings(shop: Shop) -> None:
    customer = shop.customer("HYBRID")
    shop.do(SetOverageLimit(customer, "CREDIT", None))
    shop.do(FreezeWallet(customer, "suspicious"))
    shop.charge(customer, "1", delivered=True)
    shop.do(UnfreezeWallet(customer))
    shop.do(FreezeWallet(customer, "still suspicious"))
    shop.do(UpdateCustomer(customer, "Asia/Tokyo", {"name": "Acme"}))
    shop.do(TellStop("margins", 7, "charge.settled", "KeyError in projections/margins.py:1 _fold"))


def spend_control(shop: Shop) -> None:
    customer = shop.customer()
    shop.grant(customer, "50")
    shop.do(SetBudgetTemplate("agent:*", "CREDIT", "9", "DAY"))
    shop.charge(customer, "2", subject="agent:a")


def watched(shop: Shop) -> None:
    """An alert, a budget, and top-ups that settle, are declined, time out and settle late."""
    customer = shop.customer("HYBRID")
    ends = shop.clock.at + timedelta(days=20)
    shop.grant(customer, "50", "PAID", expires_at=ends)
    shop.do(SetBudget(customer, "bot", "CREDIT", "9", "TOTAL"))
    shop.do(SetBalanceAlert(customer, "CREDIT", "40"))
    price = Money("1", "USD")
    shop.do(SetAutoTopUp(customer, "CREDIT", "45", "10", price=price, max_per_day=9))
    for outcome in ("SETTLED", "ACTION_REQUIRED", None, "DECLINED", "DECLINED", "DECLINED"):
        shop.charge(customer, "9", subject="bot/1")
        asked = shop.watch(customer).request_id
        assert asked is not None
        if outcome is not None:
            shop.do(ReportTopUp(asked, outcome))
        shop.wait(hours=1)
        shop.run_due_work(customer)
        if outcome is None:
            shop.do(ReportTopUp(asked, "SETTLED", reference="late"))
    assert shop.watch(customer).suspended
    shop.do(ResumeAutoTopUp(customer, "CREDIT"), SetAutoTopUp(customer, "CREDIT", None))
    shop.charge(customer, "20")
    shop.wait(days=18)
    shop.run_due_work(customer)


def on_account(shop: Shop) -> None:
    """A grant that is paid for later, of an asset with a price."""
    customer = shop.customer()
    shop.do(SetExchangeRate("CREDIT", "USD", "0.01"))
    grant = shop.grant(customer, "50", "PAID", payment="DUE")
    shop.do(RecordGrantPayment(grant, "wire-grant"))


def subscribed(shop: Shop) -> None:
    """Plans whose credits roll over, changed, paused and ended; fees from wallet and by invoice."""
    rolling = included("100", rollover=True, rollover_limit="50")
    shop.do(
        DraftProductVersion("basic", (flat("20"), seat("3", in_advance=False)), includes=(rolling,))
    )
    shop.do(DraftProductVersion("pro", (flat("50"),), includes=(included("1000"),)))
    shop.do(
        DraftProductVersion(
            "yearly", (flat("365"),), includes=(included("9", period=CyclePeriod.MONTH),),
            period=CyclePeriod.YEAR,
        )
    )  # fmt: skip
    shop.do(PublishProductVersion("basic", 1))
    shop.do(PublishProductVersion("yearly", 1))
    shop.do(PublishProductVersion("pro", 1))
    customer, by_invoice = shop.customer("HYBRID"), shop.customer()
    shop.do(IssueGrant(shop.key("grant"), customer, "USD", "30", "PROMOTIONAL"))
    first = shop.do(Subscribe("story", customer, "basic", quantity=2)).subscription_id
    shop.do(Subscribe("invoiced", by_invoice, "basic", collection="INVOICE"))
    shop.do(Subscribe("yearly", by_invoice, "yearly", collection="INVOICE"))
    shop.charge(customer, "30")
    shop.wait(days=40)
    shop.run_due_work(customer)
    shop.run_due_work(by_invoice)
    shop.do(ChangeSubscription(first, "basic", quantity=5))
    shop.do(SetOverrides(first, (flat("15"),)))
    shop.do(ChangeSubscription(first, "pro", includes="CARRY"))
    shop.charge(customer, "30")
    shop.do(PauseSubscription(first))
    shop.wait(days=3)
    shop.do(ResumeSubscription(first))
    shop.do(ChangeSubscription(first, "basic", at_cycle_end=True))
    shop.wait(days=40)
    shop.run_due_work(customer)
    shop.do(CancelSubscription(first))
    shop.wait(days=40)
    shop.run_due_work(customer)
    again = shop.do(Subscribe("again", customer, "pro")).subscription_id
    shop.wait(days=1)
    shop.do(CancelSubscription(again, at_cycle_end=False))


def accounting(shop: Shop) -> None:
    """Policies, days that end, months that close and open again."""
    customer = shop.customer()
    begun = shop.clock.at
    shop.grant(customer, "62", "PAID", recognition="RATABLE", expires_at=begun + timedelta(days=62))
    shop.grant(customer, "100", "PAID")
    shop.charge(customer, "30")
    month = month_of(begun.date())
    shop.do(
        SetAccountingPolicy(
            month_after(month),
            breakage_method="PROPORTIONAL",
            breakage_estimate="0.2",
            escheat_share="0.1",
            evidence="seen",
        )
    )
    now = shop.wait(days=70)
    for each in months_from("2026-01", month_of(now.date())):
        shop.do(EndDays(min(last_day(each), now.date() - timedelta(days=1))))
    for each in months_from("2026-01", month):
        shop.do(BeginClose(each, ("5", "USD")))
        shop.do(CompleteClose(each, 1, "0" * 64, ()))
    shop.do(ReopenPeriod(month, "late"))
    shop.do(BeginClose(month))
    shop.do(AbandonClose(month, ()))
    shop.wait(days=1)
    shop.do(EndDays(shop.clock.at.date() - timedelta(days=1)))
