"""What a wallet's stream tells of subscriptions: all that its next decision needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from domain.subscriptions.allotments import Allotment
from domain.subscriptions.enrolment import Enrolment
from domain.wallet.events import WalletEvent

if TYPE_CHECKING:
    from domain.wallet.wallet import Wallet


@dataclass(frozen=True)
class SubscriptionMoved(WalletEvent):
    """The subscription as it is from now on; allotments: included credits given that
    still count against a second giving, all of them.
    """

    TOPIC: ClassVar[str] = "wallet.subscription_moved"
    enrolment: Enrolment
    allotments: tuple[Allotment, ...]

    def apply(self, aggregate: Wallet) -> None:
        aggregate.enrol(self.enrolment, self.allotments)
