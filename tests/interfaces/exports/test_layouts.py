"""The very text of each layout, for one small journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from domain.refusals import InvalidInput
from interfaces.exports.accounts import AccountNames
from interfaces.exports.beancount import beancount
from interfaces.exports.entries import Balance, Chapter, ExportEntry, ExportLine
from interfaces.exports.hledger import hledger, ledger
from interfaces.exports.journal_entries import (
    in_functional_currency,
    summaries,
    with_amounts,
)
from interfaces.exports.layouts import netsuite, quickbooks, xero_files
from projections.export_queries import SummedLine

NAMES = AccountNames({"cash": ("10-20", 'Bank; "main":  EUR')})
USAGE = ExportEntry(
    number="7",
    date=date(2026, 2, 3),
    period="2026-02",
    service_period="2026-01",
    kind="AUTOMATIC",
    fact="usage",
    title="Credits burn",
    currency="USD",
    functional_currency="USD",
    exchange_rate="1",
    lines=(ExportLine("contract_liability", 500, 500), ExportLine("revenue_usage", -500, -500)),
    customer="=acme",
    charge_id="c1",
    grant_id="g1",
    meter="tokens",
    product="pro",
    reverses="3",
)
YEN = ExportEntry(
    number="8",
    date=date(2026, 2, 4),
    period="2026-02",
    service_period="2026-02",
    kind="AUTOMATIC",
    fact="payment",
    title='Credits "are" paid for',
    currency="JPY",
    functional_currency="USD",
    exchange_rate="0.0067",
    lines=(ExportLine("cash", 10000, 6700), ExportLine("contract_liability", -10000, -6700)),
    grant_id="g2",
)


def entries() -> Iterator[ExportEntry]:
    return iter([USAGE, YEN])


def chapter() -> Chapter:
    return Chapter(
        from_month="2026-02",
        to_month="2026-02",
        opens=date(2026, 2, 1),
        closes=date(2026, 3, 1),
        position=41,
        opening=(Balance("cash", "USD", 1000), Balance("contract_liability", "USD", -1000)),
        closing=(
            Balance("cash", "JPY", 10000),
            Balance("contract_liability", "JPY", -10000),
            Balance("cash", "USD", 1000),
            Balance("contract_liability", "USD", -500),
            Balance("revenue_usage", "USD", -500),
        ),
        entries=entries(),
    )


def test_hledger() -> None:
    text = "".join(hledger(chapter(), NAMES, ["JPY", "USD"]))
    head, _, body = text.partition("account equity:opening_balances\n\n")
    assert head.startswith(
        "; Journal of 2026-02 to 2026-02, of the log up to position 41\n\n"
        "commodity 1000. JPY\ncommodity 1000.00 USD\n\naccount assets:10-20 Bank main EUR\n"
        "account assets:receivable\n"
    )
    assert body == (
        "2026-02-01 Opening balances\n"
        "    assets:10-20 Bank main EUR  10.00 USD\n"
        "    liabilities:contract_liability  -10.00 USD\n"
        "    equity:opening_balances  0.00 USD\n"
        "\n"
        "2026-02-03 (7) Credits burn  ; charge c1, grant g1, service 2026-01, reverses 3\n"
        "    liabilities:contract_liability  5.00 USD\n"
        "    revenues:revenue_usage  -5.00 USD\n"
        "\n"
        '2026-02-04 (8) Credits "are" paid for  ; grant g2\n'
        "    assets:10-20 Bank main EUR  10000 JPY\n"
        "    liabilities:contract_liability  -10000 JPY\n"
        "\n"
        "2026-03-01 Closing balances\n"
        "    assets:10-20 Bank main EUR  0 JPY = 10000 JPY\n"
        "    liabilities:contract_liability  0 JPY = -10000 JPY\n"
        "    assets:10-20 Bank main EUR  0.00 USD = 10.00 USD\n"
        "    liabilities:contract_liability  0.00 USD = -5.00 USD\n"
        "    revenues:revenue_usage  0.00 USD = -5.00 USD\n"
    )


def test_ledger_declares_in_its_own_way() -> None:
    text = "".join(ledger(chapter(), NAMES, ["JPY", "USD"]))
    assert "commodity JPY\n    format 1000. JPY\ncommodity USD\n    format 1000.00 USD\n" in text


def test_beancount() -> None:
    text = "".join(beancount(chapter(), NAMES, ["JPY", "USD"]))
    head, _, body = text.partition("open Equity:Opening-balances\n\n")
    assert 'option "operating_currency" "JPY"\noption "operating_currency" "USD"\n' in head
    assert "\n2026-02-01 open Assets:10-20-Bank-main-EUR\n" in head
    assert body == (
        '2026-02-01 * "Opening balances"\n'
        "  Assets:10-20-Bank-main-EUR  10.00 USD\n"
        "  Liabilities:Contract-liability  -10.00 USD\n"
        "  Equity:Opening-balances  0.00 USD\n"
        "\n"
        '2026-02-03 * "Credits burn"\n'
        '  number: "7"\n  charge: "c1"\n  grant: "g1"\n  service: "2026-01"\n  reverses: "3"\n'
        "  Liabilities:Contract-liability  5.00 USD\n"
        "  Income:Revenue-usage  -5.00 USD\n"
        "\n"
        '2026-02-04 * "Credits \\"are\\" paid for"\n'
        '  number: "8"\n  grant: "g2"\n'
        "  Assets:10-20-Bank-main-EUR  10000 JPY\n"
        "  Liabilities:Contract-liability  -10000 JPY\n"
        "\n"
        "2026-03-01 balance Assets:10-20-Bank-main-EUR  10000 ~ 0 JPY\n"
        "2026-03-01 balance Liabilities:Contract-liability  -10000 ~ 0 JPY\n"
        "2026-03-01 balance Assets:10-20-Bank-main-EUR  10.00 ~ 0.00 USD\n"
        "2026-03-01 balance Liabilities:Contract-liability  -5.00 ~ 0.00 USD\n"
        "2026-03-01 balance Income:Revenue-usage  -5.00 ~ 0.00 USD\n"
    )


def test_netsuite_repeats_the_header_on_each_line() -> None:
    assert "".join(netsuite(entries(), NAMES)).splitlines() == [
        (
            "External ID,Date,Posting Period,Currency,Exchange Rate,Memo,"
            "Journal Entry - Line: Account,Journal Entry - Line: Debit,"
            "Journal Entry - Line: Credit,Journal Entry - Line: Memo"
        ),
        (
            'CF-7,02/03/2026,Feb 2026,USD,1,"Credits burn, service of 2026-01",contract_liability,'
            "5.00,,tokens c1"
        ),
        (
            'CF-7,02/03/2026,Feb 2026,USD,1,"Credits burn, service of 2026-01",revenue_usage,'
            ",5.00,tokens c1"
        ),
        (
            'CF-8,02/04/2026,Feb 2026,JPY,0.0067,"Credits ""are"" paid for","Bank; ""main"":  EUR",'
            "10000,,g2"
        ),
        (
            'CF-8,02/04/2026,Feb 2026,JPY,0.0067,"Credits ""are"" paid for",contract_liability,'
            ",10000,g2"
        ),
    ]


def test_quickbooks_takes_the_functional_currency_and_no_formula() -> None:
    functional = in_functional_currency(entries(), "QUICKBOOKS_CSV")
    assert "".join(quickbooks(functional, NAMES)).splitlines() == [
        "Journal No.,Journal Date,Account Name,Description,Debits,Credits,Name",
        'CF-7,02/03/2026,contract_liability,"Credits burn, service of 2026-01",5.00,,\'=acme',
        'CF-7,02/03/2026,revenue_usage,"Credits burn, service of 2026-01",,5.00,\'=acme',
        'CF-8,02/04/2026,"Bank; ""main"":  EUR","Credits ""are"" paid for",67.00,,',
        'CF-8,02/04/2026,contract_liability,"Credits ""are"" paid for",,67.00,',
    ]


def test_what_has_no_exchange_rate_is_refused_where_one_currency_is_taken() -> None:
    unrated = ExportEntry(**{name: getattr(YEN, name) for name in YEN.__slots__})
    object.__setattr__(unrated, "exchange_rate", None)
    with pytest.raises(InvalidInput, match="entry 8 is in JPY"):
        list(in_functional_currency(iter([unrated]), "XERO_CSV"))


def test_xero_debits_are_positive_and_the_narration_has_the_number() -> None:
    (text,) = xero_files(iter([USAGE]), NAMES)
    assert text.splitlines() == [
        (
            "*Narration,*Date,Description,*AccountCode,*TaxRate,*Amount,TrackingName1,"
            "TrackingOption1,TrackingName2,TrackingOption2"
        ),
        "CF-7 Credits burn,2026-02-03,tokens c1,2000,Tax Exempt,5.00,Product,pro,Meter,tokens",
        "CF-7 Credits burn,2026-02-03,tokens c1,4000,Tax Exempt,-5.00,Product,pro,Meter,tokens",
    ]


def test_xero_takes_300_lines_a_file_and_no_journal_is_split() -> None:
    three = ExportEntry(**{name: getattr(USAGE, name) for name in USAGE.__slots__})
    object.__setattr__(three, "lines", (*USAGE.lines, ExportLine("tax_payable", 0, 0)))
    files = list(xero_files(iter([three] * 99 + [USAGE] * 3), NAMES))
    # 99 journals of three lines, and one of two; a second of two would be the 301st line
    assert [len(text.splitlines()) - 1 for text in files] == [299, 4]


def summed(day: date, account: str, amount: int, **more: str | None) -> SummedLine:
    of = {"product": None, "exchange_rate": "1", **more}
    return SummedLine(day, "USD", of["product"], of["exchange_rate"], account, amount, amount)


@pytest.mark.parametrize(
    "detail, day, numbers",
    [
        ("DAILY", date(2026, 1, 15), ["D20260115USD", "D20260115USD-GHB67"]),
        ("MONTHLY", date(2026, 1, 31), ["M202601USD", "M202601USD-GHB67"]),
    ],
)
def test_summaries(detail: str, day: date, numbers: list[str]) -> None:
    # given
    lines = [
        summed(day, "contract_liability", 5), summed(day, "cash", 0),
        summed(day, "revenue_usage", -5), summed(day, "cash", 7, product="pro"),
        summed(day, "contract_liability", -7, product="pro"),
        summed(day, "cash", 0, product="quiet"),
    ]  # fmt: skip
    # when
    found = list(summaries(lines, detail, "USD"))  # type: ignore[arg-type]
    # then: zeros are left out, and of an entry all that is zero
    assert [each.number for each in found] == numbers
    assert all(len(f"CF-{number}") <= 21 for number in numbers)
    assert [[(line.account, line.minor) for line in each.lines] for each in found] == [
        [("contract_liability", 5), ("revenue_usage", -5)],
        [("cash", 7), ("contract_liability", -7)],
    ]


def test_what_only_the_functional_currency_sees_is_in_no_text() -> None:
    lines = (ExportLine("receivable", 0, 3), ExportLine("fx_gain_loss", 0, -3))
    remeasured = ExportEntry(**{name: getattr(YEN, name) for name in YEN.__slots__})
    object.__setattr__(remeasured, "lines", lines)
    assert list(with_amounts(iter([USAGE, remeasured]))) == [USAGE]


@pytest.mark.parametrize("path", [AccountNames.path, AccountNames.beancount])
def test_names_end_in_the_key_unless_mapped(path: Callable[[AccountNames, str], str]) -> None:
    assert path(AccountNames(), "revenue_usage").lower().replace("-", "_").endswith("revenue_usage")
