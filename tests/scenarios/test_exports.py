"""Exports through the running server: made, linked, fetched, and the same every time."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from tests.scenarios.accountant import TRIAL_BALANCE, balances, closed, period, set_policy, usd
from tests.scenarios.server import Client
from tests.scenarios.test_invoices import Office
from tests.scenarios.test_plans_in_the_books import publish, subscribe

pytestmark = pytest.mark.storage

EXPORT = """mutation ($report: ExportReport!, $format: ExportFormat!, $from: String!,
  $to: String!, $detail: ExportDetail! = FULL, $position: Long) {
  answer: export(report: $report, format: $format, fromMonth: $from, toMonth: $to,
    detail: $detail, position: $position) {
    __typename ... on ExportFile { url manifestUrl sha256 position rows }
    ... on Problem { code message retryable } ... on InvalidInput { field } } }"""


def export(client: Client, file_format: str = "CSV", report: str = "JOURNAL", **more: Any) -> Any:
    asked = {"from": "2026-01", "to": "2026-02", **more}
    return client.answer(EXPORT, report=report, format=file_format, **asked)


def fetched(client: Client, file: dict[str, Any]) -> bytes:
    """Return what the link gives, without a key; it must be what was said."""
    assert file["__typename"] == "ExportFile", file
    answer = httpx.get(client.url + file["url"])
    assert answer.status_code == 200, answer.text
    assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
    return answer.content


def table(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def clear(data_dir: Path) -> None:
    """Remove the files that the server keeps for a day."""
    for tenant in (data_dir / "exports").iterdir():
        for kept in tenant.iterdir():
            kept.unlink()


@pytest.fixture
def books(client: Client) -> Client:
    """1 000 credits for $10.00 on 01-10; 300 burn then, 100 on 02-02, 50 late for January."""
    client.grant("g1", "1000", paid=usd("10"))
    client.charge("e1", "300")
    client.advance("2026-02-02T10:00:00Z")
    client.charge("e2", "100", meter="images")
    client.charge("late", "50", occurredAt="2026-01-31T10:00:00Z")
    return client


def test_the_journal_as_csv(books: Client) -> None:
    # when
    file = export(books)
    rows = table(fetched(books, file))
    # then
    assert int(file["rows"]) == len(rows) == 8
    assert [
        (row["number"], row["date"], row["account"], row["debit"], row["credit"]) for row in rows
    ] == [
        ("1", "2026-01-10", "cash", "10.00", "0.00"),
        ("1", "2026-01-10", "contract_liability", "0.00", "10.00"),
        ("2", "2026-01-10", "contract_liability", "3.00", "0.00"),
        ("2", "2026-01-10", "revenue_usage", "0.00", "3.00"),
        ("4", "2026-01-31", "contract_liability", "0.50", "0.00"),
        ("4", "2026-01-31", "revenue_usage", "0.00", "0.50"),
        ("3", "2026-02-02", "contract_liability", "1.00", "0.00"),
        ("3", "2026-02-02", "revenue_usage", "0.00", "1.00"),
    ]
    assert (rows[2]["customer"], rows[2]["meter"], rows[2]["description"]) == (
        "acme", "tokens", "Credits burn",
    )  # fmt: skip
    assert (rows[2]["recorded_at"], rows[2]["account_name"], rows[2]["account_code"]) == (
        "2026-01-10T10:00:00Z", "Contract liability", "2000",
    )  # fmt: skip
    assert rows[0]["actor"]
    manifest = httpx.get(books.url + file["manifestUrl"]).json()
    assert manifest == {
        "file": "journal-2026-01-to-2026-02.csv", "report": "JOURNAL", "format": "CSV",
        "fromMonth": "2026-01", "toMonth": "2026-02", "detail": "FULL",
        "position": int(file["position"]), "rows": 8, "bytes": len(fetched(books, file)),
        "sha256": file["sha256"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "file_format", ["CSV", "PARQUET", "NETSUITE_CSV", "XERO_CSV", "HLEDGER", "LEDGER", "BEANCOUNT"]
)
def test_one_position_gives_one_file(books: Client, tmp_path: Path, file_format: str) -> None:
    # given
    first = export(books, file_format)
    before = fetched(books, first)
    # when the books go on, and the file is made again from where they were
    books.charge("e3", "25")
    later = export(books, file_format)
    clear(tmp_path)
    again = export(books, file_format, position=first["position"])
    # then
    assert (again["sha256"], again["position"]) == (first["sha256"], first["position"])
    assert fetched(books, again) == before
    assert later["sha256"] != first["sha256"]
    # and who has only the link gets it made again
    clear(tmp_path)
    assert fetched(books, first) == before


def test_parquet_has_exact_decimals(books: Client) -> None:
    file = export(books, "PARQUET")
    found = parquet.read_table(io.BytesIO(fetched(books, file)))
    assert found.num_rows == 8
    assert sum(found["debit"].to_pylist()) == Decimal("14.50")
    assert found.schema.metadata[b"position"] == str(file["position"]).encode()
    assert found["recorded_at"].to_pylist()[0].isoformat() == "2026-01-10T10:00:00+00:00"


@pytest.mark.parametrize(
    "detail, numbers",
    [
        ("DAILY", ["D20260110USD", "D20260131USD", "D20260202USD"]),
        ("MONTHLY", ["M202601USD", "M202602USD"]),
    ],
)
def test_summaries_net_each_account(books: Client, detail: str, numbers: list[str]) -> None:
    rows = table(fetched(books, export(books, detail=detail)))
    assert list(dict.fromkeys(row["number"] for row in rows)) == numbers
    sums: dict[str, Decimal] = {}
    for row in rows:
        moved = Decimal(row["debit"]) - Decimal(row["credit"])
        sums[row["account"]] = sums.get(row["account"], Decimal(0)) + moved
    assert sums == {
        "cash": Decimal(10), "contract_liability": Decimal("-5.5"),
        "revenue_usage": Decimal("-4.5"),
    }  # fmt: skip


def test_xero_takes_no_more_than_300_lines_a_file(client: Client) -> None:
    client.grant("g1", "1000", paid=usd("10"))
    for number in range(151):
        client.charge(f"e{number}", "1")
    file = export(client, "XERO_CSV")
    archive = zipfile.ZipFile(io.BytesIO(fetched(client, file)))
    texts = [archive.read(name).decode() for name in archive.namelist()]
    assert archive.namelist() == [
        "journal-2026-01-to-2026-02-xero-0001.csv", "journal-2026-01-to-2026-02-xero-0002.csv",
    ]  # fmt: skip
    assert [len(text.splitlines()) - 1 for text in texts] == [300, 4]
    assert int(file["rows"]) == 304


def test_reports_of_the_journal(books: Client) -> None:
    # trial balance, the same as asked
    rows = table(fetched(books, export(books, report="TRIAL_BALANCE")))
    asked = books.ask(TRIAL_BALANCE, month="2026-02")["trialBalance"]
    assert [
        (row["account"], Decimal(row["opening"]), Decimal(row["closing"]))
        for row in rows
        if row["period"] == "2026-02"
    ] == [(row["account"], Decimal(row["opening"]), Decimal(row["closing"])) for row in asked]
    # rollforward
    january, february = table(fetched(books, export(books, report="ROLLFORWARD")))
    assert (january["billings"], january["recognized"], january["closing"]) == (
        "10.00", "3.50", "6.50",
    )  # fmt: skip
    assert (february["opening"], february["recognized_from_opening"], february["closing"]) == (
        "6.50", "1.00", "5.50",
    )  # fmt: skip
    # revenue
    rows = table(fetched(books, export(books, report="REVENUE")))
    assert [(row["period"], row["meter"], row["customer"], row["usage"]) for row in rows] == [
        ("2026-01", "tokens", "acme", "3.50"),
        ("2026-02", "images", "acme", "1.00"),
    ]


def test_charges_as_they_stood(client: Client) -> None:
    # given a charge, a captured hold, an open one, and a refund
    client.grant("g1", "1000", paid=usd("10"))
    first = client.charge("e1", "300", subject="p/a")["id"]
    hold = client.authorize("e2", "50")["id"]
    client.authorize("e3", "5")
    client.capture(hold, "20.5")
    before = export(client, report="CHARGES")
    # when
    client.refund(first, "r1", "100")
    client.charge("feb", "1", occurredAt="2026-01-10T10:00:00.000001Z")
    # then
    rows = table(fetched(client, before))
    told = [(row["event_id"], row["status"], row["amount"], row["refunded"]) for row in rows]
    assert told == [("e1", "SETTLED", "300", "0"), ("e2", "SETTLED", "20.5", "0")]
    assert (rows[0]["customer"], rows[0]["subject"], rows[0]["asset"]) == ("acme", "p/a", "CREDIT")
    again = export(client, report="CHARGES", position=before["position"], file_format="PARQUET")
    found = parquet.read_table(io.BytesIO(fetched(client, again)))
    assert found["amount"].to_pylist() == [Decimal(300), Decimal("20.5")]
    assert found["refunded"].to_pylist() == [0, 0]
    rows = table(fetched(client, export(client, report="CHARGES")))
    assert [(row["status"], row["refunded"]) for row in rows] == [
        ("PARTIALLY_REFUNDED", "100"), ("SETTLED", "0"), ("SETTLED", "0"),
    ]  # fmt: skip
    assert table(fetched(client, export(client, report="CHARGES", **{"from": "2026-02"}))) == []


def test_invoices_and_ageing_as_they_stood(client: Client) -> None:
    # given an invoice of 15.00 due on 02-09, and a grant on account of 20.00
    office = Office(client)
    client.charge("e1", "1500")
    invoice = office.issue()
    client.grant("g1", "1000", paid=usd("20"), payment="DUE")
    office.pay(invoice, "5")
    before = export(client, report="INVOICES", to="2026-01")
    client.advance("2026-03-12T00:00:00Z")
    office.pay(invoice, "3", "w2")
    # then
    (row,) = table(fetched(client, before))
    assert (row["number"], row["status"], row["settled"], row["amount_due"]) == (
        "INV-000001", "PARTIALLY_PAID", "5.00", "10.00",
    )  # fmt: skip
    (row,) = table(fetched(client, export(client, report="INVOICES")))
    assert (row["customer"], row["due_at"], row["amount_due"]) == (
        "acme", "2026-02-09T10:00:00Z", "7.00",
    )  # fmt: skip
    aged = {"to": "2026-03", "report": "AGEING"}
    rows = table(fetched(client, export(client, **aged)))
    assert [
        (row["as_of"], bool(row["invoice_id"]), row["due_on"], row["days_overdue"], row["balance"])
        for row in rows
    ] == [
        ("2026-03-12", True, "2026-02-09", "31", "7.00"),
        ("2026-03-12", False, "2026-01-10", "61", "20.00"),
    ]
    assert [(row["days_31_to_60"], row["days_61_to_90"]) for row in rows] == [
        ("7.00", "0.00"), ("0.00", "20.00"),
    ]  # fmt: skip
    assert balances(client, "2026-03")["receivable"] == "27"
    # and at January's end
    rows = table(fetched(client, export(client, report="AGEING", to="2026-01")))
    assert [(row["as_of"], row["balance"], row["not_due"]) for row in rows] == [
        ("2026-01-31", "10.00", "10.00"), ("2026-01-31", "20.00", "0.00"),
    ]  # fmt: skip


def test_what_finance_closes_by(client: Client) -> None:
    # given 100 credits for $10.00 of which 40 burn in January, the rest lapses in February
    set_policy(client, breakageMethod="AS_EXPIRED", escheatShare="0.25")
    grant = client.grant("g1", "100", paid=usd("10"), expiresAt="2026-02-11T00:00:00Z")["id"]
    client.grant("g2", "50", source="PROMOTIONAL", priority=90)
    client.charge("e1", "40")
    client.advance("2026-03-02T00:00:00Z")
    closed(client, "2026-01")

    def rows(report: str, **more: Any) -> list[dict[str, str]]:
        return table(fetched(client, export(client, report=report, **more)))

    # then
    schedule = rows("REVENUE_SCHEDULE")
    assert [
        (row["period"], row["paid"], row["recognized"], row["breakage"], row["escheated"],
         row["remaining"])
        for row in schedule
    ] == [
        ("2026-01", "10.00", "4.00", "0.00", "0.00", "6.00"),
        ("2026-02", "10.00", "0.00", "4.50", "1.50", "0.00"),
    ]  # fmt: skip
    assert {row["grant_id"] for row in schedule} == {grant}
    assert [
        (row["sold_in"], row["period"], row["paid"], row["remaining"]) for row in rows("WATERFALL")
    ] == [("2026-01", "2026-01", "10.00", "6.00"), ("2026-01", "2026-02", "0.00", "0.00")]
    (lapsed,) = (row for row in rows("BREAKAGE") if row["source"] == "PAID")
    assert (lapsed["granted"], lapsed["burned"], lapsed["lapsed_of_ended"]) == ("100", "40", "60")
    assert {row["ties"] for row in rows("TIE_OUT")} == {"true"}
    (policy,) = rows("POLICIES")
    assert (policy["effective_from"], policy["escheat_share"]) == ("2026-01", "0.25")
    certificate = rows("CLOSE_CERTIFICATE")
    assert {(row["period"], row["act"], row["passed"]) for row in certificate} == {
        ("2026-01", "CLOSED", "true")
    }
    assert {row["trial_balance_hash"] for row in certificate} == {
        period(client, "2026-01")["trialBalanceHash"]
    }
    assert rows("RPO") == []
    client.grant("g3", "10", paid=usd("3"))
    assert [(row["total"], row["within_12_months"]) for row in rows("RPO", to="2026-03")] == [
        ("3.00", "3.00")
    ]


def test_credits_and_money_tie_at_an_earlier_position(client: Client, tmp_path: Path) -> None:
    # given 100 credits for $10.00 of which 40 burn, and a position at which they have
    client.grant("g1", "100", paid=usd("10"), expiresAt="2026-02-11T00:00:00Z")
    client.charge("e1", "40")
    then = export(client, report="TIE_OUT")
    told = {
        report: fetched(client, export(client, report=report))
        for report in ("TIE_OUT", "BREAKAGE", "REVENUE_SCHEDULE", "RPO")
    }
    position = int(then["position"])
    # when more is sold to another, and the rest lapses
    client.customer("umbrella")
    client.grant("g2", "7", paid=usd("3"), customerId="ext:umbrella")
    client.advance("2026-03-02T00:00:00Z")
    clear(tmp_path)
    # then the books of that position are as they were
    for report, was in told.items():
        made = export(client, report=report, position=position)
        assert int(made["position"]) == position
        assert fetched(client, made) == was, report
    assets, money = table(told["TIE_OUT"])
    assert (assets["wallets"], assets["books"], assets["ties"]) == ("60", "60", "true")
    assert (money["grants"], money["schedules"], money["journal"]) == ("6.00", "6.00", "6.00")
    (sold,) = table(told["BREAKAGE"])
    assert (sold["burned"], sold["lapsed"]) == ("40", "0")
    # and those of now are others
    now = table(fetched(client, export(client, report="TIE_OUT", to="2026-03")))
    assert [row["ties"] for row in now] == ["true", "true"]
    assert now[0]["wallets"] == "7"


def test_what_rolls_over_stays_with_the_month_it_was_sold_in(client: Client) -> None:
    # given 100 credits for $20 in February; 30 burn, 50 roll over into March and 20 lapse
    publish(client, "pro", "20", amount="100", rollover=True, rolloverLimit="50")
    client.advance("2026-02-01T00:00:00Z")
    subscribe(client, "pro", collection="INVOICE")
    client.charge("e1", "30")
    # when all of them and 10 of March's burn
    client.advance("2026-03-01T00:00:00Z")
    client.charge("e2", "60")
    # then
    rows = table(fetched(client, export(client, report="WATERFALL", to="2026-03")))
    assert [
        (row["sold_in"], row["period"], row["recognized"], row["breakage"], row["remaining"])
        for row in rows
    ] == [
        ("2026-02", "2026-02", "6.00", "4.00", "10.00"),
        ("2026-02", "2026-03", "10.00", "0.00", "0.00"),
        ("2026-03", "2026-03", "2.00", "0.00", "18.00"),
    ]


def test_accounts_are_called_as_they_are_mapped(books: Client) -> None:
    # given
    before = export(books, "HLEDGER")
    mapped = books.answer(
        """mutation { answer: mapAccount(key: "cash", code: "1200", name: "Bank: main") {
          __typename } }"""
    )
    assert mapped["__typename"] == "AccountMappings"
    # then
    text = fetched(books, export(books, "HLEDGER")).decode()
    assert "    assets:1200 Bank main  10.00 USD\n" in text
    assert "assets:cash" not in text
    row = table(fetched(books, export(books)))[0]
    assert (row["account"], row["account_code"], row["account_name"]) == (
        "cash", "1200", "Bank: main",
    )  # fmt: skip
    # and a file of before is as it was
    again = export(books, "HLEDGER", position=before["position"])
    assert again["sha256"] == before["sha256"]


def test_who_may_fetch_a_file(books: Client) -> None:
    file = export(books)
    path, _, asked = file["url"].partition("?")
    # the key opens it too, without a signature and without asking for it first
    plain = books.http.get(
        "/v1/exports/x",
        params={
            "report": "JOURNAL", "format": "CSV", "fromMonth": "2026-01", "toMonth": "2026-02",
            "position": file["position"],
        },
    )  # fmt: skip
    assert (plain.status_code, plain.content) == (200, fetched(books, file))
    assert plain.headers["counterfoil-position"] == str(file["position"])
    # nothing else does
    assert httpx.get(f"{books.url}{path}").status_code == 401
    assert httpx.get(f"{books.url}{path}?{asked}0").status_code == 403
    moved = asked.replace("toMonth=2026-02", "toMonth=2026-03")
    assert httpx.get(f"{books.url}{path}?{moved}").status_code == 403
    # and what is asked must be meant
    for wrong in ({"position": "1e9"}, {"report": "ALL"}, {"fromMonth": "2026-13"}, {}):
        params = {
            "report": "JOURNAL", "format": "CSV", "fromMonth": "2026-01", "toMonth": "2026-01",
            **wrong,
        }  # fmt: skip
        answer = books.http.get("/v1/exports/x", params=params)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    "asked, field",
    [
        ({"from": "2026-2"}, "fromMonth"),
        ({"to": "2026-00"}, "toMonth"),
        ({"from": "2026-03"}, "toMonth"),
        ({"from": "2006-01"}, "toMonth"),
        ({"position": 0}, "position"),
        ({"position": 10**12}, "position"),
        ({"report": "REVENUE", "file_format": "BEANCOUNT"}, "format"),
        ({"report": "TRIAL_BALANCE", "detail": "DAILY"}, "detail"),
    ],
)
def test_a_bad_request_for_a_file(books: Client, asked: dict[str, Any], field: str) -> None:
    refused = export(books, **asked)
    assert (refused["__typename"], refused["code"], refused["field"]) == (
        "InvalidInput", "INVALID_INPUT", field,
    )  # fmt: skip


def test_an_empty_month_is_a_file_as_well(client: Client) -> None:
    for file_format in ("CSV", "PARQUET", "HLEDGER", "BEANCOUNT", "XERO_CSV"):
        file = export(client, file_format)
        assert int(file["rows"]) == 0
        assert fetched(client, file)
