"""What is changed of a customer, and what a repeated creation is compared with."""

from __future__ import annotations

from domain import identity
from domain.wallet.wallet import Wallet
from tests.interfaces.graphql.memory import TENANT, MemoryRuntime

UPDATE = """
mutation($name: String, $timezone: String) {
  updateCustomer(id: "ext:acme", name: $name, timezone: $timezone) {
    __typename
    ... on Customer { externalId name timezone }
    ... on InvalidInput { field }
  }
}
"""


def test_what_is_left_out_stays_and_null_takes_away() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    # when
    ledger.ask(UPDATE, {"name": "Acme", "timezone": "Asia/Tokyo"})
    renamed = ledger.ask(UPDATE, {"name": None})["updateCustomer"]
    # then
    assert renamed == {
        "__typename": "Customer",
        "externalId": "acme",
        "name": None,
        "timezone": "Asia/Tokyo",
    }


def test_the_wallet_knows_the_zone_and_the_same_again_writes_nothing() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.ask(UPDATE, {"timezone": "Asia/Tokyo"})
    written = len(ledger.log.all)
    # when
    ledger.ask(UPDATE, {"timezone": "Asia/Tokyo"})
    # then
    assert len(ledger.log.all) == written
    wallet_id = identity.wallet_id(TENANT, identity.customer_id(TENANT, "acme"))
    wallet = Wallet.fold(ledger.log.stream(wallet_id))
    assert wallet is not None
    assert wallet.timezone == "Asia/Tokyo"


def test_a_creation_is_compared_with_what_was_said_first() -> None:
    # given
    ledger = MemoryRuntime().with_customer()
    ledger.ask(UPDATE, {"name": "Acme", "timezone": "Asia/Tokyo"})
    # when
    again = ledger.ask(
        'mutation { createCustomer(input: {externalId: "acme"}) { ... on Customer { timezone } } }'
    )
    # then
    assert again["createCustomer"] == {"timezone": "Asia/Tokyo"}


def test_a_zone_that_does_not_exist_and_a_customer_that_does_not() -> None:
    ledger = MemoryRuntime()
    assert ledger.ask(UPDATE, {"timezone": "Mars/Olympus"})["updateCustomer"] == {
        "__typename": "InvalidInput",
        "field": "timezone",
    }
    assert ledger.ask(UPDATE, {"name": "x"})["updateCustomer"] == {"__typename": "NotFound"}
