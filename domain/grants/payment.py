"""The payment of a grant on account: a stream with one event, so that it comes in once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domain.aggregate import Aggregate, Event


@dataclass(frozen=True)
class GrantPaymentReceived(Event):
    """The money of a DUE or CANCELLABLE grant came in; the processor kept `fee_units` of it,
    in units of the currency paid.
    """

    TOPIC: ClassVar[str] = "grant_payment.received"
    grant_id: str
    reference: str
    fee_units: int

    def apply(self, aggregate: GrantPaymentRecord) -> None:
        aggregate.grant_id = self.grant_id
        aggregate.reference = self.reference
        aggregate.fee_units = self.fee_units


class GrantPaymentRecord(Aggregate):
    TOPIC = "grant_payment"
    grant_id: str
    reference: str
    fee_units: int
