"""The demo: the same seed and end, the same figures to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import pytest
from psycopg.conninfo import make_conninfo

from application.storage.database import Login
from application.storage.embedded import EmbeddedServer
from interfaces.cli.demo.catalog import CREDIT, EMBEDDING, FREE, SONNET
from interfaces.cli.demo.customers import customers_of
from interfaces.cli.demo.traffic import arrivals, moment, span_of
from tests.interfaces.cli.conftest import Run, invoke

SMALL = ("demo", "--charges", "2000", "--ends", "2025-11-24T00:00:00Z", "--quiet")

REPORT = """\
"Lumen", an LLM product: 2025-05-24 to 2025-11-24 00:00 UTC
  seed       7
  customers  40
  charges    1 988: 1 932 settled, 56 observed; 147 of a free model, 5 reported as delivered
  charged    3 669.042508 CREDIT and 4.397193 USD
  prices     3 products; 2 price changes
  plans      3 subscriptions, 15 cycles; 1 changed in mid-cycle; 6 seats at the end
  fees       1 129.007449 USD of plans by invoice, 25.832609 of it given back
  included   41 915.489282 CREDIT with plans; 6 900 unused ones went on into a next month
  corrected  13 charges by a price typed wrong, rated anew: 12.85956 CREDIT back
  compared   the last 30 days: 635.135401 CREDIT charged, 684.85704 by the draft of enterprise
  holds      49: 55 captures, 4 released, 2 left to lapse
  grants     71 PAID, 74 PROMOTIONAL
  top-ups    3 declined by a dead card, 1 settled by the next
  lapsed     55 006.721981 CREDIT and 65.09435 USD that nobody used before its end
  owed       nothing
  refunds    4
  replays    1: what was sent twice was charged once
  refused    63
                  29  SPEND_LIMIT_REACHED: an agent had run away, and its budget was used up
                  25  INSUFFICIENT_FUNDS: the wallet had run dry
                   3  IDEMPOTENCY_CONFLICT: a payment that was told twice
                   2  INVALID_STATE: the wallet was frozen over a dispute
                   1  IDEMPOTENCY_CONFLICT: an event sent again with another quantity
                   1  INVALID_INPUT: reported later than the late window allows
                   1  INVALID_STATE: a run went on after its hold had lapsed
                   1  NOT_FOUND: a mistyped customer
  balances   the highest are
             Quill & Co: 5 899.436057 CREDIT
             Saffron Foods: 2 288.916907 CREDIT
             Juniper Schools: 996.830763 CREDIT
             Tessera Labs: 5.165743 USD
             Ferrum Robotics: 500 CREDIT
  replay     4 961 events, 0 differences
"""


@pytest.fixture
def second_database(postgres: EmbeddedServer) -> Iterator[Login]:
    name = "test_second_demo"
    with Login(dict(postgres.conninfo("postgres"))).connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield Login(dict(postgres.conninfo(name)))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for role in ("owner", "log", "app", "proj"):
            connection.execute(f"DROP ROLE IF EXISTS {name}_{role}")


def _log_digest(login: Login) -> tuple[object, ...]:
    with login.connect() as connection:
        row = connection.execute(
            "SELECT count(*), md5(string_agg(concat(originator_id, originator_version, topic,"
            " encode(state, 'hex'), recorded_at AT TIME ZONE 'UTC'), ',' ORDER BY notification_id))"
            " FROM ledger_00.events WHERE topic NOT LIKE 'tenant.%'"
        ).fetchone()
    assert row is not None
    return tuple(row)


def test_a_seed_and_an_end_fix_every_byte_of_the_log(
    run: Run, database: Login, second_database: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    # when
    first = run(*SMALL)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", make_conninfo("", **second_database.arguments))
    second = run(*SMALL)
    # then
    assert (first.exit_code, first.stdout) == (0, REPORT)
    assert (second.exit_code, second.stdout) == (0, REPORT)
    assert _log_digest(database) == _log_digest(second_database)


def test_the_demo_is_written_into_an_empty_ledger_only(run: Run) -> None:
    # given
    first = run("demo", "--charges", "100", "--months", "1", "--customers", "3")
    assert first.exit_code == 0
    assert "Five things to try:" in first.stdout
    assert "ext:northwind-analytics" in first.stdout
    # when
    second = run("demo", "--charges", "100")
    # then
    assert second.exit_code == 1
    assert "not empty" in second.stderr
    assert second.stdout == ""


def test_the_clock_of_a_sandbox_is_not_the_demos(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_SANDBOX", "1")
    result = run(*SMALL)
    assert result.exit_code == 2
    assert "unset COUNTERFOIL_SANDBOX" in result.stderr


def test_the_demo_does_not_end_in_the_future(run: Run) -> None:
    result = run("demo", "--ends", "2999-01-01T00:00:00Z")
    assert result.exit_code == 2
    assert "is in the future" in result.stderr


def test_an_end_needs_a_zone() -> None:
    result = invoke("demo", "--ends", "2025-01-01T00:00:00")
    assert result.exit_code == 2
    assert "is not a time with its zone" in result.stderr


def test_months_are_counted_by_the_calendar() -> None:
    # given
    ends = datetime(2025, 8, 31, 13, 45, tzinfo=UTC)
    # when
    span = span_of(ends, 6)
    # then
    assert span.starts == datetime(2025, 2, 28, 13, tzinfo=UTC)
    assert span.ends == datetime(2025, 8, 31, 13, tzinfo=UTC)


def test_prices_are_the_vendors_and_a_margin() -> None:
    # USD 2 and 10 a million tokens, and 40 % more; a credit is a cent.
    assert SONNET.cost_units(1_000, 100) == 3_000_000
    assert SONNET.amount_units(1_000, 100, "USD") == 4_200_000
    assert SONNET.amount_units(1_000, 100, CREDIT) == 420_000
    # 25 tokens at 20 nano-USD: 700 nano-USD, 70 units of a credit.
    assert EMBEDDING.amount_units(25, 0, CREDIT) == 70
    assert FREE.amount_units(10**6, 10**6, "USD") == 0


def test_customers_are_of_very_unequal_size_and_traffic_has_a_rhythm() -> None:
    # given
    random = Random(7)
    span = span_of(datetime(2025, 7, 1, tzinfo=UTC), 6)
    customers = customers_of(random, 40, span.days, 20_000)
    # when
    requests = [(moment(at), who.index) for at, who in arrivals(random, span, customers, 20_000)]
    # then
    assert len(requests) == 20_000
    assert [at for at, _ in requests] == sorted(at for at, _ in requests)
    assert all(span.starts <= at < span.ends for at, _ in requests)
    by_customer = [sum(index == who for _, index in requests) for who in range(40)]
    assert by_customer[0] > 3 * by_customer[3] > 9 * by_customer[39] > 0
    by_day = sum(at.hour in range(9, 18) for at, _ in requests)
    by_night = sum(at.hour in range(6) for at, _ in requests)
    assert by_day > 5 * by_night > 0
    weekend = sum(at.weekday() >= 5 for at, _ in requests)
    assert 3 * weekend < len(requests) - weekend
