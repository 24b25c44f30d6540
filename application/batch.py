"""One batch of commands on its way to one INSERT: what it has loaded, what it decided.

Commands are decided in order against wallets in memory. Whether a charge exists already
is not asked first: the log's key finds a duplicate, and then the batch is decided again
with everything looked up.

The batch before may still be committing. What is in memory is then as if it were written;
a stream that it writes to (`moving`) is read from the log only once it has ended, and if it
fails, this batch is forgotten with it. Streams that a batch only reads but rests upon, such
as its tenant, are named with their versions (`relied_on`) and compared as it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol, TypeVar
from uuid import UUID

from application.caller import Caller
from application.clock import Clock
from application.codec import EventCodec
from application.derived_budgets import DerivedBudgets
from application.registries import AssetRegistry, CatalogRegistry, TenantRegistry
from application.sightings import Sightings
from application.storage.recorder import Rows
from application.storage.wallets import WalletCache
from domain import identity
from domain.aggregate import Aggregate, Event
from domain.catalog.catalog import Catalog
from domain.rating.price_list import PriceLists
from domain.rating.running_total import TotalKey
from domain.rating.trial import Trial
from domain.refusals import NotFound
from domain.tenancy.tenant import FUTURE_SECONDS, Tenant
from domain.wallet.events import OverageSettled
from domain.wallet.totals import Totals, TotalsMoved
from domain.wallet.wallet import Wallet

A = TypeVar("A", bound=Aggregate)

ENCODED_TOGETHER = 50


class Log(Protocol):
    """What a batch may ask of the log, for one tenant."""

    def events(self, tenant_id: str, ids: Sequence[str]) -> dict[str, list[Event]]: ...

    def versions(self, ids: Sequence[str]) -> dict[str, int]: ...

    def wallets(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Wallet]: ...

    def repayments(self, tenant_id: str, wallet_id: str) -> list[OverageSettled]: ...

    def rated_since(self, tenant_id: str, wallet_id: str, since: datetime) -> list[Event]:
        """Return the events of a wallet since a time that may have moved its totals."""
        ...

    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        """Return the last event of each stream that has any."""
        ...


class Overtaken(Exception):
    """A wallet was decided upon from an old version: decide the batch again."""


class Batch:
    """The streams that a batch has met, and the events it has decided, in order.

    secret: of what derives from values that the log does not hold. trial: the version that
    prices all usage, where this batch is only a rehearsal.
    relied_on: streams that it was decided upon without writing to them, and their versions.
    moving: streams that a commit on its way writes to; what is in memory is as if written.
    """

    def __init__(
        self,
        log: Log,
        cache: WalletCache,
        assets: AssetRegistry,
        clock: Clock,
        tenants: TenantRegistry | None = None,
        moving: frozenset[str] = frozenset(),
        catalogs: CatalogRegistry | None = None,
        secret: bytes = b"",
    ) -> None:
        self.log = log
        self.clock = clock
        self.assets = assets
        self.moving = moving
        self.relied_on: dict[str, int] = {}
        self.decided: list[Event] = []
        self.wallets: dict[str, Wallet] = {}
        self.looked_up = False
        self._cache = cache
        self._authors: list[tuple[int, Caller]] = []
        self._rows = Rows()
        self._unsealed: set[str] = set()
        self._known: dict[str, list[Event]] = {}
        self._tenants: dict[str, Tenant] = {}
        self._registered = tenants or TenantRegistry()
        self._catalogs: dict[str, Catalog] = {}
        self._price_lists: dict[str, PriceLists] = {}
        self._kept_catalogs = catalogs or CatalogRegistry()
        self._now = clock.now()
        self._noted = 0
        self._written_to: set[str] = set()
        self._sorted = 0
        self._own_of: dict[str, list[Event]] = {}
        self._older: dict[str, tuple[datetime, Totals]] = {}
        self.sightings = Sightings(log, secret)
        self.trial: Trial | None = None
        self._secret = secret
        self.derived = DerivedBudgets(log)

    # Reading

    def tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant as it was when this batch first asked, or as `overtake_tenant` was
        told. Raises NotFound.
        """
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            if not self.looked_up and tenant_id not in self.moving:
                tenant = self._registered.get(tenant_id)
            if tenant is None:
                tenant = self.stream(Tenant, tenant_id, tenant_id)
                if tenant is None:
                    raise NotFound(what="tenant", key=tenant_id)
                if not self._own(tenant_id):
                    self._registered.learn(tenant)
            self._tenants[tenant_id] = tenant
            self.relied_on[tenant_id] = tenant.version - len(self._own(tenant_id))
        return tenant

    def now(self, tenant_id: str) -> datetime:
        """Return the tenant's time; it stands for the whole batch."""
        return self.tenant(tenant_id).clock_at or self._now

    def catalog(self, tenant_id: str) -> Catalog:
        """Return a tenant's catalogue; what this batch changes of it is changed in it."""
        catalog = self._catalogs.get(tenant_id)
        if catalog is None:
            catalog = self._kept_catalog(tenant_id) or self._load_catalog(tenant_id)
            catalog.write_to(self.decided)
            self._catalogs[tenant_id] = catalog
            self.relied_on[catalog.id] = catalog.version
        return catalog

    def price_lists(self, tenant_id: str) -> PriceLists:
        """Return a tenant's prices, compiled."""
        lists = self._price_lists.get(tenant_id)
        if lists is None:
            lists = self._kept_catalogs.price_lists(tenant_id, self.catalog(tenant_id))
            self._price_lists[tenant_id] = lists
        return lists

    def _kept_catalog(self, tenant_id: str) -> Catalog | None:
        kept = self._kept_catalogs.get(tenant_id)
        if kept is not None and self.looked_up:
            # What was seen meanwhile may be newer than what is kept.
            latest = self.log.versions((kept.id,)).get(kept.id, 0)
            return kept if kept.version == latest else None
        return kept

    def _load_catalog(self, tenant_id: str) -> Catalog:
        catalog_id = identity.catalog_id(tenant_id)
        events = self.log.events(tenant_id, (catalog_id,)).get(catalog_id, [])
        catalog = Catalog.fold(events) or Catalog.empty(catalog_id, self.now(tenant_id))
        self._kept_catalogs.learn(tenant_id, catalog)
        return catalog

    def prefetch(self, tenant_id: str, wallet_ids: Iterable[str]) -> None:
        """Load wallets that are neither met nor kept, in one go."""
        missing: list[str] = []
        for wallet_id in dict.fromkeys(wallet_ids):
            if wallet_id in self.wallets:
                continue
            # Once looked up, a kept wallet would be older than what was seen.
            kept = None if self.looked_up else self._cache.get(wallet_id)
            if kept is None:
                missing.append(wallet_id)
            else:
                self._meet(kept)
        for wallet in self.log.wallets(tenant_id, missing).values():
            self._meet(wallet)

    def wallet(self, tenant_id: str, wallet_id: str) -> Wallet | None:
        if wallet_id not in self.wallets:
            self.prefetch(tenant_id, (wallet_id,))
        self._unsealed.add(wallet_id)
        return self.wallets.get(wallet_id)

    def look_up(self, tenant_id: str, ids: Iterable[str]) -> None:
        """Learn what is in the log of these streams."""
        wanted = [each for each in dict.fromkeys(ids) if each not in self._known]
        found = self.log.events(tenant_id, wanted) if wanted else {}
        for each in wanted:
            self._known[each] = found.get(each, [])

    def older(self, tenant_id: str, wallet_id: str, key: TotalKey) -> Totals:
        """Return the totals of a cycle that the wallet no longer keeps, as the log has them."""
        since = key[2] - timedelta(seconds=FUTURE_SECONDS)
        known = self._older.get(wallet_id)
        if known is None or known[0] > since:
            events = self.log.rated_since(tenant_id, wallet_id, since)
            known = self._older[wallet_id] = (since, totals_of(events))
        return known[1]

    def freshen(self, tenant_id: str) -> None:
        """Reload wallets that other processes moved. Raises Overtaken if this batch has
        already written to one.
        """
        own = Counter(event.originator_id for event in self.decided)
        latest = self.log.versions([*self.wallets, *self.relied_on])
        for stream_id, version in self.relied_on.items():
            if latest.get(stream_id, 0) != version:
                raise Overtaken(stream_id)
        stale: list[str] = []
        for wallet_id, wallet in self.wallets.items():
            if latest.get(wallet_id, 0) != wallet.version - own[wallet_id]:
                if own[wallet_id] or wallet.waiting:
                    raise Overtaken(wallet_id)
                stale.append(wallet_id)
        for wallet_id in stale:
            self._cache.drop(wallet_id)
            del self.wallets[wallet_id]
            self.derived.forget(wallet_id)
            self.sightings.forget(wallet_id)
            self._older.pop(wallet_id, None)
        if stale:
            # So what was seen of their streams may be old as well.
            self._known.clear()
            self.prefetch(tenant_id, stale)

    def known(self, stream_id: str) -> list[Event]:
        """Return the events of a stream as far as this batch knows them; no look-up."""
        own = self._own(stream_id)
        before = self._known.get(stream_id)
        return [*before, *own] if before else list(own)

    def stream(self, aggregate_class: type[A], tenant_id: str, stream_id: str) -> A | None:
        """Return the aggregate of a stream, looked up in the log and in this batch."""
        if not _is_id(stream_id):
            return None
        self.look_up(tenant_id, (stream_id,))
        events = self.known(stream_id)
        if not events or not aggregate_class.begins_with(events[0]):
            return None
        aggregate = aggregate_class.fold(events)
        assert aggregate is not None
        aggregate.write_to(self.decided)
        return aggregate

    def next_version(self, stream_id: str) -> int:
        """Return the version of a stream's next event, however long it is."""
        latest = self.log.versions((stream_id,)).get(stream_id, 0)
        return latest + len(self._own(stream_id)) + 1

    def rehearsal(self, trial: Trial, tenant_id: str) -> Batch:
        """Return a batch to decide upon and throw away: it reads the log and this catalogue."""
        batch = Batch(
            self.log, WalletCache(), self.assets, self.clock, moving=self.moving,
            catalogs=self._kept_catalogs, secret=self._secret,
        )  # fmt: skip
        batch.trial = trial
        batch._catalogs[tenant_id] = self.catalog(tenant_id)
        return batch

    def overtake_tenant(self, tenant: Tenant) -> None:
        """Decide from now on with the tenant as this batch has changed it."""
        self._tenants[tenant.id] = tenant

    def wrote(self, stream_id: str) -> bool:
        """Whether this batch writes to a stream."""
        return bool(self._own(stream_id))

    def _own(self, stream_id: str) -> Sequence[Event]:
        """Return what this batch has decided of a stream. Each charge asks, and finds nothing."""
        decided = self.decided
        while self._noted < len(decided):
            self._written_to.add(decided[self._noted].originator_id)
            self._noted += 1
        if stream_id not in self._written_to:
            return ()
        if self._sorted < len(decided):
            for event in decided[self._sorted :]:
                self._own_of.setdefault(event.originator_id, []).append(event)
            self._sorted = len(decided)
        return self._own_of[stream_id]

    def _meet(self, wallet: Wallet) -> None:
        wallet.write_to(self.decided)
        self.wallets[wallet.id] = wallet

    # Writing

    def by(self, caller: Caller) -> None:
        """Say who causes the events decided from now on.

        What waits in wallets is stated before another's turn: a row of the log says whose
        tenant's it is, who caused it and by which request.
        """
        if not self._authors:
            self._authors.append((0, caller))
        elif self._authors[-1][1] != caller:
            self._seal_used()
            self._authors.append((len(self.decided), caller))

    def admit(self, wallet: Wallet) -> None:
        self.wallets[wallet.id] = wallet
        self._unsealed.add(wallet.id)

    def _seal_used(self) -> None:
        """State what waits in wallets; only those asked for since the last time have any."""
        for wallet_id in self._unsealed:
            wallet = self.wallets.get(wallet_id)
            if wallet is not None:
                wallet.seal()
        self._unsealed.clear()

    def seal(self, codec: EventCodec | None = None) -> None:
        """State what waits in wallets. codec: to make rows of it on the way."""
        for place, wallet in enumerate(self.wallets.values()):
            if codec is not None and place % ENCODED_TOGETHER == 0:
                self.encode(codec)
            wallet.seal()
        self._unsealed.clear()

    def encode(self, codec: EventCodec) -> None:
        """Make rows of what was decided since the last time. A part at a time: the events of a
        large batch would no longer be in the processor's cache.
        """
        codec.add(self._rows, self.decided[len(self._rows) :])

    def rows(self, codec: EventCodec) -> Rows:
        """Return the decided events as rows of the log, what waits in wallets stated as well."""
        self.seal(codec)
        self.encode(codec)
        rows = self._rows
        authors = [*self._authors, (len(self.decided), self._authors[-1][1])]
        for (start, caller), (end, _) in pairwise(authors):
            rows.tenants += [caller.tenant_id] * (end - start)
            rows.actors += [caller.actor] * (end - start)
            rows.request_ids += [caller.request_id] * (end - start)
        return rows

    def forget(self) -> None:
        """Let go of all in memory that this batch has touched or relied on."""
        for wallet_id in self.wallets:
            self._cache.drop(wallet_id)
        for tenant_id in self._tenants:
            self._registered.drop(tenant_id)
        for tenant_id in self._catalogs:
            self._kept_catalogs.drop(tenant_id)

    def keep(self) -> None:
        """Keep the wallets as they are once this is committed; `forget` if it is not."""
        nowhere: list[Event] = []
        for wallet in self.wallets.values():
            wallet.write_to(nowhere)
        self._cache.keep(self.wallets.values())
        for catalog in self._catalogs.values():
            catalog.write_to([])
        for tenant_id in self._tenants:
            if self.wrote(tenant_id):
                self._registered.drop(tenant_id)


def totals_of(events: Iterable[Any]) -> Totals:
    """Return the totals that events of a wallet tell, with all who paid."""
    totals = Totals(whole=True)
    for event in events:
        if isinstance(event, OverageSettled):
            totals.repay(event.asset, event.grant_id, event.ranges)
            continue
        moved: TotalsMoved | None = getattr(event, "rated", None)
        if moved is not None:
            totals.move(TotalsMoved(moved.totals, moved.paid))
    return totals


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
