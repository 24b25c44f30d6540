"""Every event class of the ledger, by the topic under which the log keeps it."""

from __future__ import annotations

from domain.aggregate import Event
from domain.catalog import events as catalog
from domain.claims import Claimed
from domain.customers.customer import CustomerCreated, CustomerUpdated
from domain.grants import events as grants
from domain.grants.bundle import GrantBundled
from domain.grants.payment import GrantPaymentReceived
from domain.invoicing import billing
from domain.invoicing import events as invoices
from domain.invoicing.numbers import NumberTaken
from domain.invoicing.seller import SellerSet
from domain.money.asset import AssetDefined, ExchangeRateSet
from domain.revenue import accounting, period
from domain.subscriptions import events as subscriptions
from domain.subscriptions.wallet_events import SubscriptionMoved
from domain.tenancy.stops import ReadModelStopped
from domain.tenancy.tenant import (
    BudgetTemplateRemoved,
    BudgetTemplateSet,
    ClockAdvanced,
    TenantConfigured,
    TenantOpened,
)
from domain.usage import events as usage
from domain.wallet import derived_budgets, spend_events, top_up, watch_events
from domain.wallet import events as wallet

EVENT_CLASSES: tuple[type[Event], ...] = (
    TenantOpened,
    TenantConfigured,
    ClockAdvanced,
    BudgetTemplateSet,
    BudgetTemplateRemoved,
    ReadModelStopped,
    AssetDefined,
    ExchangeRateSet,
    CustomerCreated,
    CustomerUpdated,
    Claimed,
    catalog.MeterDefined,
    catalog.VersionDrafted,
    catalog.VersionPublished,
    catalog.DefaultProductSet,
    catalog.CostTableSet,
    wallet.WalletOpened,
    wallet.AccountOpened,
    wallet.GrantCredited,
    wallet.GrantBecameEffective,
    wallet.GrantExtended,
    wallet.GrantExpiring,
    wallet.GrantLapsed,
    wallet.GrantRevoked,
    wallet.UsageDebited,
    wallet.UsageObserved,
    wallet.HoldPlaced,
    wallet.HoldExtended,
    wallet.HoldCaptured,
    wallet.HoldReleased,
    wallet.HoldLapsed,
    wallet.ChargeReversed,
    wallet.OverageSettled,
    wallet.OverageInvoiced,
    wallet.OverageUninvoiced,
    wallet.OveragePaid,
    wallet.LimitSet,
    wallet.ModeChanged,
    wallet.TimezoneSet,
    SubscriptionMoved,
    wallet.WalletFrozen,
    wallet.WalletUnfrozen,
    spend_events.BudgetSet,
    spend_events.BudgetRemoved,
    spend_events.BudgetWindowOpened,
    spend_events.EventMaximumSet,
    spend_events.ThresholdCrossed,
    watch_events.AlertSet,
    watch_events.AutoTopUpSet,
    watch_events.AutoTopUpResumed,
    watch_events.TopUpRequested,
    watch_events.TopUpWaitEnded,
    watch_events.TopUpReported,
    top_up.TopUpOpened,
    top_up.TopUpTimedOut,
    top_up.TopUpTold,
    derived_budgets.BudgetOpened,
    derived_budgets.BudgetCounted,
    grants.GrantIssued,
    grants.GrantRepaidOverage,
    grants.GrantActivated,
    grants.GrantExhausted,
    grants.GrantReopened,
    grants.GrantExpired,
    grants.GrantTermsExtended,
    grants.GrantVoided,
    grants.GrantRefunded,
    grants.GrantReturnRevoked,
    grants.GrantCompensated,
    GrantPaymentReceived,
    GrantBundled,
    accounting.AccountingPolicySet,
    accounting.FunctionalCurrencySet,
    accounting.AccountMapped,
    period.AccountingDayEnded,
    period.PeriodClosing,
    period.PeriodClosed,
    period.PeriodCloseFailed,
    period.PeriodReopened,
    grants.GrantPlanRevoked,
    grants.GrantRolledOver,
    subscriptions.SubscriptionCreated,
    subscriptions.CycleStarted,
    subscriptions.PeriodStarted,
    subscriptions.FeesAccrued,
    subscriptions.PlanChanged,
    subscriptions.ChangeScheduled,
    subscriptions.OverridesSet,
    subscriptions.SubscriptionPaused,
    subscriptions.SubscriptionResumed,
    subscriptions.CancellationScheduled,
    subscriptions.SubscriptionCanceled,
    subscriptions.SubscriptionEnded,
    usage.ChargeSettled,
    usage.ChargeObserved,
    usage.ChargeAuthorized,
    usage.AuthorizationExtended,
    usage.AuthorizationDrawn,
    usage.ChargeCaptured,
    usage.AuthorizationReleased,
    usage.ChargeRefunded,
    usage.HoldOpened,
    SellerSet,
    billing.BillingOpened,
    billing.BillingDetailsSet,
    billing.PaymentTermsSet,
    billing.TaxRateSet,
    billing.DocumentBilled,
    billing.DocumentVoided,
    billing.CreditKept,
    billing.CreditUsed,
    NumberTaken,
    invoices.InvoiceIssued,
    invoices.InvoicePaid,
    invoices.InvoiceCredited,
    invoices.InvoiceCreditMoved,
    invoices.InvoiceVoided,
    invoices.InvoiceGivenUp,
    invoices.CreditNoteIssued,
)

BY_TOPIC: dict[str, type[Event]] = {cls.__dict__["TOPIC"]: cls for cls in EVENT_CLASSES}
