"""What catalogue files would change, found out on a copy of the catalogue.

Every step is decided by the ledger's own rules, so that what is wrong is told before
anything is written, with its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from application.commands import catalog_requests as requests
from application.commands.catalog import meter_of
from application.commands.cost_requests import SetCostTable
from application.commands.costs import cost_terms
from application.commands.prices import known_asset, terms_of
from application.commands.requests import DefineAsset
from domain.catalog.catalog import Catalog
from domain.catalog.product import ProductVersion, VersionStatus
from domain.money.asset import CUSTOM_SCALE, Asset, currency
from domain.refusals import IdempotencyConflict, InvalidInput, NotFound, Refusal
from interfaces.catalogue.differences import differences
from interfaces.catalogue.entries import (
    asset_command,
    cost_command,
    cost_entry_of,
    draft_command,
    entry_of,
    meter_command,
    written,
)
from interfaces.catalogue.files import (
    AssetEntry,
    BadCatalogue,
    Catalogue,
    CostTableEntry,
    Fault,
    MeterEntry,
    ProductEntry,
    Written,
)

Command = DefineAsset | requests.CatalogCommand | SetCostTable
Path = tuple[str | int, ...]

_FIELD = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Change:
    """sign: "+" for what is new, "~" for what changes. details: where it differs, and how.
    drafts: the number that a draft gets.
    """

    sign: str
    what: str
    details: tuple[str, ...]
    command: Command
    drafts: int | None = None


def plan_of(
    files: Written,
    catalog: Catalog,
    known: Callable[[str], Asset | None],
    now: datetime,
    *,
    publishing: bool,
) -> list[Change]:
    """Return what would change, in the order in which it is to be made.

    publishing: versions come into force, else all stay drafts. catalog, known: what the ledger
    has. Raises BadCatalogue.
    """
    planning = _Planning(files, catalog, known, now, publishing=publishing)
    planning.go_through(files.catalogue)
    if planning.faults:
        raise BadCatalogue(planning.faults)
    return planning.changes


class _Planning:
    def __init__(
        self,
        files: Written,
        catalog: Catalog,
        known: Callable[[str], Asset | None],
        now: datetime,
        *,
        publishing: bool,
    ) -> None:
        self._files = files
        self._catalog = deepcopy(catalog)
        self._catalog.write_to([])
        self._known = known
        self._now = now
        self._publishing = publishing
        self._new_assets: dict[str, Asset] = {}
        self.changes: list[Change] = []
        self.faults: list[Fault] = []

    def go_through(self, catalogue: Catalogue) -> None:
        for key, asset in catalogue.assets.items():
            self._trying(("assets", key), partial(self._asset, key, asset))
        for key, meter in catalogue.meters.items():
            self._trying(("meters", key), partial(self._meter, key, meter))
        for key, product in catalogue.products.items():
            self._trying(("products", key), partial(self._product, key, product))
        if self._publishing:
            for key, table in catalogue.cost_tables.items():
                self._trying(("costTables", key), partial(self._cost_table, key, table))
        if self._publishing and catalogue.default_product is not None and not self.faults:
            self._trying(("defaultProduct",), partial(self._default, catalogue.default_product))

    def _trying(self, at: Path, step: Callable[[], None]) -> None:
        try:
            step()
        except Refusal as refusal:
            self.faults.append(self._fault(at, refusal))

    def _fault(self, at: Path, refusal: Refusal) -> Fault:
        if isinstance(refusal, InvalidInput):
            return self._files.fault(self._path(at, refusal.field), refusal.reason)
        if isinstance(refusal, IdempotencyConflict):
            reason = "is defined otherwise already, for good: define another"
            return self._files.fault((*at, refusal.field), reason)
        return self._files.fault(at, str(refusal))

    def _path(self, at: Path, named: str) -> Path:
        """Return where a field of a command is written: prices stand by their keys in a file."""
        parts: list[str | int] = [
            int(part) if part.isdigit() else part for part in _FIELD.findall(named)
        ]
        if at[0] == "products" and parts[:1] == ["prices"] and len(parts) > 1:
            keys = list(self._files.catalogue.products[str(at[1])].prices)
            place = parts[1]
            if isinstance(place, int) and place < len(keys):
                parts[1] = keys[place]
        return (*at, *parts)

    # Each step

    def _asset_of(self, key: str) -> Asset:
        asset = self._new_assets.get(key) or self._known(key)
        if asset is None:
            raise NotFound(what="asset", key=key)
        return asset

    def _asset(self, key: str, entry: AssetEntry) -> None:
        command = asset_command(key, entry)
        command.check()
        scale = CUSTOM_SCALE if entry.scale is None else entry.scale
        before = self._known(key)
        if before is None:
            self._new_assets[key] = Asset(key, entry.name, "CUSTOM", scale)
            self._change("+", f"asset {key}", command)
        elif before.name != entry.name:
            raise IdempotencyConflict(key=key, field="name")
        elif before.scale != scale:
            raise IdempotencyConflict(key=key, field="scale")

    def _meter(self, key: str, entry: MeterEntry) -> None:
        command = meter_command(key, entry)
        command.check()
        if command.unpriced_asset is not None:
            known_asset(self._asset_of, command.unpriced_asset, "unpricedAsset")
        number = self._catalog.number
        self._catalog.define_meter(meter_of(command), self._now)
        if self._catalog.number > number:
            self._change("+", f"meter {key}", command)

    def _product(self, key: str, entry: ProductEntry) -> None:
        newest = self._newest(key)
        name = self._catalog.products[key].name if newest is not None else None
        renamed = entry.name is not None and entry.name != name
        if newest is None or renamed or self._differs(newest, entry):
            self._draft(key, entry, newest, name)
            newest = self._newest(key)
        assert newest is not None
        if self._publishing and newest.status == VersionStatus.DRAFT:
            self._publish(key, newest, entry)

    def _newest(self, key: str) -> ProductVersion | None:
        product = self._catalog.products.get(key)
        return None if product is None else product.versions[len(product.versions)]

    def _differs(self, newest: ProductVersion, entry: ProductEntry) -> bool:
        if newest.status == VersionStatus.DRAFT and newest.effective_at != entry.effective_at:
            return True
        return written(entry_of(newest.terms)) != written(entry)

    def _draft(
        self, key: str, entry: ProductEntry, newest: ProductVersion | None, name: str | None
    ) -> None:
        command = draft_command(key, entry)
        command.check()
        terms = terms_of(self._asset_of, command)
        number = self._catalog.draft_version(key, entry.name, terms, entry.effective_at, self._now)
        details = [] if newest is None else _how(newest, entry)
        if newest is not None and entry.name not in (None, name):
            details.insert(0, f"name: {name} -> {entry.name}")
        sign = "+" if newest is None else "~"
        self._change(sign, f"product {key}: draft {number}", command, details, number)

    def _publish(self, key: str, version: ProductVersion, entry: ProductEntry) -> None:
        self._catalog.publish_version(key, version.number, entry.effective_at, self._now)
        since = "now" if entry.effective_at is None else f"{entry.effective_at:%Y-%m-%dT%H:%M:%SZ}"
        command = requests.PublishProductVersion(key, version.number, entry.effective_at)
        self._change("~", f"product {key}: publish {version.number}, from {since}", command)

    def _cost_table(self, key: str, entry: CostTableEntry) -> None:
        command = cost_command(key, entry)
        command.check()
        if currency(command.currency) is None:
            raise InvalidInput(field="currency", reason="not a currency of ISO 4217")
        before = self._catalog.costs.by_key.get(key)
        said = None if before is None else written(cost_entry_of(before.newest.terms))
        number = self._catalog.number
        self._catalog.set_cost_table(key, cost_terms(command), command.effective_at, self._now)
        if self._catalog.number > number:
            details = [] if said is None else differences(said, written(entry))
            self._change("+" if said is None else "~", f"cost table {key}", command, details)

    def _default(self, key: str) -> None:
        last = self._catalog.last_default
        if key != last:
            self._catalog.set_default_product(key, self._now)
            command = requests.SetDefaultProduct(key)
            self._change("~", f"default product: {last or 'none'} -> {key}", command)

    def _change(
        self,
        sign: str,
        what: str,
        command: Command,
        details: Sequence[str] = (),
        drafts: int | None = None,
    ) -> None:
        self.changes.append(Change(sign, what, tuple(details), command, drafts))


def _how(newest: ProductVersion, entry: ProductEntry) -> list[str]:
    before: dict[str, Any] = written(entry_of(newest.terms))
    return differences(before, written(entry))
