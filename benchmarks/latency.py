"""Single charges by GraphQL over HTTP, at 1 to 128 clients, beside the same server's `{ now }`."""

from __future__ import annotations

import json

from benchmarks.ground import middle
from benchmarks.report import Figure, promise, rounds
from benchmarks.serving import serving
from benchmarks.wire import Client, Driven, post

ROUNDS = 5
CLIENTS = (1, 8, 32, 128)
CUSTOMERS = 100
MUTATION = """mutation ($input: UsageEventInput!) {
  recordUsage(input: $input) { ... on UsageCharge { id balanceAfter } ... on Problem { code } } }"""
NOW = post("/graphql", json.dumps({"query": "{ now }"}).encode())


def measure(requests: int) -> list[Figure]:
    """Measure `requests` a round of each kind, by turns; all over kept-alive connections."""
    with serving() as served, Client(served.port) as client:
        served.fund(CUSTOMERS)
        client.drive(8, charges("warm", requests))
        client.drive(8, [NOW] * requests)
        return [_at(client, clients, requests) for clients in CLIENTS]


def _at(client: Client, clients: int, requests: int) -> Figure:
    taken: list[Driven] = []
    told: list[Driven] = []
    for round_ in range(ROUNDS):
        told.append(client.drive(clients, [NOW] * requests))
        taken.append(client.drive(clients, charges(f"{clients}-{round_}", requests)))
    ratios = [ours.rate / now.rate for ours, now in zip(taken, told, strict=True)]
    ratio = middle(ratios)
    return {
        "what": "recordUsage over HTTP, one charge a request, beside { now }",
        "clients": clients,
        "p50 ms": round(middle([each.percentile(0.50) for each in taken]), 2),
        "p99 ms": round(middle([each.percentile(0.99) for each in taken]), 2),
        "mutations/s": round(middle([each.rate for each in taken])),
        "{ now }/s": round(middle([each.rate for each in told])),
        "client's CPU µs": round(middle([each.cpu_us for each in taken])),
        "ratio": round(ratio, 3),
        "ratios": rounds(ratios),
        **promise("at least 0.5", kept=ratio >= 0.5),
    }


def charges(name: str, count: int) -> list[bytes]:
    """Return requests that charge each of the customers in turn."""
    return [
        post(
            "/graphql",
            json.dumps(
                {
                    "query": MUTATION,
                    "variables": {
                        "input": {
                            "eventId": f"{name}-{number}",
                            "customerId": f"ext:c{number % CUSTOMERS}",
                            "meter": "tokens",
                            "amount": "0.0125",
                            "asset": "CREDIT",
                        }
                    },
                }
            ).encode(),
        )
        for number in range(count)
    ]
