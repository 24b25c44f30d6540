"""Paying for top-ups: the port that a payment provider's adapter fills, and who drives it.

The ledger states requests and takes reports; it charges no card. An adapter may as well stand
outside and call `reportTopUp`: what is here is for one that lives in the ledger's process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from application.caller import Caller
from application.commands.requests import Money
from application.commands.top_up_requests import ReportTopUp
from application.ledger import Ledger
from application.reading import Reader
from domain.grants.events import Paid
from domain.wallet.watches import TopUpOutcome

HEARD_OF_FOR = timedelta(days=1)
REQUESTS_AT_ONCE = 1_000

Unsettled = Callable[[str, datetime, int], Sequence[str]]
"""(tenant, since, limit) -> ids of requests since then of which something may be heard yet."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """price: what to charge; None if nothing says. metadata: the customer's."""

    request_id: str
    customer: str
    metadata: Mapping[str, Any]
    asset: str
    price: Paid | None
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """As `reportTopUp` takes it."""

    outcome: TopUpOutcome
    paid: Money | None = None
    reference: str | None = None
    reason: str | None = None


class PaymentProvider(Protocol):
    """Charges customers for top-ups."""

    def reports(self, request: PaymentRequest, now: datetime) -> Sequence[PaymentReport]:
        """Charge for a request, once however often it is asked, and return all that is known
        of it by `now`, in the order it became known.
        """
        ...


class Payments:
    """Tells the ledger what a provider says of its requests. Safe to run twice: a report that
    is told again changes nothing.
    """

    def __init__(
        self, ledger: Ledger, reader: Reader, provider: PaymentProvider, unsettled: Unsettled
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._provider = provider
        self._unsettled = unsettled

    def run_once(self, tenant_id: str) -> int:
        """Report what is known by now of all that is not settled; return how many reports."""
        now = self._reader.now(tenant_id)
        ids = self._unsettled(tenant_id, now - HEARD_OF_FOR, REQUESTS_AT_ONCE)
        return self.report(tenant_id, ids, now)

    def report(self, tenant_id: str, ids: Sequence[str], now: datetime | None = None) -> int:
        """Report what is known of these requests. now: None for when each was made.

        Raises what the ledger fails with.
        """
        if not ids:
            return 0
        top_ups = self._reader.top_ups(tenant_id, ids)
        customers = self._reader.customers(
            tenant_id, [each.opened.customer_id for each in top_ups.values()]
        )
        commands: list[ReportTopUp] = []
        for top_up in top_ups.values():
            opened = top_up.opened
            customer = customers[opened.customer_id]
            request = PaymentRequest(
                top_up.id,
                customer.external_id,
                customer.private.get("metadata") or {},
                opened.asset,
                opened.price,
                top_up.requested_at,
            )
            commands += [
                ReportTopUp(top_up.id, each.outcome, each.paid, each.reference, each.reason)
                for each in self._provider.reports(request, now or top_up.requested_at)
                if each.outcome != top_up.outcome
            ]
        outcomes = self._ledger.execute(Caller(tenant_id, "payments", ""), commands)
        for command, outcome in zip(commands, outcomes, strict=True):
            if outcome.error is not None:
                raise outcome.error
            if outcome.refusal is not None:
                logger.warning(
                    "report of a top-up refused",
                    top_up=command.request_id,
                    outcome=command.outcome,
                    code=outcome.refusal.code,
                )
        return len(commands)
