"""Which event makes which entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from domain.invoicing.events import (
    InvoiceCredited,
    InvoiceGivenUp,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
)
from domain.money.asset import AssetDefined, ExchangeRate, ExchangeRateSet
from domain.revenue import charge_facts, grant_facts, invoice_facts, plan_facts, time_facts
from domain.revenue.accounting import AccountingPolicySet, FunctionalCurrencySet
from domain.revenue.books import Books, Place
from domain.revenue.period import (
    AccountingDayEnded,
    PeriodCloseFailed,
    PeriodClosing,
    PeriodReopened,
)
from domain.subscriptions.events import (
    CycleStarted,
    FeesAccrued,
    PeriodStarted,
    PlanChanged,
    SubscriptionCanceled,
)
from domain.tenancy.tenant import TenantConfigured, TenantOpened
from domain.usage.events import (
    ChargeCaptured,
    ChargeCredited,
    ChargeRefunded,
    ChargeRerated,
    ChargeSettled,
    ChargeWithdrawn,
)


def _open_tenant(books: Books, place: Place, _: TenantOpened) -> None:
    books.tenant(place.tenant)


def _configure(books: Books, place: Place, event: TenantConfigured) -> None:
    books.tenant(place.tenant).timezone = event.timezone


def _define_asset(books: Books, place: Place, event: AssetDefined) -> None:
    tenant = books.tenant(place.tenant)
    tenant.scales[event.key] = event.scale
    tenant.assets[event.originator_id] = event.key


def _set_rate(books: Books, place: Place, event: ExchangeRateSet) -> None:
    tenant = books.tenant(place.tenant)
    rates = tenant.rates.setdefault(tenant.assets[event.originator_id], [])
    rates.append(ExchangeRate(event.currency, event.unit_price, event.effective_at))


FOLD: dict[type[Event], Callable[[Books, Place, Any], None]] = {
    TenantOpened: _open_tenant,
    TenantConfigured: _configure,
    AssetDefined: _define_asset,
    ExchangeRateSet: _set_rate,
    AccountingPolicySet: time_facts.set_policy,
    FunctionalCurrencySet: time_facts.set_functional_currency,
    AccountingDayEnded: time_facts.end_day,
    PeriodClosing: time_facts.close,
    PeriodCloseFailed: time_facts.stay_open,
    PeriodReopened: time_facts.reopen,
    GrantIssued: grant_facts.issue,
    GrantPaymentReceived: grant_facts.payment_received,
    GrantRepaidOverage: grant_facts.repay,
    GrantExpired: grant_facts.expire,
    GrantTermsExtended: grant_facts.extend,
    GrantVoided: grant_facts.void,
    GrantRefunded: grant_facts.refund,
    GrantReturnRevoked: grant_facts.return_revoked,
    ChargeSettled: charge_facts.settle,
    ChargeCaptured: charge_facts.settle,
    ChargeRefunded: charge_facts.refund,
    CycleStarted: plan_facts.tell,
    PeriodStarted: plan_facts.tell,
    FeesAccrued: plan_facts.tell,
    PlanChanged: plan_facts.tell,
    SubscriptionCanceled: plan_facts.tell,
    ChargeCredited: charge_facts.refund,
    ChargeWithdrawn: charge_facts.correct,
    ChargeRerated: charge_facts.correct,
    InvoiceIssued: invoice_facts.issue,
    InvoicePaid: invoice_facts.pay,
    InvoiceCredited: invoice_facts.credit,
    InvoiceVoided: invoice_facts.void,
    InvoiceGivenUp: invoice_facts.give_up,
}


def fold(books: Books, position: int, tenant: str, event: Event) -> None:
    """Bring the books up to an event of FOLD."""
    place = Place(position, tenant)
    FOLD[type(event)](books, place, event)
    books.keep_terms(place, event)
