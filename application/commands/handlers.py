"""Which function decides which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from application.commands import (
    accounting,
    accounting_requests,
    adjustments,
    assets,
    billing,
    budgets,
    catalog,
    catalog_requests,
    cost_requests,
    costs,
    customers,
    grant_payments,
    grants,
    holds,
    invoice_requests,
    invoices,
    periods,
    refunds,
    requests,
    reratings,
    spend_requests,
    stop_requests,
    subscriptions,
    tenancy,
    top_up_requests,
    top_ups,
    trials,
    usage,
    withdrawals,
)
from application.commands import subscription_requests as plans
from application.commands.answers import Answer
from application.work import Work
from domain import identity

HANDLERS: dict[type, Callable[[Work, Any], Answer]] = {
    requests.DefineAsset: assets.define_asset,
    requests.SetExchangeRate: assets.set_exchange_rate,
    requests.CreateCustomer: customers.create_customer,
    requests.UpdateCustomer: customers.update_customer,
    requests.SetWalletMode: customers.set_wallet_mode,
    requests.SetOverageLimit: customers.set_overage_limit,
    requests.FreezeWallet: customers.freeze_wallet,
    requests.UnfreezeWallet: customers.unfreeze_wallet,
    requests.RunDueWork: customers.run_due_work,
    requests.IssueGrant: grants.issue_grant,
    requests.RecordGrantPayment: grant_payments.record_grant_payment,
    requests.VoidGrant: grants.void_grant,
    requests.RefundGrant: grants.refund_grant,
    requests.ExtendGrant: grants.extend_grant,
    plans.Subscribe: subscriptions.subscribe,
    plans.ChangeSubscription: subscriptions.change_subscription,
    plans.SetOverrides: subscriptions.set_overrides,
    plans.PauseSubscription: subscriptions.pause_subscription,
    plans.ResumeSubscription: subscriptions.resume_subscription,
    plans.CancelSubscription: subscriptions.cancel_subscription,
    stop_requests.TellStop: tenancy.tell_stop,
    requests.AdjustWallet: adjustments.adjust_wallet,
    requests.RecordUsage: usage.record_usage,
    requests.SimulateUsage: trials.simulate_usage,
    requests.AuthorizeUsage: holds.authorize_usage,
    requests.CaptureUsage: holds.capture_usage,
    requests.ExtendHold: holds.extend_hold,
    requests.ReleaseHold: holds.release_hold,
    requests.RefundCharge: refunds.refund_charge,
    requests.WithdrawCharge: withdrawals.withdraw_charge,
    requests.RerateWallet: reratings.rerate_wallet,
    invoice_requests.SetSeller: billing.set_seller,
    invoice_requests.SetBillingDetails: billing.set_billing_details,
    invoice_requests.SetPaymentTerms: billing.set_payment_terms,
    invoice_requests.SetTaxRate: billing.set_tax_rate,
    invoice_requests.IssueInvoice: invoices.issue_invoice,
    invoice_requests.IssueReceipt: invoices.issue_receipt,
    invoice_requests.IssueStatement: invoices.issue_statement,
    invoice_requests.RecordPayment: invoices.record_payment,
    invoice_requests.VoidInvoice: invoices.void_invoice,
    invoice_requests.MarkUncollectible: invoices.mark_uncollectible,
    invoice_requests.IssueCreditNote: invoices.issue_credit_note,
    accounting_requests.SetAccountingPolicy: accounting.set_accounting_policy,
    accounting_requests.MapAccount: accounting.map_account,
    accounting_requests.SetFxRate: accounting.set_fx_rate,
    accounting_requests.EndDays: periods.end_days,
    accounting_requests.BeginClose: periods.begin_close,
    accounting_requests.CompleteClose: periods.complete_close,
    accounting_requests.AbandonClose: periods.abandon_close,
    accounting_requests.ReopenPeriod: periods.reopen_period,
    requests.AdvanceClock: tenancy.advance_clock,
    requests.ConfigureTenant: tenancy.configure_tenant,
    spend_requests.SetBudget: budgets.set_budget,
    spend_requests.RemoveBudget: budgets.remove_budget,
    spend_requests.SetBudgetTemplate: budgets.set_budget_template,
    spend_requests.RemoveBudgetTemplate: budgets.remove_budget_template,
    spend_requests.SetEventMaximum: budgets.set_event_maximum,
    catalog_requests.DefineMeter: catalog.define_meter,
    catalog_requests.DraftProductVersion: catalog.draft_product_version,
    catalog_requests.PublishProductVersion: catalog.publish_product_version,
    catalog_requests.SetDefaultProduct: catalog.set_default_product,
    top_up_requests.SetBalanceAlert: top_ups.set_balance_alert,
    top_up_requests.SetAutoTopUp: top_ups.set_auto_top_up,
    top_up_requests.ResumeAutoTopUp: top_ups.resume_auto_top_up,
    top_up_requests.ReportTopUp: top_ups.report_top_up,
    cost_requests.SetCostTable: costs.set_cost_table,
}


def decide(work: Work, command: requests.Command) -> Answer:
    """Decide a command, and what the balances that it leaves call for. Raises its refusal."""
    work.watched.clear()
    answer = HANDLERS[type(command)](work, command)
    if work.watched:
        work.look()
    return answer


def own_stream(tenant_id: str, command: requests.Command) -> str | None:
    """Return the stream that a command would begin and decides upon without a look-up."""
    if isinstance(command, requests.RecordUsage | requests.AuthorizeUsage):
        return identity.charge_id(tenant_id, command.source, command.event_id)
    if isinstance(command, top_up_requests.ReportTopUp) and command.reference is not None:
        return grants.payment_claim_id(tenant_id, command.reference)
    return None
