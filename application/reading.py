"""Reading the write model at its latest version, bound to one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from psycopg import Cursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composable, Identifier

from application.clock import Clock
from application.codec import EventCodec
from application.registries import AssetRegistry
from application.storage import arrays
from application.storage.database import Pool
from application.storage.shard import FIRST_SHARD, Shard
from application.storage.streams import RATED_TOPICS, StreamReader
from domain import identity
from domain.aggregate import Aggregate
from domain.catalog.catalog import Catalog
from domain.customers.customer import Customer
from domain.grants.grant import CreditGrant
from domain.invoicing.billing import BillingAccount
from domain.invoicing.credit_note import CreditNote
from domain.invoicing.invoice import Invoice
from domain.money.asset import Asset, CustomAsset, currency
from domain.refusals import NotFound
from domain.revenue.accounting import Accounting
from domain.revenue.period import AccountingPeriod
from domain.subscriptions.subscription import Subscription
from domain.tenancy.tenant import FUTURE_SECONDS, Tenant
from domain.usage.charge import HoldPointer, UsageCharge
from domain.wallet.derived_budgets import BudgetPointer
from domain.wallet.top_up import TopUp
from domain.wallet.wallet import Wallet

A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it lies in the log; `state`: its UTF-8 JSON."""

    position: int
    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    recorded_at: datetime
    actor: str
    request_id: str


