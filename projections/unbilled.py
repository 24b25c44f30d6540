"""Read model `unbilled`: what each customer has not been billed, as a draft shows it.

Tables: overage_items, unbilled_lines, unbilled_cycles, unbilled_ranges, billing_versions,
credit_lines, unbilled_tenants. Events: of charges, grants, fees of subscriptions, invoices and
billing accounts, and of rates and zones; the wallet's never. The rule is domain/invoicing/unbilled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from domain.aggregate import Event
from domain.grants.events import GrantIssued, GrantRepaidOverage
from domain.invoicing.billing import (
    BillingDetailsSet,
    BillingOpened,
    CreditKept,
    CreditUsed,
    DocumentBilled,
    DocumentVoided,
    PaymentTermsSet,
    TaxRateSet,
)
from domain.invoicing.events import InvoiceIssued, InvoiceVoided
from domain.invoicing.unbilled import (
    BillingVersion,
    CreditLine,
    OverageItem,
    Unbilled,
    UnbilledCycle,
    UnbilledLine,
    UnbilledRanges,
    fold,
)
from domain.money.asset import AssetDefined, ExchangeRateSet
from domain.revenue.accounting import FunctionalCurrencySet
from domain.revenue.tenant_books import TenantBooks
from domain.subscriptions.events import FEE_EVENTS
from domain.tenancy.tenant import TenantConfigured, TenantOpened
from domain.usage.events import (
    ChargeCaptured,
    ChargeCorrected,
    ChargeCredited,
    ChargeRefunded,
    ChargeRerated,
    ChargeSettled,
    ChargeWithdrawn,
)
from domain.wallet.events import Part
from projections.database import Connection
from projections.log import Recorded
from projections.read_model import ReadModel
from projections.tables import Table


@dataclass(slots=True)
class TenantRow:
    tenant: str
    state: Any


ITEMS = Table(
    "overage_items",
    OverageItem,
    4,
    "uuid uuid text units uuid text text text text units units",
)
LINES = Table(
    "unbilled_lines",
    UnbilledLine,
    6,
    "uuid uuid text text text text bigint integer units units bigint text json",
)
CYCLES = Table("unbilled_cycles", UnbilledCycle, 4, "uuid uuid text text units units")
RANGES = Table("unbilled_ranges", UnbilledRanges, 4, "uuid uuid text text json")
VERSIONS = Table("billing_versions", BillingVersion, 2, "uuid uuid uuid bigint")
CREDIT_LINES = Table("credit_lines", CreditLine, 2, "uuid uuid uuid")
TENANTS = Table("unbilled_tenants", TenantRow, 1, "uuid json")

_OF_WALLETS: frozenset[type[Event]] = frozenset(
    (
        ChargeSettled,
        ChargeCaptured,
        ChargeRefunded,
        ChargeCredited,
        ChargeWithdrawn,
        ChargeRerated,
        GrantRepaidOverage,
        InvoiceIssued,
        InvoiceVoided,
        *FEE_EVENTS,
    )
)
_OF_BILLING = (
    BillingOpened,
    BillingDetailsSet,
    PaymentTermsSet,
    TaxRateSet,
    DocumentBilled,
    DocumentVoided,
    CreditKept,
    CreditUsed,
)


# The grants that paid, and those to which a charge goes back.
_PARTS_OF: dict[type[Event], Callable[[Any], Sequence[Part]]] = {
    ChargeSettled: attrgetter("allocations"),
    ChargeCaptured: attrgetter("allocations"),
    ChargeRefunded: attrgetter("returned"),
    ChargeCredited: attrgetter("returned"),
    ChargeWithdrawn: lambda event: event.returned + event.allocations,
    ChargeRerated: lambda event: event.returned + event.allocations,
}


def _paid_by_grants(event: Event) -> bool:
    return type(event) is ChargeSettled and event.overage is None


class UnbilledModel(ReadModel[Unbilled]):
    name = "unbilled"
    events: ClassVar[tuple[type[Event], ...]] = (
        TenantOpened,
        TenantConfigured,
        AssetDefined,
        ExchangeRateSet,
        FunctionalCurrencySet,
        ChargeSettled,
        ChargeCaptured,
        ChargeRefunded,
        ChargeCredited,
        ChargeWithdrawn,
        ChargeRerated,
        GrantIssued,
        GrantRepaidOverage,
        InvoiceIssued,
        InvoiceVoided,
        *_OF_BILLING,
        *FEE_EVENTS,
    )
    tables: ClassVar[tuple[Table[Any], ...]] = (
        ITEMS,
        LINES,
        CYCLES,
        RANGES,
        VERSIONS,
        CREDIT_LINES,
        TENANTS,
    )

    def load(self, connection: Connection, batch: Sequence[Recorded]) -> Unbilled:
        state = Unbilled()
        tenants = {(tenant,) for tenant in {tenant for _, tenant, _ in batch}}
        # What grants pay for leaves nothing to bill, unless one of them is a credit line.
        beyond = [each for each in batch if not _paid_by_grants(each[2])]
        billing = {event.originator_id for _, _, event in beyond if type(event) in _OF_BILLING}
        for row in TENANTS.load(connection, self.location, tenants):
            state.books.tenants[row.tenant] = msgspec.convert(row.state, TenantBooks)
        paying = {
            (tenant, grant_id)
            for _, tenant, event in batch
            if (parts := _PARTS_OF.get(type(event))) is not None
            for grant_id, _ in parts(event)
        }
        for grant in CREDIT_LINES.load(connection, self.location, paying):
            state.credit_lines[grant.grant_id] = grant
        drawn = bool(state.credit_lines) or any(type(each) is GrantIssued for _, _, each in beyond)
        wallets = {
            (tenant, event.wallet_id)  # type: ignore[attr-defined]
            for _, tenant, event in (batch if drawn else beyond)
            if type(event) in _OF_WALLETS
        }
        for line in LINES.load(connection, self.location, wallets):
            key = (line.wallet_id, line.currency, line.cycle, line.meter, line.asset)
            state.lines[key] = line
        for cycle in CYCLES.load(connection, self.location, wallets):
            state.cycles[cycle.wallet_id, cycle.currency, cycle.cycle] = cycle
        for claimed in RANGES.load(connection, self.location, wallets):
            claimed.ranges = [(start, end) for start, end in claimed.ranges]
            state.ranges[claimed.wallet_id, claimed.currency, claimed.asset] = claimed
        if billing:
            self._load_versions(connection, state, billing)
        self._load_items(connection, state, beyond)
        return state

    def _load_versions(self, connection: Connection, state: Unbilled, billing: set[str]) -> None:
        found = connection.execute(
            self.location.query(
                "SELECT {columns} FROM {billing_versions} WHERE billing_id = ANY(%s::uuid[])",
                columns=VERSIONS.selected(),
            ),
            (list(billing),),
        )
        for row in found:
            version = VERSIONS.row_of(row)
            state.versions[version.billing_id] = version

    def _load_items(
        self, connection: Connection, state: Unbilled, batch: Sequence[Recorded]
    ) -> None:
        """Load the items that a refund or a repayment cuts; each stretch begins in at most one."""
        cuts: list[tuple[str, str, str, int, int]] = []
        for _, tenant, event in batch:
            ranges: Sequence[tuple[int, int]] = ()
            if isinstance(event, ChargeRefunded | ChargeCredited | ChargeCorrected):
                ranges = event.forgiven
            elif isinstance(event, GrantRepaidOverage):
                ranges = event.ranges
            else:
                continue
            cuts += [(tenant, event.wallet_id, event.asset, *each) for each in ranges]
        if not cuts:
            return
        found = connection.execute(
            self.location.query(
                "SELECT {columns} FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[],"
                " %s::numeric[]) AS cut (of_tenant, of_wallet, of_asset, begins, ends)"
                " CROSS JOIN LATERAL (SELECT * FROM {overage_items}"
                " WHERE tenant = of_tenant AND wallet_id = of_wallet AND asset = of_asset"
                " AND start < ends AND start >= coalesce((SELECT max(start) FROM {overage_items}"
                " WHERE tenant = of_tenant AND wallet_id = of_wallet AND asset = of_asset"
                " AND start <= begins), begins)) items",
                columns=ITEMS.selected(),
            ),
            [list(column) for column in zip(*cuts, strict=True)],
        )
        for row in found:
            state.admit(ITEMS.row_of(row))

    @staticmethod
    def fold(state: Unbilled, batch: Sequence[Recorded]) -> None:
        for position, tenant, event in batch:
            if state.credit_lines or not _paid_by_grants(event):
                fold(state, position, tenant, event)

    def save(self, connection: Connection, state: Unbilled) -> None:
        items = [item for each in state.items.values() for item in each.values()]
        ITEMS.upsert(connection, self.location, items)
        LINES.upsert(connection, self.location, [state.lines[key] for key in sorted(state.lines)])
        CYCLES.upsert(
            connection, self.location, [state.cycles[key] for key in sorted(state.cycles)]
        )
        RANGES.upsert(
            connection, self.location, [state.ranges[key] for key in sorted(state.ranges)]
        )
        VERSIONS.upsert(connection, self.location, list(state.versions.values()))
        CREDIT_LINES.upsert(connection, self.location, list(state.credit_lines.values()))
        rows = [TenantRow(each.tenant, each) for each in state.books.tenants.values()]
        TENANTS.upsert(connection, self.location, rows)
