"""Every refusal becomes its problem, with its figures as decimals."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from domain import refusals
from interfaces.graphql.problems import problem_of

RESETS_AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "refusal, kind, expected",
    [
        (
            refusals.InvalidInput(field="paid.amount", reason="must not be negative"),
            "InvalidInput",
            {
                "message": "paid.amount: must not be negative",
                "retryable": False,
                "field": "paid.amount",
            },
        ),
        (
            refusals.NotFound(what="customer", key="ext:acme"),
            "NotFound",
            {"retryable": False, "what": "customer", "key": "ext:acme"},
        ),
        (
            refusals.InsufficientFunds(
                asset="CREDIT", scale=6, required_units=80_000_001, available_units=-80_000_000
            ),
            "InsufficientFunds",
            {
                "retryable": True,
                "asset": "CREDIT",
                "required": "80.000001",
                "available": "-80",
                "top_up_url": None,
            },
        ),
        (
            refusals.SpendLimitReached(
                limit="agent-7", asset="USD", scale=9, allowed_units=0,
                spent_units=5_000_000_000, resets_at=RESETS_AT,
            ),
            "SpendLimitReached",
            {
                "retryable": True,
                "limit": "agent-7",
                "allowed": "0",
                "spent": "5",
                "resets_at": RESETS_AT,
            },
        ),
        (
            refusals.SpendLimitReached(
                limit="agent-7", asset="USD", scale=9, allowed_units=0, spent_units=1,
                resets_at=None,
            ),
            "SpendLimitReached",
            {"retryable": False, "spent": "0.000000001", "resets_at": None},
        ),
        (
            refusals.IdempotencyConflict(key="k", field="amount"),
            "IdempotencyConflict",
            {"retryable": False, "key": "k", "field": "amount"},
        ),
        (
            refusals.InvalidState(state="FROZEN", reason="frozen", passes_later=True),
            "InvalidState",
            {"message": "frozen", "retryable": True, "state": "FROZEN"},
        ),
        (
            refusals.InvalidState(state="VOIDED", reason="voided"),
            "InvalidState",
            {"retryable": False, "state": "VOIDED"},
        ),
        (
            refusals.PeriodClosed(period="2026-01"),
            "PeriodClosed",
            {"retryable": False, "period": "2026-01"},
        ),
        (
            refusals.Overloaded(retry_after_ms=250),
            "Overloaded",
            {"retryable": True, "retry_after_ms": 250},
        ),
    ],
)  # fmt: skip
def test_a_refusal_is_shown_as_its_problem(
    refusal: refusals.Refusal, kind: str, expected: dict[str, Any]
) -> None:
    # when
    problem = problem_of(refusal)
    # then
    shown = asdict(problem)
    assert type(problem).__name__ == kind
    assert (shown["code"].value, shown["message"]) == (refusal.code, str(refusal))
    assert {field: shown[field] for field in expected} == expected
