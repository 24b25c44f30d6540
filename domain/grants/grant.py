"""A credit grant: its terms and its life. What of it is left stands in the wallet."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from domain.aggregate import Aggregate
from domain.grants.events import (
    Figures,
    GrantCompensated,
    GrantIssued,
    GrantRefunded,
    GrantReopened,
    GrantSource,
    GrantTermsExtended,
    GrantVoided,
    Recognition,
)
from domain.grants.terms import GrantTerms, ReopenedGrant
from domain.money.rounding import part_of
from domain.refusals import InvalidState

GrantStatus = Literal["PENDING", "ACTIVE", "EXHAUSTED", "EXPIRED", "VOIDED", "REFUNDED"]

DEFAULT_RECOGNITION: dict[GrantSource, Recognition] = {
    "PAID": "ON_USAGE",
    "PROMOTIONAL": "NONE",
    "INCLUDED": "RATABLE",
    "COMMITMENT": "ON_USAGE",
    "ADJUSTMENT": "NONE",
    "COMPENSATION": "ON_USAGE",
}


class CreditGrant(Aggregate):
    """`figures` hold once the grant is dead; while it lives the wallet's are later."""

    TOPIC = "grant"
    issued: GrantIssued
    status: GrantStatus
    expires_at: datetime | None
    lapses_at: datetime | None
    figures: Figures
    money_back_units: int
    credits_back_units: int
    lapsed: bool = False
    claim_kept: bool = False

    @property
    def left_units(self) -> int:
        """What its last figures say is neither burned, expired nor revoked."""
        figures = self.figures
        gone_units = figures.burned_units + figures.expired_units + figures.revoked_units
        return self.issued.amount_units - gone_units

    def live(self, verb: str) -> None:
        """Raise InvalidState unless the grant can still change."""
        state = "EXPIRED" if self.lapsed and self.status == "ACTIVE" else self.status
        if state not in ("PENDING", "ACTIVE"):
            raise InvalidState(
                state=state, reason=f"grant {self.id} is {state}: it cannot be {verb} any more"
            )

    def void(
        self, units: int, keep_claim: bool, figures: Figures, reason: str, at: datetime
    ) -> None:
        """Revoke what is neither burned nor held."""
        self.record(
            GrantVoided(
                self.id, self.version + 1, at, units, keep_claim, figures, {"reason": reason}
            )
        )

    def refund(
        self, units: int, money_units: int, ends: bool, figures: Figures, reason: str, at: datetime
    ) -> None:
        """Give money back for credits."""
        paid = self.issued.paid
        assert paid is not None
        self.record(
            GrantRefunded(
                self.id,
                self.version + 1,
                at,
                units,
                money_units,
                paid.currency,
                ends,
                figures,
                {"reason": reason},
            )
        )

    def extend(
        self, expires_at: datetime | None, lapses_at: datetime | None, reason: str, at: datetime
    ) -> None:
        """Move the end of its life."""
        self.record(
            GrantTermsExtended(
                self.id, self.version + 1, at, expires_at, lapses_at, {"reason": reason}
            )
        )

    def reopen(self, charge_id: str, units: int, at: datetime) -> ReopenedGrant:
        """Take back what a refund gives; answer what its wallet must know of it again."""
        before = self.figures
        figures = Figures(before.burned_units - units, before.expired_units, before.revoked_units)
        self.record(GrantReopened(self.id, self.version + 1, at, charge_id, units, figures))
        return ReopenedGrant(
            terms=self.terms(),
            burned_units=before.burned_units,
            expired_units=before.expired_units,
            revoked_units=before.revoked_units,
            status="ACTIVE" if self.status == "EXPIRED" else self.status,
            stream_version=self.version,
        )

    def compensate(
        self, charge_id: str, units: int, by_grant_id: str, figures: Figures, at: datetime
    ) -> None:
        """Let a COMPENSATION grant take what a refund gives back."""
        self.record(
            GrantCompensated(self.id, self.version + 1, at, units, by_grant_id, charge_id, figures)
        )

    def terms(self) -> GrantTerms:
        issued = self.issued
        return GrantTerms(
            grant_id=self.id,
            asset=issued.asset,
            source=issued.source,
            amount_units=issued.amount_units,
            priority=issued.priority,
            effective_at=issued.effective_at,
            expires_at=self.expires_at,
            lapses_at=self.lapses_at,
            issued_at=issued.timestamp,
            meters=issued.meters,
        )

    def credits_for(self, money_units: int) -> int:
        """Return the credits that `money_units` more of money back stand for.

        granted x money / paid, rounded half-even on the cumulative figure.
        """
        paid = self.issued.paid
        assert paid is not None
        before = self.money_back_units
        return part_of(self.issued.amount_units, before, before + money_units, paid.units)

    def money_for(self, units: int) -> int:
        """Return the money, in units of the currency paid, that `units` more credits cost."""
        paid = self.issued.paid
        assert paid is not None
        before = self.credits_back_units
        return part_of(paid.units, before, before + units, self.issued.amount_units)

    def content(self) -> dict[str, Any]:
        """What the client said, for comparing a repeated command."""
        issued = self.issued
        return {
            "customerId": issued.customer_id,
            "asset": issued.asset,
            "amount": issued.amount_units,
            "source": issued.source,
            "paid": issued.paid,
            "payment": issued.payment.state if issued.payment else None,
            "tax": issued.payment.tax_units if issued.payment else 0,
            "fee": issued.payment.fee_units if issued.payment else 0,
            "standAlonePrice": issued.stand_alone if issued.stand_alone_stated else None,
            "priority": issued.priority,
            "effectiveAt": issued.effective_at if issued.effective_stated else None,
            "expiresAt": issued.expires_at,
            "meters": issued.meters,
            "recognition": issued.recognition,
            "reference": issued.reference,
            "bundleId": issued.bundle_id,
            "metadata": issued.private.get("metadata"),
        }
