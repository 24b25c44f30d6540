"""A payment provider that charges nothing, for sandboxes.

What it says depends on the customer's metadata alone, `{"testCard": "declines"}`:

approves       SETTLED at once; so is a customer without a test card
declines       DECLINED at once
needs-action   ACTION_REQUIRED at once; whoever acts reports the rest
fails          FAILED at once: an outage
times-out      nothing
tells-twice    SETTLED, two times
tells-late     SETTLED two hours after the request
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from application.commands.requests import Money
from application.payments import PaymentReport, PaymentRequest
from domain.money.currencies import CURRENCY_SCALE
from domain.money.decimals import decimal_of

LATE_BY = timedelta(hours=2)
CARDS = (
    "approves",
    "declines",
    "needs-action",
    "fails",
    "times-out",
    "tells-twice",
    "tells-late",
)


class FakePayments:
    """Remembers nothing: the same request is answered the same by any process, any time."""

    def reports(self, request: PaymentRequest, now: datetime) -> Sequence[PaymentReport]:
        card = request.metadata.get("testCard", "approves")
        if card == "declines":
            return [PaymentReport("DECLINED", reason="the test card declines")]
        if card == "needs-action":
            return [PaymentReport("ACTION_REQUIRED", reason="the test card asks its owner")]
        if card == "fails":
            return [PaymentReport("FAILED", reason="the test card's bank is out of order")]
        if card == "times-out" or (card == "tells-late" and now < request.requested_at + LATE_BY):
            return []
        settled = PaymentReport("SETTLED", _paid(request), f"fake_{request.request_id}")
        return [settled, settled] if card == "tells-twice" else [settled]


def _paid(request: PaymentRequest) -> Money:
    price = request.price
    if price is None:  # nothing says what it costs: it is given away
        return Money("0", "USD")
    return Money(decimal_of(price.units, CURRENCY_SCALE), price.currency)
