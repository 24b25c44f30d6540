"""Assets, tenants and catalogues in memory, shared by batches."""

from __future__ import annotations

from domain.catalog.catalog import Catalog
from domain.money.asset import Asset, CustomAsset, currency
from domain.rating.price_list import PriceLists
from domain.tenancy.tenant import Tenant


class AssetRegistry:
    """Assets by tenant and key. A definition never changes, so it is kept for good."""

    def __init__(self) -> None:
        self._assets: dict[tuple[str, str], Asset] = {}

    def known(self, tenant_id: str, key: str) -> Asset | None:
        """Return an asset that was met before, or a currency of ISO 4217."""
        return self._assets.get((tenant_id, key)) or currency(key)

    def learn(self, tenant_id: str, key: str, custom: CustomAsset | None) -> Asset | None:
        """Remember a tenant's own asset, if it has one of that key."""
        if custom is None:
            return None
        self._assets[tenant_id, key] = custom.asset
        return custom.asset


class TenantRegistry:
    """Tenants in memory, as committed. A batch that relies on one says its version, which
    is compared when it is written.
    """

    def __init__(self) -> None:
        self._tenants: dict[str, Tenant] = {}

    def get(self, tenant_id: str) -> Tenant | None:
        return self._tenants.get(tenant_id)

    def learn(self, tenant: Tenant) -> None:
        self._tenants[tenant.id] = tenant

    def drop(self, tenant_id: str) -> None:
        self._tenants.pop(tenant_id, None)


class CatalogRegistry:
    """Catalogues in memory, as the last batch left them, by tenant. A batch that relies on
    one says its version, which is compared when it is written.
    """

    def __init__(self) -> None:
        self._catalogs: dict[str, Catalog] = {}
        self._price_lists: dict[str, PriceLists] = {}

    def price_lists(self, tenant_id: str, catalog: Catalog) -> PriceLists:
        """Return the compiled prices of a catalogue; of the one that is kept, kept as well."""
        lists = self._price_lists.get(tenant_id)
        if lists is None or lists.catalog is not catalog:
            lists = self._price_lists[tenant_id] = PriceLists(catalog)
        return lists

    def get(self, tenant_id: str) -> Catalog | None:
        return self._catalogs.get(tenant_id)

    def learn(self, tenant_id: str, catalog: Catalog) -> None:
        self._catalogs[tenant_id] = catalog

    def drop(self, tenant_id: str) -> None:
        self._catalogs.pop(tenant_id, None)
        self._price_lists.pop(tenant_id, None)
