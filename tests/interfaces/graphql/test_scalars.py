"""Decimals and times at the door: strict in form, cheap to refuse, exact going out."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.refusals import InvalidInput
from interfaces.graphql.scalars import exact
from interfaces.graphql.times import instant_of, rfc3339
from tests.interfaces.graphql.memory import MemoryRuntime

CHECK = """
mutation($amount: Decimal, $at: DateTime) {
  recordUsage(input: {
    eventId: "e", customerId: "c", meter: "m", amount: $amount, occurredAt: $at
  }) { __typename }
}
"""


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00Z"),
        ("2026-01-31T09:30:00-00:00", "2026-01-31T09:30:00Z"),
        ("2026-01-31T11:30:00+02:00", "2026-01-31T09:30:00Z"),
        ("2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.500000Z"),
        ("2026-01-31T23:59:59.9999999999Z", "2026-01-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_is_read_in_utc_and_cut_to_microseconds(text: str, expected: str) -> None:
    assert rfc3339(instant_of(text, "at")) == expected


@pytest.mark.parametrize(
    "text, reason",
    [
        ("2026-01-31T09:30:00", "needs a zone"),
        ("2026-01-31T09:30:00.25", "needs a zone"),
        ("2026-01-31", "not a time"),
        ("2026-01-31 09:30:00Z", "not a time"),
        ("2026-01-31T09:30Z", "not a time"),
        ("20260131T093000Z", "not a time"),
        ("2026-01-31T09:30:00 Z", "not a time"),
        ("2026-01-31T09:30:00Z\n", "not a time"),
        ("2026-01-31T09:30:00,5Z", "not a time"),
        ("2026-01-31T09:30:00+0200", "not a time"),
        ("٢٠٢٦-01-31T09:30:00Z", "not a time"),
        ("", "not a time"),
        ("now", "not a time"),
        ("1769851800", "not a time"),
        ("2026-02-29T00:00:00Z", "no such time"),
        ("2026-01-31T24:00:00Z", "no such time"),
        ("2026-01-31T23:59:60Z", "no such time"),
        ("2026-01-31T09:30:00+24:00", "no such time"),
        ("0000-01-01T00:00:00Z", "no such time"),
        ("0001-01-01T00:00:00+00:01", "no such time"),
        ("9999-12-31T23:59:59-00:01", "no such time"),
        ("10000-01-01T00:00:00Z", "not a time"),
    ],
)
def test_what_is_no_time_is_refused_naming_the_field(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        instant_of(text, "occurredAt")
    assert refused.value.field == "occurredAt"
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize("text", ["2" * 10_000_000, "2026-01-31T09:30:00." + "0" * 10_000_000])
def test_a_long_text_costs_nothing(text: str) -> None:
    # when
    began = time.perf_counter()
    with pytest.raises(InvalidInput):
        instant_of(text, "at")
    # then
    assert time.perf_counter() - began < 0.005


def test_any_aware_time_is_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert rfc3339(datetime(2026, 1, 31, 9, tzinfo=tokyo)) == "2026-01-31T00:00:00Z"
    assert rfc3339(datetime(2026, 1, 31, 9, tzinfo=UTC)) == "2026-01-31T09:00:00Z"


@pytest.mark.parametrize(
    "units, scale, expected",
    [
        (0, 6, "0"),
        (12_500_000, 6, "12.5"),
        (-1, 9, "-0.000000001"),
        (-1_500, 3, "-1.5"),
        (7, 0, "7"),
        (10**33 + 1, 18, "1000000000000000.000000000000000001"),
    ],
)
def test_units_are_written_in_shortest_form(units: int, scale: int, expected: str) -> None:
    assert exact(units, scale) == expected


@pytest.mark.parametrize("amount", [5, 5.0, True, ["5"], {"amount": "5"}])
def test_a_decimal_as_anything_but_a_string_is_a_graphql_error(amount: object) -> None:
    # given
    ledger = MemoryRuntime()
    # when
    error = ledger.fail(CHECK, {"amount": amount})
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "a Decimal is sent as a string" in error["message"]
    assert ledger.ledger.submitted == []


@pytest.mark.parametrize("literal", ["5", "5.0", "true", "[5]", '{a: "5"}'])
def test_a_decimal_literal_likewise(literal: str) -> None:
    # when
    event = f'{{eventId: "e", customerId: "c", meter: "m", amount: {literal}}}'
    error = MemoryRuntime().fail(f"mutation {{ recordUsage(input: {event}) {{ __typename }} }}")
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert error["locations"]


def test_a_time_as_a_number_is_a_graphql_error() -> None:
    # when
    error = MemoryRuntime().fail(CHECK, {"at": 1_769_851_800})
    # then
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "a DateTime is sent as a string" in error["message"]


@pytest.mark.parametrize(
    "amount",
    [
        "1E+1000000",
        "NaN",
        "Infinity",
        "1_000",
        "+5",
        "5.",
        ".5",
        " 5",
        "",
        "٥",
        "１",
        "5" * 10_000_000,
    ],
)
def test_a_string_that_is_no_decimal_is_a_typed_problem(amount: str) -> None:
    # given
    ledger = MemoryRuntime()
    # when
    began = time.process_time()
    answer = ledger.ask(
        """mutation($amount: Decimal) {
             recordUsage(input: {eventId: "e", customerId: "c", meter: "m", amount: $amount}) {
               ... on InvalidInput { code field retryable }
             }
           }""",
        {"amount": amount},
    )
    # then
    assert time.process_time() - began < 2
    assert answer["recordUsage"] == {
        "code": "INVALID_INPUT",
        "field": "amount",
        "retryable": False,
    }
