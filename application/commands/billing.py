"""How a tenant and its customers appear on documents, and when and with what tax they pay."""

from __future__ import annotations

from application.commands.answers import CustomerAnswer, SellerAnswer, WalletAnswer
from application.commands.invoice_requests import (
    PartyDetails,
    SetBillingDetails,
    SetPaymentTerms,
    SetSeller,
    SetTaxRate,
)
from application.commands.invoices import billing_account
from application.work import Work
from domain.aggregate import create
from domain.invoicing.parties import Party
from domain.invoicing.seller import Seller, SellerSet, seller_id
from domain.invoicing.tax import TaxRate
from domain.money.decimals import canonical


def set_seller(work: Work, command: SetSeller) -> SellerAnswer:
    party = _party(command.party)
    stream_id = seller_id(work.tenant_id)
    seller = work.stream(Seller, stream_id)
    if seller is None:
        create(Seller, SellerSet(stream_id, 1, work.now, party), work.log)
    else:
        seller.change(party, max(work.now, seller.recorded_at))
    return SellerAnswer(party)


def set_billing_details(work: Work, command: SetBillingDetails) -> CustomerAnswer:
    """Raises NotFound."""
    wallet = work.wallet(command.customer)
    account = billing_account(work, wallet.customer_id)
    account.set_party(_party(command.party), max(work.now, account.recorded_at))
    return CustomerAnswer(wallet.customer_id)


def set_payment_terms(work: Work, command: SetPaymentTerms) -> WalletAnswer:
    """Raises NotFound."""
    wallet = work.wallet(command.customer)
    account = billing_account(work, wallet.customer_id)
    account.set_terms(command.days, max(work.now, account.recorded_at))
    return WalletAnswer(wallet.id, wallet.customer_id)


def set_tax_rate(work: Work, command: SetTaxRate) -> WalletAnswer:
    """Raises NotFound."""
    wallet = work.wallet(command.customer)
    account = billing_account(work, wallet.customer_id)
    tax = TaxRate(command.name, canonical(command.rate), command.inclusive)
    account.set_tax(tax, max(work.now, account.recorded_at))
    return WalletAnswer(wallet.id, wallet.customer_id)


def _party(details: PartyDetails) -> Party:
    return Party(details.name, details.address, details.country, details.tax_id)
