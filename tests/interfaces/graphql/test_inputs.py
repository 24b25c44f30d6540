"""What a client says becomes the command that says the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from application.commands.requests import (
    AdjustWallet,
    AdvanceClock,
    AuthorizeUsage,
    CaptureUsage,
    Command,
    CreateCustomer,
    DefineAsset,
    ExtendGrant,
    ExtendHold,
    FreezeWallet,
    IssueGrant,
    Money,
    RecordUsage,
    RefundCharge,
    RefundGrant,
    ReleaseHold,
    SetExchangeRate,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    VoidGrant,
)
from tests.interfaces.graphql.memory import MemoryRuntime

AT = datetime(2026, 2, 1, tzinfo=UTC)
EVENT = 'eventId: "e", customerId: "ext:acme", meter: "tokens"'
GRANT = 'idempotencyKey: "k", customerId: "ext:acme", asset: "CREDIT", amount: "5.00"'


def said(ledger: MemoryRuntime, mutation: str, variables: dict[str, Any] | None = None) -> Command:
    head = "mutation($x: JSON)" if variables else "mutation"
    fields = "" if mutation.startswith("advanceClock") else "{ __typename }"
    ledger.ask(f"{head} {{ {mutation} {fields} }}", variables)
    (command,) = ledger.ledger.submitted
    return command


@pytest.mark.parametrize(
    "mutation, command",
    [
        (
            'defineAsset(input: {key: "GPU", name: "GPU minutes"})',
            DefineAsset("GPU", "GPU minutes", "CUSTOM", None),
        ),
        (
            'defineAsset(input: {key: "GPU", name: "GPU", kind: CURRENCY, scale: 0})',
            DefineAsset("GPU", "GPU", "CURRENCY", 0),
        ),
        (
            ('setExchangeRate(asset: "GPU", currency: "USD", unitPrice: "0.010",'
            ' effectiveAt: "2026-02-01T01:00:00+01:00")'),
            SetExchangeRate("GPU", "USD", "0.010", AT),
        ),
        (
            'setExchangeRate(asset: "GPU", currency: "USD", unitPrice: "1")',
            SetExchangeRate("GPU", "USD", "1", None),
        ),
        ('createCustomer(input: {externalId: "acme"})', CreateCustomer("acme")),
        (
            'createCustomer(input: {externalId: "acme", timezone: null, mode: null})',
            CreateCustomer("acme", None, None, "UTC", None, "CONTROL"),
        ),
        (
            ('createCustomer(input: {externalId: "acme", name: "Acme", email: "a@acme.example",'
            ' timezone: "Asia/Tokyo", mode: SHADOW, metadata: {plan: "pro", seats: [1, 2.5]}})'),
            CreateCustomer(
                "acme", "Acme", "a@acme.example", "Asia/Tokyo",
                {"plan": "pro", "seats": [1, 2.5]}, "SHADOW",
            ),
        ),
        ('setWalletMode(customerId: "c", mode: HYBRID)', SetWalletMode("c", "HYBRID")),
        (
            'setOverageLimit(customerId: "c", asset: "USD", limit: "15")',
            SetOverageLimit("c", "USD", "15"),
        ),
        (
            'setOverageLimit(customerId: "c", asset: "USD", limit: null)',
            SetOverageLimit("c", "USD", None),
        ),
        ('freezeWallet(customerId: "c", reason: "fraud")', FreezeWallet("c", "fraud")),
        ('unfreezeWallet(customerId: "c")', UnfreezeWallet("c")),
        (
            f'issueGrant(input: {{{GRANT}, paid: {{amount: "1", currency: "USD"}}}})',
            IssueGrant("k", "ext:acme", "CREDIT", "5.00", "PAID", Money("1", "USD")),
        ),
        (
            f"issueGrant(input: {{{GRANT}, source: PROMOTIONAL, priority: null}})",
            IssueGrant("k", "ext:acme", "CREDIT", "5.00", "PROMOTIONAL", None, 50),
        ),
        (
            (f'issueGrant(input: {{{GRANT}, source: COMPENSATION, priority: 0,'
            ' effectiveAt: "2026-02-01T00:00:00Z", expiresAt: "2026-02-01T00:00:00.0000019Z",'
            ' meters: ["a", "b"], recognition: RATABLE, reference: "pi_1", bundleId: "b1",'
            " metadata: {note: null}})"),
            IssueGrant(
                "k", "ext:acme", "CREDIT", "5.00", "COMPENSATION", None, 0, AT,
                AT.replace(microsecond=1), ("a", "b"), "RATABLE", "pi_1", "b1", {"note": None},
            ),
        ),
        ('voidGrant(id: "g", reason: "unpaid")', VoidGrant("g", "unpaid", False)),
        (
            'voidGrant(id: "g", reason: "unpaid", keepClaim: true)',
            VoidGrant("g", "unpaid", True),
        ),
        ('refundGrant(id: "g", reason: "asked")', RefundGrant("g", "asked")),
        (
            ('refundGrant(id: "g", reason: "asked", credits: "3",'
            ' money: {amount: "2", currency: "EUR"}, idempotencyKey: "r1")'),
            RefundGrant("g", "asked", "3", Money("2", "EUR"), "r1"),
        ),
        (
            'extendGrant(id: "g", expiresAt: "2026-02-01T00:00:00Z", reason: "goodwill")',
            ExtendGrant("g", AT, "goodwill"),
        ),
        (
            'extendGrant(id: "g", expiresAt: null, reason: "goodwill")',
            ExtendGrant("g", None, "goodwill"),
        ),
        (
            ('adjustWallet(input: {idempotencyKey: "k", customerId: "c", asset: "USD",'
            ' amount: "-1", reason: FEE, note: "late"})'),
            AdjustWallet("k", "c", "USD", "-1", "FEE", note="late"),
        ),
        (
            ('adjustWallet(input: {idempotencyKey: "k", customerId: "c", asset: "USD",'
            ' amount: "1", reason: EXTERNAL_TOPUP, paid: {amount: "1", currency: "USD"},'
            ' reference: "pi_2", expiresAt: "2026-02-01T00:00:00Z"})'),
            AdjustWallet(
                "k", "c", "USD", "1", "EXTERNAL_TOPUP", Money("1", "USD"), "pi_2", AT
            ),
        ),
        (
            f'recordUsage(input: {{{EVENT}, amount: "1", asset: "CREDIT"}})',
            RecordUsage("e", "ext:acme", "tokens", amount="1", asset="CREDIT"),
        ),
        (
            f"recordUsage(input: {{{EVENT}, source: null, delivered: null}})",
            RecordUsage("e", "ext:acme", "tokens"),
        ),
        (
            (f'recordUsage(input: {{{EVENT}, source: "gateway", quantity: "2",'
            ' properties: {model: "opus"}, subject: "a/b", occurredAt: "2026-02-01T00:00:00Z",'
            ' amount: "0", asset: "USD", cost: {amount: "0.1", currency: "USD"},'
            ' delivered: true, notAfter: "2026-02-01T00:00:00Z"})'),
            RecordUsage(
                "e", "ext:acme", "tokens", "gateway", "2", {"model": "opus"}, "a/b", AT, "0",
                "USD", Money("0.1", "USD"), True, AT,
            ),
        ),
        (
            f'authorizeUsage(input: {{{EVENT}, amount: "40", asset: "CREDIT"}})',
            AuthorizeUsage("e", "ext:acme", "tokens", amount="40", asset="CREDIT"),
        ),
        (
            (f'authorizeUsage(input: {{{EVENT}, source: "s", quantity: "1", subject: "a",'
            " ttlSeconds: 60, properties: {}})"),
            AuthorizeUsage("e", "ext:acme", "tokens", "s", None, None, "1", {}, "a", 60),
        ),
        (
            f"authorizeUsage(input: {{{EVENT}, ttlSeconds: null}})",
            AuthorizeUsage("e", "ext:acme", "tokens", ttl_seconds=900),
        ),
        ('captureUsage(holdId: "h")', CaptureUsage("h")),
        (
            ('captureUsage(holdId: "h", amount: "5", quantity: "1", eventId: "p1", final: false,'
            " shortfall: OVERAGE, properties: {a: 1})"),
            CaptureUsage("h", "5", "1", "p1", False, True, {"a": 1}),
        ),
        ('captureUsage(holdId: "h", final: null)', CaptureUsage("h", final=True)),
        ('extendHold(holdId: "h")', ExtendHold("h")),
        ('extendHold(holdId: "h", ttlSeconds: 9, amount: "7")', ExtendHold("h", 9, "7")),
        ('releaseHold(holdId: "h")', ReleaseHold("h")),
        (
            'refundCharge(chargeId: "c", reason: "bug", idempotencyKey: "k")',
            RefundCharge("c", "bug", "k", None, False),
        ),
        (
            ('refundCharge(chargeId: "c", amount: "2", reason: "bug", idempotencyKey: "k",'
            " compensate: true)"),
            RefundCharge("c", "bug", "k", "2", True),
        ),
        ('advanceClock(to: "2026-02-01T00:00:00Z")', AdvanceClock(AT)),
    ],
)  # fmt: skip
def test_a_mutation_says_its_command(mutation: str, command: Command) -> None:
    assert said(MemoryRuntime(), mutation) == command


def test_values_may_come_as_variables() -> None:
    # given
    event = {
        "eventId": "e",
        "customerId": "c",
        "meter": "m",
        "cost": {"amount": "1", "currency": "USD"},
        "properties": {"cost": {"amount": "1"}, "deep": [{"a": None}]},
    }
    ledger = MemoryRuntime()
    # when
    ledger.ask(
        "mutation($e: UsageEventInput!) { recordUsage(input: $e) { __typename } }", {"e": event}
    )
    # then
    (command,) = ledger.ledger.submitted
    assert command == RecordUsage(
        "e",
        "c",
        "m",
        properties={"cost": {"amount": "1"}, "deep": [{"a": None}]},
        cost=Money("1", "USD"),
    )


def test_check_usage_is_the_same_command_dry() -> None:
    # given
    ledger = MemoryRuntime()
    # when
    ledger.ask(
        f'{{ checkUsage(input: {{{EVENT}, amount: "1", asset: "CREDIT"}}) {{ __typename }} }}'
    )
    # then
    assert ledger.ledger.submitted == [
        RecordUsage("e", "ext:acme", "tokens", amount="1", asset="CREDIT", dry=True)
    ]


@pytest.mark.parametrize(
    "mutation, field",
    [
        ('setOverageLimit(customerId: "c", asset: "USD")', "limit"),
        ('extendGrant(id: "g", reason: "goodwill")', "expiresAt"),
        ('extendGrant(id: "g", reason: "r", expiresAt: "tomorrow")', "expiresAt"),
        (
            'setExchangeRate(asset: "G", currency: "USD", unitPrice: "1", effectiveAt: "")',
            "effectiveAt",
        ),
        (f'issueGrant(input: {{{GRANT}, effectiveAt: "2026-02-01"}})', "effectiveAt"),
        (f'issueGrant(input: {{{GRANT}, expiresAt: "2026-02-01T00:00:00"}})', "expiresAt"),
        (f'recordUsage(input: {{{EVENT}, occurredAt: "2026-02-01T00:00:00"}})', "occurredAt"),
        (f'recordUsage(input: {{{EVENT}, notAfter: "2026-13-01T00:00:00Z"}})', "notAfter"),
        (
            (
                'adjustWallet(input: {idempotencyKey: "k", customerId: "c", asset: "USD",'
                ' amount: "1", reason: GIFT, expiresAt: "0"})'
            ),
            "expiresAt",
        ),
    ],
)
def test_what_is_left_out_or_no_time_is_answered_before_the_ledger(
    mutation: str, field: str
) -> None:
    # given
    ledger = MemoryRuntime()
    # when
    answer = ledger.ask(f"mutation {{ it: {mutation} {{ ... on InvalidInput {{ code field }} }} }}")
    # then
    assert answer == {"it": {"code": "INVALID_INPUT", "field": field}}
    assert ledger.ledger.submitted == []


def test_advancing_to_no_time_is_a_graphql_error() -> None:
    # when
    error = MemoryRuntime().fail('mutation { advanceClock(to: "2026-02-01") }')
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": "to"}
