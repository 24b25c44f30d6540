"""What files would change: found out before anything is written, and written once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from domain import identity
from domain.catalog.catalog import Catalog
from domain.money.asset import Asset, currency
from interfaces.catalogue.files import BadCatalogue, Written, read_files, said_by
from interfaces.catalogue.plan import Change, plan_of
from interfaces.catalogue.template_file import catalogue_of_templates
from interfaces.catalogue.writing import catalogue_of, text_of
from tests.books import CREDIT, START, Books

FILE = """\
assets:
  TOKEN: {name: Tokens, scale: 0}
meters:
  tokens: {}
  requests: {aggregation: COUNT, filters: {model: [a, b]}, unpricedAsset: TOKEN}
products:
  api:
    name: API
    prices:
      tokens:
        meter: tokens
        model: GRADUATED
        asset: CREDIT
        tiers:
          - {upTo: 1000, unitPrice: 0.10}
          - {unitPrice: 0.05}
      requests:
        meter: requests
        asset: CREDIT
        dimensions: [model, region]
        rows:
          - {match: {model: a}, unitPrice: 2}
          - {match: {model: b, region: eu}, unitPrice: 3}
    includes:
      - {asset: TOKEN, amount: 100, rollover: true, rolloverLimit: 50}
    minimumCommitment: {amount: 99, currency: USD}
costTables:
  acme:
    eventType: requests
    vendor: acme
    currency: USD
    per: 1000
    dimensions: [model]
    rows:
      - {match: {model: a}, property: tokens, unitCost: 0.5}
      - {unitCost: 2}
