"""One command's view of its batch: its tenant, what it names, what falls due first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from application.batch import Batch, totals_of
from application.caller import Caller
from domain import identity
from domain.aggregate import Aggregate, Event
from domain.catalog.catalog import Catalog
from domain.money.asset import Asset, CustomAsset
from domain.money.exchange import Quote, quote
from domain.refusals import NotFound
from domain.tenancy.tenant import FUTURE_SECONDS, Tenant
from domain.wallet import spend_control
from domain.wallet.derived_budgets import DerivedBudget
from domain.wallet.events import OverageSettled
from domain.wallet.totals import Totals
from domain.wallet.wallet import Wallet

A = TypeVar("A", bound=Aggregate)


class Work:
    """A batch, as the commands of one caller see it, one after the other. What they share is
    asked of the batch once.
    """

    def __init__(self, batch: Batch, caller: Caller) -> None:
        self.batch = batch
        self.caller = caller
        self.tenant_id = caller.tenant_id
        self.log = batch.decided
        self.watched: list[tuple[Wallet, dict[str, int]]] = []

    @cached_property
    def tenant(self) -> Tenant:
        return self.batch.tenant(self.tenant_id)

    @cached_property
    def now(self) -> datetime:
        return self.batch.now(self.tenant_id)

    @cached_property
    def catalog(self) -> Catalog:
        return self.batch.catalog(self.tenant_id)

    def overtake_tenant(self, tenant: Tenant) -> None:
        """Decide from now on with the tenant as this batch has changed it."""
        self.batch.overtake_tenant(tenant)
        self.tenant = tenant
        self.now = self.batch.now(self.tenant_id)

    def asset(self, key: str) -> Asset:
        """Raises NotFound."""

        asset = self.batch.assets.known(self.tenant_id, key)
        if asset is None:
            asset_id = identity.asset_id(self.tenant_id, key)
            custom = self.stream(CustomAsset, asset_id)
            if custom is not None and self.batch.wrote(asset_id):
                return custom.asset  # not known for good before it is committed
            asset = self.batch.assets.learn(self.tenant_id, key, custom)
        if asset is None:
            raise NotFound(what="asset", key=key)
        return asset

    def customer_id(self, reference: str) -> str:
        """Return the id of a customer named by id or as "ext:" and the tenant's own id."""
        return identity.customer_named(self.tenant_id, reference)

    def wallet(self, customer: str) -> Wallet:
        """Return a customer's wallet with everything fallen due. Raises NotFound."""
        wallet_id = identity.wallet_named(self.tenant_id, customer)
        wallet = self.batch.wallet(self.tenant_id, wallet_id)
        if wallet is None:
            raise NotFound(what="customer", key=customer)
        if wallet.due:
            self._fall_due(wallet)
        if wallet.watches:
            self._watch(wallet)
        return wallet

    def scratch(self, customer: str) -> Wallet:
        """Return a copy of a customer's wallet, to decide upon and throw away."""
        wallet_id = identity.wallet_named(self.tenant_id, customer)
        wallet = self.batch.wallet(self.tenant_id, wallet_id)
        if wallet is None:
            raise NotFound(what="customer", key=customer)
        copy = wallet.copied()
        self._fall_due(copy)
        return copy

    def wallet_by_id(self, wallet_id: str) -> Wallet:
        """Return a wallet of this tenant with everything fallen due. Raises NotFound."""
        wallet = self.batch.wallet(self.tenant_id, wallet_id)
        # Kept wallets are of any tenant; an id that derives from another's is none of ours.
        if wallet is None or wallet_id != identity.wallet_id(self.tenant_id, wallet.customer_id):
            raise NotFound(what="wallet", key=wallet_id)
        self._fall_due(wallet)
        self._watch(wallet)
        return wallet

    def _fall_due(self, wallet: Wallet) -> None:
        if not wallet.due:
            return
        at = wallet.time(self.now)
        if wallet.due[0][0] <= at:
            wallet.fall_due(at, at, self.catalog if wallet.enrolments else None, self.quote)

    def _watch(self, wallet: Wallet) -> None:
        """Remember watched balances as they are before the command."""
        if wallet.watches:
            self.watched.append((wallet, wallet.watched_units(wallet.time(self.now))))

    def look(self) -> None:
        """State what watched balances call for, as the command has left them."""
        for wallet, before in self.watched:
            wallet.look(before, wallet.time(self.now), self.quote)

    def quote(self, asset: str, units: int, currency: str | None, at: datetime) -> Quote | None:
        """Return what so many units cost at `at`. Raises NotFound (the asset)."""
        found = self.asset(asset)
        custom = None
        if found.kind == "CUSTOM":
            custom = self.stream(CustomAsset, identity.asset_id(self.tenant_id, asset))
        return quote(found, units, custom.rates if custom is not None else (), currency, at)

    def derived_budgets(
        self, wallet: Wallet, subject: str | None, *, dry: bool = False
    ) -> list[DerivedBudget]:
        """Return the budgets that templates make for an event of `subject`; dry: copies."""
        templates = self.tenant.budget_templates
        if not templates or subject is None:
            return []
        at = wallet.time(self.now)
        budgets = self.batch.derived.of(self.tenant_id, templates, wallet, subject, at)
        return [replace(budget) for budget in budgets] if dry else budgets

    def lower_derived(
        self, wallet: Wallet, counted: Sequence[str], recorded_at: datetime, units: int
    ) -> None:
        """Take `units` of a charge, counted at `recorded_at`, off its derived budgets."""
        ids = [each for each in counted if each not in wallet.budgets.by_id]
        if ids:
            at = wallet.time(self.now)
            templates = self.tenant.budget_templates
            derived = self.batch.derived.counted_before(self.tenant_id, templates, wallet, ids, at)
            spend_control.lower(wallet, derived, recorded_at, units, at)

    def known(self, stream_id: str) -> list[Event]:
        """Return a stream's events without a look-up, unless a commit on its way has some."""
        if stream_id in self.batch.moving:
            return self.looked_up(stream_id)
        return self.batch.known(stream_id)

    def looked_up(self, stream_id: str) -> list[Event]:
        self.batch.look_up(self.tenant_id, (stream_id,))
        return self.batch.known(stream_id)

    def next_version(self, stream_id: str) -> int:
        return self.batch.next_version(stream_id)

    def stream(self, aggregate_class: type[A], stream_id: str) -> A | None:
        return self.batch.stream(aggregate_class, self.tenant_id, stream_id)

    def required(self, aggregate_class: type[A], stream_id: str, what: str) -> A:
        """Return the aggregate of a stream. Raises NotFound."""
        aggregate = self.stream(aggregate_class, stream_id.lower())
        if aggregate is None:
            raise NotFound(what=what, key=stream_id)
        return aggregate

    def totals_in_log(self, wallet: Wallet, since: datetime) -> Totals:
        """Return totals as a wallet's events since a time tell them, this batch's included,
        with all who paid.
        """
        wallet.seal()
        since -= timedelta(seconds=FUTURE_SECONDS)
        kept = self.batch.log.rated_since(self.tenant_id, wallet.id, since)
        own: list[Any] = [event for event in self.log if event.originator_id == wallet.id]
        return totals_of([*kept, *own])

    def repayments(self, wallet: Wallet) -> list[OverageSettled]:
        """Return how grants repaid a wallet's overage, this batch's included."""
        kept = self.batch.log.repayments(self.tenant_id, wallet.id)
        own: list[Any] = [event for event in self.log if event.originator_id == wallet.id]
        return kept + [event for event in own if isinstance(event, OverageSettled)]
