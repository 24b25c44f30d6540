"""The gallery of problems: each code, the smallest request that provokes it, the answer.

`docs/problems.md` is what this writes; with COUNTERFOIL_WRITE_GALLERY=1 it is written anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.server import Client

pytestmark = pytest.mark.storage

GALLERY = Path(__file__).parents[2] / "docs" / "problems.md"

_PROBLEM = "... on Problem { __typename code message retryable }"
_RECORD = (
    'recordUsage(input: {eventId: "%s", customerId: "ext:acme", meter: "tokens",'
    ' amount: "%s", asset: "CREDIT"})'
)


@dataclass(frozen=True)
class Case:
    code: str
    meaning: str
    remedy: str
    request: str
    before: list[str] = field(default_factory=list)


CASES = [
    Case(
        "INVALID_INPUT",
        "What the request says is wrong. `field` names where.",
        "Correct the field. The same request never passes.",
        f"mutation {{ {_RECORD % ('e1', '-1')} {{ {_PROBLEM} ... on InvalidInput {{ field }} }} }}",
    ),
    Case(
        "NOT_FOUND",
        "What the request names does not exist. `what` is its kind, `key` the name.",
        "Create it first, or check the name.",
        'mutation { freezeWallet(customerId: "ext:nobody", reason: "test")'
        f" {{ {_PROBLEM} ... on NotFound {{ what key }} }} }}",
    ),
    Case(
        "INSUFFICIENT_FUNDS",
        "What is available, with the overage limit, does not cover it. Nothing was recorded.",
        "Add a grant, or raise the overage limit, and send the very same request again.",
        f"mutation {{ {_RECORD % ('e2', '101')} {{ {_PROBLEM}"
        " ... on InsufficientFunds { asset required available } } }",
    ),
    Case(
        "SPEND_LIMIT_REACHED",
        "A budget or the event maximum does not allow it. `limit` is the budget's id, or"
        " `event-maximum`; `allowed` is what is left.",
        "Wait for `resetsAt`, where there is one, or raise the limit; then send the very same"
        " request again.",
        f"mutation {{ {_RECORD % ('e5', '51')} {{ {_PROBLEM}"
        " ... on SpendLimitReached { limit allowed spent resetsAt } } }",
        [
            (
                "mutation {"
                ' setEventMaximum(customerId: "ext:acme", asset: "CREDIT", maximum: "50")'
                " { __typename } }"
            )
        ],
    ),
    Case(
        "IDEMPOTENCY_CONFLICT",
        "The key was used before with other content. `field` is what differs.",
        "Use a new key for a new thing; send the same content to repeat the old one.",
        f"mutation {{ {_RECORD % ('e3', '6')} {{ {_PROBLEM}"
        " ... on IdempotencyConflict { key field } } }",
        [f"mutation {{ {_RECORD % ('e3', '5')} {{ __typename }} }}"],
    ),
    Case(
        "INVALID_STATE",
        "The thing is in a state that does not allow it. `state` names it.",
        "Change the state first; if `retryable`, the same request passes then.",
        f"mutation {{ {_RECORD % ('e4', '1')} {{ {_PROBLEM} ... on InvalidState {{ state }} }} }}",
        ['mutation { freezeWallet(customerId: "ext:acme", reason: "test") { __typename } }'],
    ),
    Case(
        "PERIOD_CLOSED",
        "The accounting period is closed. `period` names it.",
        "Name a month that is open, or reopen the last closed one with a reason.",
        'mutation { setAccountingPolicy(input: {effectiveFrom: "2026-01", escheatShare: "0.1"})'
        f" {{ {_PROBLEM} ... on PeriodClosed {{ period }} }} }}",
        [
            'mutation { advanceClock(to: "2026-02-03T00:00:00Z") }',
            'mutation { closePeriod(month: "2026-01") { __typename } }',
        ],
    ),
]

_HEAD = """# Problems

A refusal is data, not an error: every mutation's union has the problems it can answer. All have
`code`, `message` and `retryable` (whether the very same request may succeed later without you
changing it). Nothing was recorded.

When several apply, the first of this order answers: OVERLOADED; INVALID_INPUT of what the request
alone shows; NOT_FOUND; a replay or IDEMPOTENCY_CONFLICT; INVALID_INPUT of the time against the
late window; INVALID_STATE; SPEND_LIMIT_REACHED; INSUFFICIENT_FUNDS.

The requests below were sent to a ledger in which `acme` has 100 CREDIT; the answers are theirs, to
the letter.
"""

_OVERLOADED = """
## OVERLOADED

Too many commands wait already. `retryAfterMs` says when to send the same request again; nothing
was recorded.
"""

_ERRORS = """
## GraphQL errors

Everything else comes as a GraphQL error with `extensions.code`.

| code | meaning |
|---|---|
| UNAUTHENTICATED | no key, or a wrong one (HTTP 401) |
| FORBIDDEN | the key may not, or the tenant may not: a real clock is not advanced |
| BAD_USER_INPUT | an argument of a query is wrong |
| GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED | the document is no valid query |
| QUERY_TOO_COMPLEX | too many tokens, fields, aliases, or nodes asked for |
| OUTCOME_UNKNOWN | the database failed at the very commit; send it again, it counts once |
| INTERNAL | our own fault; the log has the `requestId` |
"""


def test_the_gallery_shows_what_is_answered(client: Client) -> None:
    # given
    client.grant("A", "100")
    sections: list[str] = []
    # when
    for case in CASES:
        for before in case.before:
            client.ask(before)
        answer = client.ask(case.request)
        (problem,) = answer.values()
        assert problem["code"] == case.code
        sections.append(_section(case, answer))
    gallery = _HEAD + "".join(sections) + _OVERLOADED + _ERRORS
    # then
    if os.environ.get("COUNTERFOIL_WRITE_GALLERY"):
        GALLERY.write_text(gallery, "utf-8")
    assert GALLERY.read_text("utf-8") == gallery


def test_every_code_is_in_the_gallery(client: Client) -> None:
    codes = client.ask('{ __type(name: "ProblemCode") { enumValues { name } } }')["__type"]
    headings = {line[3:] for line in GALLERY.read_text("utf-8").splitlines() if line[:3] == "## "}
    assert {value["name"] for value in codes["enumValues"]} <= headings


def _section(case: Case, answer: dict[str, Any]) -> str:
    shown = json.dumps(answer, indent=2, ensure_ascii=False)
    before = "".join(f"{line}\n" for line in case.before)
    return (
        f"\n## {case.code}\n\n{case.meaning} {case.remedy}\n\n"
        f"```graphql\n{before}{case.request}\n```\n```json\n{shown}\n```\n"
    )