class Reader:
    """Folds streams of one tenant, as role app. Blocks: call it from a worker thread."""

    def __init__(self, pool: Pool, clock: Clock, shard: Shard = FIRST_SHARD) -> None:
        self._pool = pool
        self._clock = clock
        self._assets = AssetRegistry()
        self._catalogs: dict[str, Catalog] = {}
        self._codec = EventCodec()
        self._streams = StreamReader(shard, self._codec)
        names = {"schema": Identifier(shard.schema)}
        self._log = SQL(
            "SELECT notification_id, originator_id::text, originator_version, topic, state,"
            " recorded_at, actor, request_id FROM {schema}.events WHERE "
        ).format(**names)
        self._actors = SQL(
            "SELECT notification_id, actor FROM {schema}.events"
            " WHERE tenant = %s AND notification_id = ANY(%s)"
        ).format(**names)
        self._newest = SQL(
            "SELECT notification_id FROM {schema}.events"
            " WHERE tenant = %s ORDER BY notification_id DESC LIMIT 1"
        ).format(**names)
        self._newest_of = SQL(
            "SELECT notification_id FROM {schema}.events WHERE tenant = %s"
            " AND originator_id = %s ORDER BY originator_version DESC LIMIT 1"
        ).format(**names)
        self._used_assets = SQL(
            "SELECT DISTINCT asset FROM {schema}.accounts WHERE tenant = %s"
        ).format(**names)
        self._rated = SQL(
            "SELECT DISTINCT originator_id::text FROM {schema}.events WHERE tenant = %s"
            " AND (topic = ANY(%s) AND recorded_at >= %s AND position(%s::bytea IN state) > 0"
            " OR topic = 'wallet.threshold_crossed'"
            " AND position('\"UNPRICED_USAGE\"'::bytea IN state) > 0)"
            " ORDER BY 1"
        ).format(**names)
        self._defined = SQL(
            "SELECT originator_id::text FROM {schema}.events"
            " WHERE tenant = %s AND topic = 'asset.defined' ORDER BY notification_id"
        ).format(**names)

    def now(self, tenant_id: str) -> datetime:
        """Return the tenant's time."""
        return self.tenant(tenant_id).clock_at or self._clock.now()

    def tenant(self, tenant_id: str) -> Tenant:
        """Raises NotFound."""
        tenant = self._one(Tenant, tenant_id, tenant_id)
        if tenant is None:
            raise NotFound(what="tenant", key=tenant_id)
        return tenant

    def asset(self, tenant_id: str, key: str) -> Asset | None:
        """Return an asset by its key; a currency of ISO 4217 is one without being defined."""
        asset = self._assets.known(tenant_id, key)
        return asset or self._assets.learn(tenant_id, key, self.custom_asset(tenant_id, key))

    def met_asset(self, tenant_id: str, key: str) -> Asset | None:
        """Return an asset that was asked for before, or a currency; nothing is looked up."""
        return self._assets.known(tenant_id, key)

    def custom_asset(self, tenant_id: str, key: str) -> CustomAsset | None:
        return self._one(CustomAsset, tenant_id, identity.asset_id(tenant_id, key))

    def assets(self, tenant_id: str) -> list[Asset]:
        """Return the tenant's own assets, and the currencies in use."""
        with self._cursor(tenant_id) as cursor:
            cursor.execute(self._defined, (tenant_id,))
            defined = [stream for (stream,) in cursor.fetchall()]
            streams = self._streams.events(cursor, tenant_id, defined)
            cursor.execute(self._used_assets, (tenant_id,))
            used = [currency(key) for (key,) in cursor.fetchall()]
        custom = (CustomAsset.fold(streams[stream]) for stream in defined)
        found = [each.asset for each in custom if each is not None]
        found += [each for each in used if each is not None]
        return sorted(found, key=lambda asset: asset.key)

    def catalog(self, tenant_id: str) -> Catalog:
        """Return the tenant's catalogue, kept while nobody has overtaken it: not to be changed."""
        catalog_id = identity.catalog_id(tenant_id)
        kept = self._catalogs.get(tenant_id)
        with self._cursor(tenant_id) as cursor:
            latest = self._streams.versions(cursor, [catalog_id]).get(catalog_id, 0)
            if kept is not None and kept.number == latest:
                return kept
            events = self._streams.events(cursor, tenant_id, [catalog_id]).get(catalog_id, [])
        catalog = Catalog.fold(events) or Catalog.empty(catalog_id, self._clock.now())
        self._catalogs[tenant_id] = catalog
        return catalog

    def customer_id(self, tenant_id: str, reference: str) -> str:
        """Return the id of a customer named by id or as "ext:" and the tenant's own id."""
        if reference.startswith("ext:"):
            return identity.customer_id(tenant_id, reference[4:])
        return reference.lower()

    def customers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Customer]:
        return self._many(Customer, tenant_id, ids)

    def grants(self, tenant_id: str, ids: Sequence[str]) -> dict[str, CreditGrant]:
        return self._many(CreditGrant, tenant_id, ids)

    def charges(self, tenant_id: str, ids: Sequence[str]) -> dict[str, UsageCharge]:
        return self._many(UsageCharge, tenant_id, ids)

    def hold_pointers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, HoldPointer]:
        return self._many(HoldPointer, tenant_id, ids)

    def invoices(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Invoice]:
        return self._many(Invoice, tenant_id, ids)

    def credit_notes(self, tenant_id: str, ids: Sequence[str]) -> dict[str, CreditNote]:
        return self._many(CreditNote, tenant_id, ids)

    def billing_accounts(self, tenant_id: str, ids: Sequence[str]) -> dict[str, BillingAccount]:
        return self._many(BillingAccount, tenant_id, ids)

    def accounting(self, tenant_id: str) -> Accounting | None:
        """Return what a tenant has decided about its books; None if nothing yet."""
        return self._one(Accounting, tenant_id, identity.accounting_id(tenant_id))

    def periods(self, tenant_id: str, months: Sequence[str]) -> dict[str, AccountingPeriod]:
        """Return by month those of which the log knows."""
        ids = {identity.period_id(tenant_id, month): month for month in months}
        found = self._many(AccountingPeriod, tenant_id, list(ids))
        return {ids[stream_id]: period for stream_id, period in found.items()}

    def budget_pointers(self, tenant_id: str, ids: Sequence[str]) -> dict[str, BudgetPointer]:
        return self._many(BudgetPointer, tenant_id, ids)

    def subscriptions(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Subscription]:
        return self._many(Subscription, tenant_id, ids)

    def top_ups(self, tenant_id: str, ids: Sequence[str]) -> dict[str, TopUp]:
        return self._many(TopUp, tenant_id, ids)

    def rated_wallets(self, tenant_id: str, product: str, since: datetime) -> list[str]:
        """Return the wallets whose usage since a time was priced by a product, and those that
        ever had usage without a price. Walks the log.
        """
        named = msgspec.json.encode({"product": product})[1:-1]
        before = since - timedelta(seconds=FUTURE_SECONDS)
        with self._cursor(tenant_id) as cursor:
            cursor.execute(self._rated, (tenant_id, list(RATED_TOPICS), before, named))
            return [wallet_id for (wallet_id,) in cursor.fetchall()]

    def wallets(self, tenant_id: str, wallet_ids: Sequence[str]) -> dict[str, Wallet]:
        """Return the wallets that exist, with what has fallen due by the tenant's time."""
        with self._cursor(tenant_id) as cursor:
            found = self._streams.wallets(cursor, tenant_id, _ids(wallet_ids))
            at = self._now(cursor, tenant_id)
        catalog = self._followed(tenant_id, found.values())
        return {
            wallet_id: wallet.as_of(wallet.time(at), catalog) for wallet_id, wallet in found.items()
        }

    def wallet_as_of(self, tenant_id: str, wallet_id: str, at: datetime) -> Wallet | None:
        """Return a wallet as recorded by `at`, with what had fallen due by then."""
        with self._cursor(tenant_id) as cursor:
            found = self._streams.wallets(cursor, tenant_id, _ids([wallet_id]), at)
        wallet = found.get(wallet_id)
        if wallet is None:
            return None
        return wallet.as_of(at, self._followed(tenant_id, [wallet]))

    def _followed(self, tenant_id: str, wallets: Iterable[Wallet]) -> Catalog | None:
        """Return the catalogue, where subscriptions of these wallets follow it."""
        followed = any(wallet.enrolments for wallet in wallets)
        return self.catalog(tenant_id) if followed else None

    def events(
        self,
        tenant_id: str,
        *,
        aggregate_id: str | None = None,
        actor: str | None = None,
        request_id: str | None = None,
        recorded_from: datetime | None = None,
        recorded_to: datetime | None = None,
        before_position: int | None = None,
        limit: int = 50,
    ) -> list[LoggedEvent]:
        """Return what the log holds of a tenant, newest first."""
        if aggregate_id is not None and not _ids([aggregate_id]):
            return []
        conditions: list[Composable] = [SQL("tenant = %s")]
        values: list[object] = [tenant_id]
        for condition, value in (
            ("originator_id = %s", aggregate_id),
            ("actor = %s", actor),
            ("request_id = %s", request_id),
            ("recorded_at >= %s", recorded_from),
            ("recorded_at < %s", recorded_to),
            ("notification_id < %s", before_position),
        ):
            if value is not None:
                conditions.append(SQL(condition))
                values.append(value)
        statement = (
            self._log
            + SQL(" AND ").join(conditions)
            + SQL(" ORDER BY notification_id DESC LIMIT %s")
        )
        with self._cursor(tenant_id) as cursor:
            cursor.execute(statement, [*values, limit])
            return [LoggedEvent(*row) for row in cursor.fetchall()]

    def last_position(self, tenant_id: str, stream_id: str | None = None) -> int:
        """Return where the log, or one stream of it, ends; 0 if there is nothing."""
        with self._cursor(tenant_id) as cursor:
            if stream_id is None:
                cursor.execute(self._newest, (tenant_id,))
            else:
                cursor.execute(self._newest_of, (tenant_id, stream_id))
            found = cursor.fetchone()
        return found[0] if found else 0

    def actors(self, tenant_id: str, positions: Sequence[int]) -> dict[int, str]:
        """Return who made the events at these positions of the log."""
        with self._cursor(tenant_id) as cursor:
            cursor.execute(self._actors, (tenant_id, list(positions)))
            return dict(cursor.fetchall())

    def _one(self, aggregate_class: type[A], tenant_id: str, stream_id: str) -> A | None:
        return self._many(aggregate_class, tenant_id, [stream_id]).get(stream_id)

    def _many(self, aggregate_class: type[A], tenant_id: str, ids: Sequence[str]) -> dict[str, A]:
        with self._cursor(tenant_id) as cursor:
            streams = self._streams.events(cursor, tenant_id, _ids(ids))
        found: dict[str, A] = {}
        for stream_id, events in streams.items():
            if not aggregate_class.begins_with(events[0]):
                continue
            aggregate = aggregate_class.fold(events)
            assert aggregate is not None
            found[stream_id] = aggregate
        return found

    def _now(self, cursor: Cursor[Any], tenant_id: str) -> datetime:
        events = self._streams.events(cursor, tenant_id, [tenant_id]).get(tenant_id, [])
        tenant = Tenant.fold(events)
        return (tenant.clock_at if tenant else None) or self._clock.now()

    @contextmanager
    def _cursor(self, tenant_id: str) -> Iterator[Cursor[Any]]:
        with self._pool.transaction(tenant_id) as connection:
            arrays.register(connection)
            yield connection.cursor(row_factory=tuple_row)


def _ids(texts: Sequence[str]) -> list[str]:
    """Leave out what cannot be an id, and repetitions."""
    found: list[str] = []
    for text in dict.fromkeys(texts):
        try:
            if str(UUID(text)) == text:
                found.append(text)
        except ValueError:
            continue
    return found
