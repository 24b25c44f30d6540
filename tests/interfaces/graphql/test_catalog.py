"""Meters, products and prices as the API takes and shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interfaces.graphql.memory import MemoryRuntime

REFUSED = (
    "... on Problem { code message } ... on InvalidInput { field } ... on NotFound { what key }"
)
METER = """
mutation($input: MeterInput!) {
  answer: defineMeter(input: $input) {
    __typename
    ... on Meter { id key eventType aggregation property less filters unpricedAsset }
    ... on Problem { code } ... on InvalidInput { field } ... on IdempotencyConflict { field }
  }
}
"""
PRICES = """
prices {
  id key meter model asset unitPrice packageSize tiers { upTo unitPrice flatFee } per rate fixedFee
  minimum maximum free cap dimensions rows { match unitPrice } inAdvance period
}
"""
VERSION = f"""
fragment Told on ProductVersion {{
  number status effectiveAt period trialDays minimumCommitment {{ amount currency }} {PRICES}
  includes {{
    asset amount rollover rolloverLimit recognition priority period rolloverTimes perSeat
  }}
}}
"""
PRODUCT = "... on Product { id key name isDefault versions { ...Told } current { number } }"
DRAFT = f"""
{VERSION}
mutation($input: ProductVersionInput!) {{
  answer: draftProductVersion(input: $input) {{ __typename {PRODUCT} {REFUSED} }}
}}
"""
PUBLISH = f"""
{VERSION}
mutation($key: String!, $number: Int!, $at: DateTime) {{
  answer: publishProductVersion(productKey: $key, number: $number, effectiveAt: $at) {{
    __typename {PRODUCT} {REFUSED} ... on InvalidState {{ state }}
  }}
}}
"""
DEFAULT = f"""
mutation($key: String) {{
  answer: setDefaultProduct(productKey: $key) {{
    __typename ... on Product {{ key isDefault }} {REFUSED}
  }}
}}
"""
UNIT = {"key": "tokens", "meter": "tokens", "model": "UNIT", "asset": "CREDIT", "unitPrice": "1"}
TIERS = [{"upTo": "1000", "unitPrice": "0.10"}, {"unitPrice": "0.050", "flatFee": "2"}]


@pytest.fixture
def ledger() -> MemoryRuntime:
    """CREDIT, and the meter `tokens`."""
    ledger = MemoryRuntime().with_customer()
    ledger.ask(METER, {"input": {"key": "tokens"}})
    return ledger


def draft(ledger: MemoryRuntime, *prices: dict[str, Any], **terms: Any) -> Any:
    said = {"productKey": "api", "prices": list(prices), **terms}
    return ledger.ask(DRAFT, {"input": said})["answer"]


def publish(ledger: MemoryRuntime, number: int = 1, at: str | None = None) -> Any:
    return ledger.ask(PUBLISH, {"key": "api", "number": number, "at": at})["answer"]


def test_a_meter_is_answered_and_listed_as_it_was_said(ledger: MemoryRuntime) -> None:
    # given
    said = {
        "key": "prompt",
        "eventType": "llm",
        "property": "input_tokens",
        "less": ["cached_tokens"],
        "filters": {"tier": "pro", "model": ["opus", "haiku"]},
        "unpricedAsset": "CREDIT",
    }
    # when
    meter = ledger.ask(METER, {"input": said})["answer"]
    # then
    assert meter == {
        "__typename": "Meter",
        "id": meter["id"],
        **said,
        "aggregation": "SUM",
        "filters": {"tier": "pro", "model": ["haiku", "opus"]},
    }
    listed = ledger.ask("{ meters { key eventType aggregation less filters } }")["meters"]
    assert [each["key"] for each in listed] == ["prompt", "tokens"]
    assert listed[1] == {
        "key": "tokens",
        "eventType": "tokens",
        "aggregation": "SUM",
        "less": [],
        "filters": None,
    }


def test_a_draft_is_answered_with_all_that_was_said(ledger: MemoryRuntime) -> None:
    # given
    prices: list[dict[str, Any]] = [
        {**UNIT, "per": "1000000", "free": "10", "cap": "5.50"},
        {**UNIT, "key": "tiers", "model": "GRADUATED", "unitPrice": None, "tiers": TIERS},
        {
            **UNIT,
            "key": "rows",
            "unitPrice": None,
            "dimensions": ["model"],
            "rows": [{"match": {"model": "*"}, "unitPrice": "3"}],
        },
        {
            "key": "seats",
            "model": "SEAT",
            "asset": "USD",
            "unitPrice": "20",
            "inAdvance": False,
            "period": "YEAR",
        },
    ]
    included = {"asset": "CREDIT", "amount": "100", "rollover": True, "rolloverLimit": "50"}
    # when
    product = draft(
        ledger,
        *prices,
        name="API",
        includes=[included, {"asset": "CREDIT", "amount": "1", "period": "DAY"}],
        period="YEAR",
        trialDays=14,
        minimumCommitment={"amount": "99.90", "currency": "USD"},
        effectiveAt="2026-03-01T00:00:00Z",
    )
    # then
    (version,) = product["versions"]
    found = {each["key"]: each for each in version["prices"]}
    nothing = dict.fromkeys(
        ("packageSize", "rate", "fixedFee", "minimum", "maximum", "free", "cap", "period")
    )
    assert found["tokens"] == {
        **nothing,
        **UNIT,
        "id": found["tokens"]["id"],
        "per": "1000000",
        "free": "10",
        "cap": "5.5",
        "tiers": [],
        "dimensions": [],
        "rows": [],
        "inAdvance": True,
    }
    assert found["tiers"]["tiers"] == [
        {"upTo": "1000", "unitPrice": "0.1", "flatFee": "0"},
        {"upTo": None, "unitPrice": "0.05", "flatFee": "2"},
    ]
    assert found["rows"]["rows"] == [{"match": {"model": "*"}, "unitPrice": "3"}]
    seats = found["seats"]
    assert (seats["meter"], seats["inAdvance"], seats["period"]) == (None, False, "YEAR")
    assert version["includes"] == [
        {
            "asset": "CREDIT",
            "amount": "100",
            "rollover": True,
            "rolloverLimit": "50",
            "recognition": "ON_USAGE",
            "priority": 20,
            "period": None,
            "rolloverTimes": None,
            "perSeat": True,
        },
        {
            "asset": "CREDIT",
            "amount": "1",
            "rollover": False,
            "rolloverLimit": None,
            "recognition": "RATABLE",
            "priority": 20,
            "period": "DAY",
            "rolloverTimes": None,
            "perSeat": True,
        },
    ]
    assert (version["number"], version["status"]) == (1, "DRAFT")
    assert (version["period"], version["trialDays"]) == ("YEAR", 14)
    assert version["minimumCommitment"] == {"amount": "99.9", "currency": "USD"}
    assert version["effectiveAt"] == "2026-03-01T00:00:00Z"
    assert (product["name"], product["isDefault"], product["current"]) == ("API", False, None)


def test_what_is_published_holds_and_prices_by_default(ledger: MemoryRuntime) -> None:
    # given
    draft(ledger, UNIT)
    # when
    product = publish(ledger, at="2026-01-01T00:00:00Z")
    # then
    assert product["current"] == {"number": 1}
    assert product["versions"][0]["effectiveAt"] == "2026-01-01T00:00:00Z"
    default = ledger.ask(DEFAULT, {"key": "api"})["answer"]
    assert default == {"__typename": "Product", "key": "api", "isDefault": True}
    assert ledger.ask("{ products { key isDefault current { number } } }")["products"] == [
        {"key": "api", "isDefault": True, "current": {"number": 1}}
    ]
    none = ledger.ask(DEFAULT, {"key": None})["answer"]
    assert none == {"__typename": "Product", "key": "api", "isDefault": False}


def test_each_is_found_by_its_id(ledger: MemoryRuntime) -> None:
    # given
    draft(ledger, UNIT)
    (meter,) = ledger.ask("{ meters { id } }")["meters"]
    product = ledger.ask('{ product(key: "api") { id versions { prices { id } } } }')["product"]
    ids = [meter["id"], product["id"], product["versions"][0]["prices"][0]["id"]]
    # when
    found = [
        ledger.ask("query($id: ID!) { node(id: $id) { __typename id } }", {"id": each})["node"]
        for each in ids
    ]
    # then
    assert [each["__typename"] for each in found] == ["Meter", "Product", "Price"]
    assert [each["id"] for each in found] == ids


def test_a_product_that_does_not_exist(ledger: MemoryRuntime) -> None:
    assert ledger.ask('{ product(key: "none") { key } }')["product"] is None
    refused = publish(ledger)
    assert (refused["code"], refused["what"], refused["key"]) == ("NOT_FOUND", "product", "api")
    assert ledger.ask(DEFAULT, {"key": "none"})["answer"]["code"] == "NOT_FOUND"


BAD_PRICES: list[tuple[dict[str, Any], str]] = [
    ({"meter": "images"}, "prices[0].meter"),
    ({"asset": "NOPE"}, "prices[0].asset"),
    ({"unitPrice": "-1"}, "prices[0].unitPrice"),
    ({"unitPrice": "NaN"}, "prices[0].unitPrice"),
    ({"unitPrice": "1e3"}, "prices[0].unitPrice"),
    ({"per": "0"}, "prices[0].per"),
    ({"dimensions": ["model"], "rows": [{"match": {"region": "eu"}, "unitPrice": "1"}]},
     "prices[0].rows[0].match"),
    ({"dimensions": ["model"], "rows": [{"match": "opus", "unitPrice": "1"}]},
     "prices[0].rows[0].match"),
    ({"model": "GRADUATED", "unitPrice": None, "tiers": TIERS[:1]}, "prices[0].tiers[0].upTo"),
    ({"model": "VOLUME", "unitPrice": None, "tiers": [TIERS[0], *TIERS]},
     "prices[0].tiers[1].upTo"),
    ({"model": "VOLUME", "unitPrice": None,
      "tiers": [TIERS[0], {"upTo": "999", "unitPrice": "1"}, TIERS[1]]},
     "prices[0].tiers[1].upTo"),
    ({"model": "PERCENTAGE", "unitPrice": None}, "prices[0].rate"),
]  # fmt: skip


@pytest.mark.parametrize("change, field", BAD_PRICES)
def test_a_bad_price_is_refused_by_name(
    ledger: MemoryRuntime, change: dict[str, Any], field: str
) -> None:
    # when
    refused = draft(ledger, {**UNIT, **change})
    # then
    assert (refused["__typename"], refused["field"]) == ("InvalidInput", field)
    assert ledger.ask("{ products { key } }")["products"] == []


def test_what_cannot_be_published_is_refused_by_name(ledger: MemoryRuntime) -> None:
    # given
    ledger.ask(METER, {"input": {"key": "n", "eventType": "tokens", "aggregation": "COUNT"}})
    in_two_assets = {**UNIT, "key": "n", "meter": "n", "asset": "USD"}
    draft(ledger, UNIT, in_two_assets)
    draft(ledger, UNIT)
    draft(ledger, {**UNIT, "unitPrice": "2"})
    # when
    two_assets = publish(ledger, 1)
    publish(ledger, 2)
    twice = publish(ledger, 2)
    in_the_past = publish(ledger, 3, "2026-01-30T00:00:00Z")
    # then
    assert (two_assets["__typename"], two_assets["field"]) == ("InvalidInput", "prices")
    assert (twice["__typename"], twice["state"]) == ("InvalidState", "PUBLISHED")
    assert (in_the_past["__typename"], in_the_past["field"]) == ("InvalidInput", "effectiveAt")


def test_a_meter_defined_otherwise_is_a_conflict(ledger: MemoryRuntime) -> None:
    # when
    refused = ledger.ask(METER, {"input": {"key": "tokens", "aggregation": "MAX"}})["answer"]
    # then
    assert (refused["__typename"], refused["field"]) == ("IdempotencyConflict", "aggregation")
