"""Reads of one request: batched, each thing once, in worker threads.

Everything here is answered from the write model at its latest version.
"""

from __future__ import annotations

from asyncio import Future, ensure_future
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar
from weakref import WeakKeyDictionary

from anyio import to_thread
from strawberry.dataloader import DataLoader

from application.codec import EventCodec
from application.reading import Reader
from domain.catalog.catalog import Catalog
from domain.customers.customer import Customer
from domain.grants.grant import CreditGrant
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.invoice import Invoice
from domain.money.asset import Asset, CustomAsset, currency
from domain.money.currencies import CURRENCY_SCALE, EXPONENTS
from domain.subscriptions.subscription import Subscription
from domain.usage.charge import HoldPointer, UsageCharge
from domain.wallet.derived_budgets import BudgetPointer
from domain.wallet.top_up import TopUp
from domain.wallet.wallet import Wallet

T = TypeVar("T")

MOST_EVENTS = 100_000

_codec = EventCodec()
_Read = Callable[[str, Sequence[str]], Mapping[str, T | None]]

# A definition never changes, so scales are kept for as long as their reader.
_SCALES: WeakKeyDictionary[Reader, dict[tuple[str, str], int]] = WeakKeyDictionary()


class Loaders:
    """What a request has read. A mutation starts anew: what it changed is read again."""

    def __init__(self, reader: Reader, tenant_id: str) -> None:
        self._reader = reader
        self._tenant_id = tenant_id
        self._now: Future[datetime] | None = None
        self._catalog: Future[Catalog] | None = None
        self.used = False
        self._scales = _SCALES.setdefault(reader, {})

    # Each is made when it is first asked for: most requests need one or none.

    @cached_property
    def customers(self) -> DataLoader[str, Customer | None]:
        return self._batched(self._reader.customers)

    @cached_property
    def wallets(self) -> DataLoader[str, Wallet | None]:
        return self._batched(self._reader.wallets)

    @cached_property
    def grants(self) -> DataLoader[str, CreditGrant | None]:
        return self._batched(self._reader.grants)

    @cached_property
    def charges(self) -> DataLoader[str, UsageCharge | None]:
        return self._batched(self._reader.charges)

    @cached_property
    def holds(self) -> DataLoader[str, HoldPointer | None]:
        return self._batched(self._reader.hold_pointers)

    @cached_property
    def budgets(self) -> DataLoader[str, BudgetPointer | None]:
        return self._batched(self._reader.budget_pointers)

    @cached_property
    def top_ups(self) -> DataLoader[str, TopUp | None]:
        return self._batched(self._reader.top_ups)

    @cached_property
    def invoices(self) -> DataLoader[str, Invoice | None]:
        return self._batched(self._reader.invoices)

    @cached_property
    def credit_notes(self) -> DataLoader[str, CreditNote | None]:
        return self._batched(self._reader.credit_notes)

    @cached_property
    def subscriptions(self) -> DataLoader[str, Subscription | None]:
        return self._batched(self._reader.subscriptions)

    @cached_property
    def custom_assets(self) -> DataLoader[str, CustomAsset | None]:
        return self._batched(_each(self._reader.custom_asset))

    @cached_property
    def _assets(self) -> DataLoader[str, Asset | None]:
        return self._batched(_each(self._reader.asset))

    def _batched(self, read: _Read[T]) -> DataLoader[str, T | None]:
        async def load(ids: list[str]) -> list[T | None]:
            self.used = True
            found = await to_thread.run_sync(read, self._tenant_id, ids)
            return [found.get(one) for one in ids]

        return DataLoader(load)

    async def now(self) -> datetime:
        """Return the ledger's clock, the same throughout a request."""
        if self._now is None:
            self._now = ensure_future(to_thread.run_sync(self._reader.now, self._tenant_id))
        return await self._now

    async def catalog(self) -> Catalog:
        """Return the catalogue, the same throughout a request."""
        if self._catalog is None:
            self.used = True
            reading = to_thread.run_sync(self._reader.catalog, self._tenant_id)
            self._catalog = ensure_future(reading)
        return await self._catalog

    async def newest_position(self) -> int:
        """Return where the log ends, at least as far as anything read before tells."""
        return await to_thread.run_sync(self._reader.last_position, self._tenant_id)

    async def grant_as_of(self, grant_id: str, at: datetime) -> CreditGrant | None:
        """Return a grant as its own stream told it then. One read a grant."""

        def fold() -> CreditGrant | None:
            logged = self._reader.events(
                self._tenant_id,
                aggregate_id=grant_id,
                recorded_to=at + timedelta(microseconds=1),
                limit=MOST_EVENTS,
            )
            return CreditGrant.fold(
                _codec.decode(each.topic, each.state, grant_id, each.originator_version)
                for each in reversed(logged)
            )

        return await to_thread.run_sync(fold)

    async def asset(self, key: str) -> Asset | None:
        known = currency(key)
        if known is not None:
            return known
        return await self._assets.load(key)

    async def scale(self, key: str) -> int:
        """Return the decimal places of an asset that is known to exist."""
        if key in EXPONENTS:
            return CURRENCY_SCALE
        scale = self._scales.get((self._tenant_id, key))
        if scale is None:
            asset = await self.asset(key)
            assert asset is not None, f"no asset {key}"
            scale = self._scales[self._tenant_id, key] = asset.scale
        return scale


def _each(read: Callable[[str, str], T | None]) -> _Read[T]:
    """Return a read of many from a read of one."""
    return lambda tenant_id, keys: {key: read(tenant_id, key) for key in keys}
