"""What a command answers when it is not refused. Nothing is mutated afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from application.budgets import BudgetFigures
from domain.catalog.catalog import ListedProduct
from domain.costs.tables import CostVersion
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.invoice import Invoice
from domain.invoicing.parties import Party
from domain.metering.meter import Meter
from domain.refusals import Refusal
from domain.usage.charge import UsageCharge
from domain.usage.events import ChargeBegun
from domain.wallet.derived_budgets import BudgetTemplate


class ChargeAnswer:
    """A charge, or the event that began it: most of those who ask want no more than that says."""

    __slots__ = ("replayed", "told")

    def __init__(self, told: UsageCharge | ChargeBegun, *, replayed: bool = False) -> None:
        self.told = told
        self.replayed = replayed

    @property
    def charge(self) -> UsageCharge:
        told = self.told
        return told if isinstance(told, UsageCharge) else UsageCharge.begin(told)

    @property
    def charge_id(self) -> str:
        told = self.told
        return told.id if isinstance(told, UsageCharge) else told.originator_id


@dataclass(frozen=True, slots=True)
class RerateAnswer:
    """charges: how many change. Units of `asset` of all that were asked for, or change; None
    where there are none.
    """

    charges: int
    before_units: int
    after_units: int
    asset: str | None
    scale: int


@dataclass(frozen=True, slots=True)
class HoldAnswer:
    """`charge` carries the authorisation."""

    charge: UsageCharge
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class GrantAnswer:
    grant_id: str
    customer_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class WalletAnswer:
    wallet_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class CustomerAnswer:
    customer_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AssetAnswer:
    key: str


@dataclass(frozen=True, slots=True)
class AdjustmentAnswer:
    """Units of `asset`, signed; a credit has a grant, a debit a charge."""

    customer_id: str
    asset: str
    amount_units: int
    balance_after_units: int
    grant_id: str | None
    charge_id: str | None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    now: datetime


@dataclass(frozen=True, slots=True)
class InvoiceAnswer:
    invoice: Invoice
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class CreditNoteAnswer:
    credit_note: CreditNote
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class SellerAnswer:
    party: Party


@dataclass(frozen=True, slots=True)
class PeriodAnswer:
    """month: "2026-01"."""

    month: str


@dataclass(frozen=True, slots=True)
class AccountMappingsAnswer:
    """(code, name) by the keys that the tenant has mapped."""

    mapping: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class BudgetAnswer:
    figures: BudgetFigures
    scale: int


@dataclass(frozen=True, slots=True)
class BudgetTemplateAnswer:
    template: BudgetTemplate
    scale: int


@dataclass(frozen=True, slots=True)
class SubscriptionAnswer:
    subscription_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class DueWorkAnswer:
    """requests: for top-ups that nobody has answered yet. done: all was written; else it
    paused at one of them.
    """

    wallet_id: str
    requests: tuple[str, ...]
    done: bool


@dataclass(frozen=True, slots=True)
class TopUpAnswer:
    request_id: str


@dataclass(frozen=True, slots=True)
class MeterAnswer:
    meter: Meter


@dataclass(frozen=True, slots=True)
class CostTableAnswer:
    version: CostVersion


@dataclass(frozen=True, slots=True)
class ProductAnswer:
    product: ListedProduct


@dataclass(frozen=True, slots=True)
class SimulationAnswer:
    """What each event would have been answered, in order."""

    results: tuple[ChargeAnswer | Refusal, ...]


WholeAnswer = (
    AccountMappingsAnswer
    | InvoiceAnswer
    | CreditNoteAnswer
    | SellerAnswer
    | BudgetAnswer
    | BudgetTemplateAnswer
    | MeterAnswer
    | ProductAnswer
    | CostTableAnswer
)

Answer = (
    ChargeAnswer
    | HoldAnswer
    | RerateAnswer
    | GrantAnswer
    | WalletAnswer
    | CustomerAnswer
    | AssetAnswer
    | PeriodAnswer
    | AdjustmentAnswer
    | ClockAnswer
    | SubscriptionAnswer
    | TopUpAnswer
    | DueWorkAnswer
    | SimulationAnswer
    | WholeAnswer
)
