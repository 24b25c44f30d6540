"""A receipt: what was paid for a grant, as a document shows it."""

from __future__ import annotations

from dataclasses import dataclass

from domain.grants.grant import CreditGrant
from domain.invoicing.events import InvoiceLine
from domain.money.asset import Asset
from domain.money.decimals import decimal_of
from domain.money.exact import exact_money, minor_of
from domain.refusals import InvalidInput, InvalidState


@dataclass(frozen=True, slots=True)
class Receipt:
    """Minor units: the line without tax, and the tax."""

    line: InvoiceLine
    net_minor: int
    tax_minor: int


def receipt_of(grant: CreditGrant, asset: Asset, currency: str, *, received: bool) -> Receipt:
    """Return the receipt of a paid grant.

    received: whether the money of a grant on account has come in. Raises, first match wins:
    InvalidState (nothing was paid for it, or not yet), InvalidInput (another currency).
    """
    issued = grant.issued
    paid = issued.paid
    if paid is None or issued.source != "PAID":
        raise InvalidState(
            state=issued.source, reason=f"grant {grant.id} is {issued.source}: nothing was paid"
        )
    if issued.payment is not None and issued.payment.state != "RECEIVED" and not received:
        raise InvalidState(
            state=issued.payment.state,
            reason=f"grant {grant.id} is not paid yet: record its payment first",
            passes_later=True,
        )
    if paid.currency != currency:
        raise InvalidInput(field="currency", reason=f"the grant was paid in {paid.currency}")
    total = minor_of(exact_money(paid.units), currency)
    tax_units = issued.payment.tax_units if issued.payment is not None else 0
    tax_minor = minor_of(exact_money(tax_units), currency)
    net = total - tax_minor
    line = InvoiceLine(
        description=asset.name,
        quantity=decimal_of(issued.amount_units, asset.scale),
        unit_price=None,
        amount_minor=net,
        net_minor=net,
        exact=exact_money(paid.units - tax_units),
        charge_count=0,
        units=0,
        service_period=None,
        cycle=None,
        meter=None,
        asset=asset.key,
        item=None,
    )
    return Receipt(line, net, tax_minor)