defaultProduct: api
"""


class Shop:
    """A ledger in memory, and files that are applied to it."""

    def __init__(self, directory: Path) -> None:
        self.books = Books(START)
        self.directory = directory

    def plan(self, text: str, *, publishing: bool = True) -> list[Change]:
        return self.planned(self.read(text), publishing=publishing)

    def read(self, text: str) -> Written:
        file = self.directory / "prices.yaml"
        file.write_text(text, "utf-8")
        return read_files([file])

    def planned(self, files: Written, *, publishing: bool = True) -> list[Change]:
        return plan_of(files, self.catalog, self.asset, START, publishing=publishing)

    def apply(self, text: str, *, publishing: bool = True) -> list[str]:
        changes = self.plan(text, publishing=publishing)
        for change in changes:
            self.books.do(change.command)
        return [change.what for change in changes]

    def faults(self, text: str) -> list[str]:
        written = len(self.books.log.rows)
        with pytest.raises(BadCatalogue) as caught:
            self.plan(text)
        assert len(self.books.log.rows) == written
        return [str(fault).replace(f"{self.directory}/", "") for fault in caught.value.faults]

    @property
    def catalog(self) -> Catalog:
        catalog_id = identity.catalog_id(self.books.tenant_id)
        folded = Catalog.fold(self.books.log.stream(catalog_id))
        return folded or Catalog.empty(catalog_id, START)

    def asset(self, key: str) -> Asset | None:
        known = self.books.assets.known(self.books.tenant_id, key)
        return known or currency(key) or (CREDIT if key == "CREDIT" else None)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_new_catalogue_is_defined_drafted_and_published(shop: Shop) -> None:
    # when
    done = shop.apply(FILE)
    # then
    assert done == [
        "asset TOKEN",
        "meter tokens",
        "meter requests",
        "product api: draft 1",
        "product api: publish 1, from now",
        "cost table acme",
        "default product: none -> api",
    ]
    assert shop.plan(FILE) == []


def test_loading_publishes_nothing(shop: Shop) -> None:
    # given
    shop.apply(FILE, publishing=False)
    # then
    assert shop.catalog.product("api").effective(START) is None
    assert shop.plan(FILE, publishing=False) == []
    assert [change.what for change in shop.plan(FILE)] == [
        "product api: publish 1, from now",
        "cost table acme",
        "default product: none -> api",
    ]


def test_a_change_is_told_where_it_is(shop: Shop) -> None:
    # given
    shop.apply(FILE)
    changed = (
        FILE.replace("0.05", "0.04")
        .replace("unitPrice: 3}", "unitPrice: 3.5}")
        .replace("{match: {model: a}, unitPrice: 2}", "{match: {model: c}, unitPrice: 2}")
        .replace("  api:\n    name: API\n", "  api:\n    name: API 2\n    trialDays: 14\n")
        .replace("    minimumCommitment: {amount: 99, currency: USD}\n", "")
    )
    # when
    draft, publish = shop.plan(changed)
    # then
    assert (draft.sign, draft.what, draft.drafts) == ("~", "product api: draft 2", 2)
    assert sorted(draft.details) == [
        "minimumCommitment: what it was -> none",
        "name: API -> API 2",
        "prices.requests.rows.[model=a]: what it was -> none",
        "prices.requests.rows.[model=b,region=eu].unitPrice: 3 -> 3.5",
        "prices.requests.rows.[model=c]: new",
        "prices.tokens.tiers.[1].unitPrice: 0.05 -> 0.04",
        "trialDays: none -> 14",
    ]
    assert publish.what == "product api: publish 2, from now"


@pytest.mark.parametrize(
    "was, wrong, fault",
    [
        ("upTo: 1000", "upTo: 0", "15: products.api.prices.tokens.tiers[0].upTo: must be above"),
        ("{unitPrice: 0.05}", "{unitPrice: -1}", "16: products.api.prices.tokens.tiers[1].unit"),
        ("        meter: tokens", "        meter: t", "11: products.api.prices.tokens.meter: no"),
        ("asset: CREDIT\n        tiers", "asset: X\n        tiers",
         "13: products.api.prices.tokens.asset: no asset 'X'"),
        ("model: b, region: eu", "model: a", "23: products.api.prices.requests.rows[1].match: the"),
        ("model: b, region: eu", "vendor: a", "23: products.api.prices.requests.rows[1].match: v"),
        ("unpricedAsset: TOKEN", "unpricedAsset: X", "5: meters.requests.unpricedAsset: no asset"),
        ("currency: USD", "currency: XXX", "26: products.api.minimumCommitment.currency: not a"),
        ("amount: 100", "amount: 0.5", "25: products.api.includes[0].amount: TOKEN has at most 0"),
        ("defaultProduct: api", "defaultProduct: x", "37: defaultProduct: no product 'x'"),
        ("unitCost: 2", "unitCost: -2", "36: costTables.acme.rows[1].unitCost: must not be"),
        ("vendor: acme\n    currency: USD", "currency: XXX", "30: costTables.acme.currency: not"),
        ("TOKEN: {name", "USD: {name", "2: assets.USD.key: USD is a currency"),
    ],
)  # fmt: skip
def test_what_the_ledger_would_refuse_is_told_with_its_line(
    shop: Shop, was: str, wrong: str, fault: str
) -> None:
    # given
    assert was in FILE
    # when
    told, *_ = shop.faults(FILE.replace(was, wrong, 1))
    # then
    assert told.startswith(f"prices.yaml:{fault}")


def test_a_cost_table_is_changed_from_now_on(shop: Shop) -> None:
    # given
    shop.apply(FILE)
    # when
    (change,) = shop.plan(FILE.replace("unitCost: 0.5", "unitCost: 0.4"))
    # then
    assert (change.sign, change.what) == ("~", "cost table acme")
    assert change.details == ("rows.[model=a].unitCost: 0.5 -> 0.4",)


def test_what_stands_for_good_cannot_be_said_otherwise(shop: Shop) -> None:
    # given
    shop.apply(FILE)
    other = FILE.replace("tokens: {}", "tokens: {aggregation: MAX}").replace("scale: 0", "scale: 1")
    # when
    faults = shop.faults(other)
    # then
    told = "is defined otherwise already, for good: define another"
    assert faults == [
        f"prices.yaml:2: assets.TOKEN.scale: {told}",
        f"prices.yaml:4: meters.tokens.aggregation: {told}",
    ]


def test_a_later_version_from_the_past_is_told_with_its_line(shop: Shop) -> None:
    # given
    shop.apply(FILE)
    late = FILE.replace("0.05", "0.04").replace(
        "    prices:", "    effectiveAt: 2026-01-01T00:00:00Z\n    prices:"
    )
    # when
    (fault,) = shop.faults(late)
    # then
    assert fault.startswith("prices.yaml:9: products.api.effectiveAt: usage was priced")


def test_two_assets_for_one_event_type_are_told_before_publishing(shop: Shop) -> None:
    # given
    other = FILE.replace(
        "requests: {aggregation: COUNT, ", "requests: {eventType: tokens, aggregation: COUNT, "
    ).replace("meter: requests\n        asset: CREDIT", "meter: requests\n        asset: USD")
    # when
    (fault,) = shop.faults(other)
    # then
    assert fault.startswith("prices.yaml:9: products.api.prices: tokens would cost")


def test_what_the_ledger_has_reads_back_as_itself(shop: Shop) -> None:
    # given
    shop.apply(FILE)
    # when
    text = text_of(catalogue_of(shop.catalog, shop.asset))
    # then
    assert shop.plan(text) == []
    assert shop.read(text).catalogue.products["api"].prices["tokens"].tiers[1].unit_price == "0.05"


def test_list_prices_are_loaded_as_a_draft(shop: Shop) -> None:
    # given
    said = catalogue_of_templates(date(2026, 11, 1), ["anthropic"])
    # when
    changes = shop.planned(said_by(said, Path("list prices")), publishing=False)
    for change in changes:
        shop.books.do(change.command)
    # then
    product = shop.catalog.product("llm-list-prices")
    assert product.name.startswith("List prices of language models as of 20")
    assert product.effective(START) is None
    prices = product.versions[1].prices
    assert [price.key for price in prices] == [
        "llm.input", "llm.cached_read", "llm.cached_write", "llm.output", "llm.reasoning",
    ]  # fmt: skip
    assert {price.dimensions for price in prices} == {("model",)}
    assert len({len(price.rows) for price in prices}) == 1
    assert shop.read(text_of(said)).catalogue == said


def test_of_a_model_that_several_vendors_list_the_first_one_counts() -> None:
    # given
    day = date(2026, 11, 1)
    # when
    alone, both = (
        catalogue_of_templates(day, vendors).products["llm-list-prices"].prices["llm.input"].rows
        for vendors in (["anthropic"], ["anthropic", "openrouter"])
    )
    # then
    assert both[: len(alone)] == alone
    assert len({row.match["model"] for row in both}) == len(both)
