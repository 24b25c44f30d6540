"""A ledger that serves, and a client that asks it over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from application.storage.database import Login
from interfaces.http.front import ledger_app
from interfaces.http.server import listen, server_for
from interfaces.keys.keyring import admin_key, open_keyring
from interfaces.readiness import readiness_of
from interfaces.runtime import Runtime
from interfaces.settings import Settings

REFUSED = """
fragment RefusedInDetail on Problem {
  code message retryable
  ... on InvalidInput { field }
  ... on NotFound { what key }
  ... on InsufficientFunds { asset required available }
  ... on IdempotencyConflict { key field }
  ... on InvalidState { state }
}
"""
CHARGE = (
    REFUSED
    + """
fragment Settled on UsageCharge {
  id eventId status amount refunded overage wouldRefuse balanceAfter replayed
  allocations { grantId amount }
}
"""
)
RECORD = (
    CHARGE
    + """
mutation ($input: UsageEventInput!) {
  answer: recordUsage(input: $input) { __typename ...Settled ...RefusedInDetail }
}
"""
)
AUTHORIZE = (
    REFUSED
    + """
mutation ($input: AuthorizeInput!) {
  answer: authorizeUsage(input: $input) {
    __typename ... on Hold { id status amount captured balanceAfter replayed } ...RefusedInDetail
  }
}
"""
)
CAPTURE = (
    CHARGE
    + """
mutation (
  $hold: ID!, $amount: Decimal, $eventId: String, $final: Boolean, $shortfall: Shortfall! = REFUSE
) {
  answer: captureUsage(
    holdId: $hold, amount: $amount, eventId: $eventId, final: $final, shortfall: $shortfall
  ) { __typename ...Settled ...RefusedInDetail }
}
"""
)
GRANT = (
    REFUSED
    + """
mutation ($input: GrantInput!) {
  answer: issueGrant(input: $input) {
    __typename ... on CreditGrant { id status amount remaining replayed } ...RefusedInDetail
  }
}
"""
)
REFUND = (
    CHARGE
    + """
mutation ($charge: ID!, $amount: Decimal, $key: String!, $compensate: Boolean = false) {
  answer: refundCharge(
    chargeId: $charge, amount: $amount, reason: "test", idempotencyKey: $key
    compensate: $compensate
  ) { __typename ...Settled ...RefusedInDetail }
}
"""
)
ACCOUNT = """
query ($customer: ID!, $asset: String!) {
  wallet(customerId: $customer) {
    account(asset: $asset) { available held overage overageLimit pending }
  }
}
"""


class Client:
    """Asks one server with its admin key. `customer` names acme unless a test says other."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30
        )

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data; there must be no errors. Lists that are behind are asked again."""
        deadline = time.monotonic() + 30
        while True:
            answer = self.http.post("/graphql", json={"query": query, "variables": variables})
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert "errors" not in body, body["errors"]
            behind = "lists" in body.get("extensions", {}) and "mutation" not in query
            if not behind or time.monotonic() >= deadline:
                break
        data: dict[str, Any] = body["data"]
        return data

    def await_lists(self) -> None:
        """Wait until lists are not behind: after a crash they have something to fold."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            query = "{ charges(first: 1) { nodes { id } } }"
            answer = self.http.post("/graphql", json={"query": query}).json()
            if "lists" not in answer.get("extensions", {}):
                return
        raise AssertionError("lists stay behind")

    def errors(self, query: str, **variables: Any) -> list[dict[str, Any]]:
        """Return the errors; there must be some."""
        body = self.http.post("/graphql", json={"query": query, "variables": variables}).json()
        errors: list[dict[str, Any]] = body["errors"]
        return errors

    def answer(self, query: str, **variables: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask(query, **variables)["answer"]
        return answer

    def customer(self, external_id: str = "acme", mode: str = "CONTROL") -> str:
        self.ask(
            """mutation ($id: String!, $mode: WalletMode!) {
              createCustomer(input: {externalId: $id, mode: $mode}) { ... on Customer { id } }
            }""",
            id=external_id,
            mode=mode,
        )
        return f"ext:{external_id}"

    def define_credit(self) -> None:
        self.ask(
            """mutation { defineAsset(input: {key: "CREDIT", name: "Credits"}) {
              ... on Asset { key } } }"""
        )

    def grant(self, key: str, amount: str, **terms: Any) -> dict[str, Any]:
        terms.setdefault("source", "PAID")
        if terms["source"] == "PAID":
            terms.setdefault("paid", {"amount": "10", "currency": "USD"})
        given = {"customerId": "ext:acme", "asset": "CREDIT", **terms}
        return self.answer(GRANT, input={"idempotencyKey": key, "amount": amount, **given})

    def charge(self, event_id: str, amount: str, **report: Any) -> dict[str, Any]:
        given = {"customerId": "ext:acme", "meter": "tokens", "asset": "CREDIT", **report}
        return self.answer(RECORD, input={"eventId": event_id, "amount": amount, **given})

    def authorize(self, event_id: str, amount: str, **report: Any) -> dict[str, Any]:
        given = {"customerId": "ext:acme", "meter": "tokens", "asset": "CREDIT", **report}
        return self.answer(AUTHORIZE, input={"eventId": event_id, "amount": amount, **given})

    def capture(self, hold: str, amount: str | None = None, **terms: Any) -> dict[str, Any]:
        terms.setdefault("final", True)
        return self.answer(CAPTURE, hold=hold, amount=amount, **terms)

    def refund(
        self, charge: str, key: str, amount: str | None = None, **terms: Any
    ) -> dict[str, Any]:
        return self.answer(REFUND, charge=charge, key=key, amount=amount, **terms)

    def account(self, customer: str = "ext:acme", asset: str = "CREDIT") -> dict[str, Any]:
        account: dict[str, Any] = self.ask(ACCOUNT, customer=customer, asset=asset)["wallet"][
            "account"
        ]
        return account

    def advance(self, to: str) -> str:
        now: str = self.ask("mutation ($to: DateTime!) { advanceClock(to: $to) }", to=to)[
            "advanceClock"
        ]
        return now


def settings_for(database: Login, directory: Path, **more: Any) -> Settings:
    return Settings(
        database_url=SecretStr(make_conninfo("", **database.arguments)),
        data_dir=directory,
        **more,
    )


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[Client, Runtime]]:
    """Serve in a thread of this process, on a free port."""
    with Runtime.open(settings) as runtime:
        app = ledger_app(runtime, open_keyring(settings, runtime.tenant_id), readiness_of(runtime))
        listener = listen("127.0.0.1", 0)
        ready = threading.Event()
        server = server_for(app, listening=lambda _: ready.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert ready.wait(20)
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", admin_key(settings))
        try:
            yield client, runtime
        finally:
            client.http.close()
            server.stop()
            thread.join(20)
