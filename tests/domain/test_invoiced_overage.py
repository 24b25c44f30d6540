"""Overage that is on an invoice and has to go back: the invoice stays, credits make it good."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from application.commands.catalog_requests import PriceSaid
from application.commands.invoice_requests import (
    CreditedLine,
    IssueCreditNote,
    IssueInvoice,
    RecordPayment,
    VoidInvoice,
)
from application.commands.requests import (
    RecordUsage,
    RefundCharge,
    RerateWallet,
    SetExchangeRate,
    SetOverageLimit,
    WithdrawCharge,
)
from domain import identity
from domain.grants.grant import CreditGrant
from domain.invoicing.billing import BillingAccount, billing_id
from domain.invoicing.draft import Draft, DraftCycle, DraftLine
from domain.invoicing.events import BilledOverage
from domain.invoicing.invoice import Invoice
from domain.money.decimals import decimal_of
from domain.money.exact import exact_value
from domain.refusals import InvalidState
from domain.usage.charge import UsageCharge
from domain.wallet import overage, payers
from tests.accountant import balances, journal
from tests.books import Books, reloaded
from tests.catalogue import R1_TIERS, amounts, meter, publish, said_price, use

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
ACME = "ext:acme"
CYCLE = "month:2026-01"


@pytest.fixture
def books() -> Books:
    """acme pays in arrears, in CREDIT at $0.50 and in USD."""
    books = Books(JANUARY)
    books.customer()
    books.do(SetExchangeRate("CREDIT", "USD", "0.5", JANUARY))
    for asset in ("USD", "CREDIT"):
        books.do(SetOverageLimit(ACME, asset, "1000000"))
    meter(books, "tokens")
    meter(books, "level", "LATEST")
    return books


def invoice(books: Books, asset: str = "USD", price: str = "1") -> Invoice:
    """Issue an invoice of all overage of an asset that is on none."""
    account = books.account(asset)
    ranges = tuple(account.unbilled())
    units = overage.length(ranges)
    exact = exact_value(units, account.scale, price)
    line = DraftLine(CYCLE, "tokens", None, price, exact, 1, units, "tokens", asset)
    cycle = DraftCycle(CYCLE, "2026-01", exact, 0)
    customer = identity.customer_id(books.tenant_id, "acme")
    billing = BillingAccount.fold(books.log.stream(billing_id(books.tenant_id, customer)))
    version = billing.version if billing is not None else 0
    draft = Draft("USD", version, (line,), (cycle,), (BilledOverage(asset, ranges),))
    issued: Invoice = books.do(IssueInvoice(ACME, "USD", draft)).invoice
    return issued


def compensations(books: Books, asset: str = "USD") -> list[CreditGrant]:
    grants = books.account(asset).grants
    return [books.grant_state(grant_id) for grant_id in grants]


def worth(books: Books, asset: str = "USD") -> list[tuple[str, str, str]]:
    """Return each grant's source, amount and basis."""
    told: list[tuple[str, str, str]] = []
    for grant in compensations(books, asset):
        issued, basis = grant.issued, grant.issued.cost_basis
        assert basis is not None
        scale = books.account(asset).scale
        amount = decimal_of(issued.amount_units, scale)
        told.append((issued.source, amount, decimal_of(basis.paid.units, 9)))
    return told


def net(books: Books, charge: UsageCharge) -> str:
    again = UsageCharge.fold(books.log.stream(charge.id))
    assert again is not None
    return decimal_of(again.net_units, books.account(charge.asset).scale)


def volume(**terms: str) -> PriceSaid:
    return said_price("tokens", "VOLUME", tiers=R1_TIERS, **terms)


def test_a_line_below_zero_is_made_good_where_its_overage_was_invoiced(books: Books) -> None:
    # given
    publish(books, "api", volume())
    first = use(books, "a", "tokens", "990")
    issued = invoice(books)
    # when the tier of all units is reached
    credit = use(books, "b", "tokens", "20")
    # then
    assert amounts(first, credit) == ["99", "-18.2"]
    assert decimal_of(credit.overage_units, 9) == "-18.2"
    assert worth(books) == [("COMPENSATION", "18.2", "18.2")]
    assert books.available("USD") == "-80.8"
    assert decimal_of(credit.balance_after_units, 9) == "-80.8"
    (total,) = books.wallet().totals.by_key.values()
    assert decimal_of(total.amount_units, 9) == "80.8"
    assert journal(books)[-1] == {"revenue_usage": "18.20", "contract_liability": "-18.20"}
    again = Invoice.fold(books.log.stream(issued.id))
    assert again is not None
    assert (again.due_minor, again.status) == (9900, "ISSUED")
    # when the credits are used
    use(books, "c", "tokens", "100")
    # then
    assert books.available("USD") == "-88.8"
    assert balances(books) == {"receivable": "99.00", "contract_liability": "-10.20",
                               "revenue_usage": "-88.80"}  # fmt: skip


def test_of_what_goes_back_only_what_is_invoiced_is_made_good(books: Books) -> None:
    # given
    publish(books, "api", said_price("level", "UNIT", unit_price="1"))
    use(books, "a", "level", "30")
    invoice(books)
    use(books, "b", "level", "50")
    # when
    credit = use(books, "c", "level", "10")
    # then
    assert amounts(credit) == ["-40"]
    assert worth(books) == [("COMPENSATION", "20", "20")]
    assert decimal_of(books.account("USD").owed_units, 9) == "30"
    assert books.available("USD") == "-10"
    # when it rises again, and falls
    use(books, "d", "level", "35")
    use(books, "e", "level", "0")
    # then
    assert books.available("USD") == "0"
    (total,) = books.wallet().totals.by_key.values()
    assert total.amount_units == 0


@pytest.mark.parametrize("paid", [False, True])
def test_a_withdrawn_charge_is_made_good(books: Books, paid: bool) -> None:
    # given
    publish(books, "api", said_price("tokens", "UNIT", unit_price="2", asset="CREDIT"))
    charge = use(books, "a", "tokens", "30")
    issued = invoice(books, "CREDIT", "0.5")
    if paid:
        books.do(RecordPayment(issued.id, "30", "wire"))
    with pytest.raises(InvalidState, match="issue a credit note"):
        books.do(RefundCharge(charge.id, "t", "r"))
    # when
    books.do(WithdrawCharge(charge.id, "t"))
    # then
    assert net(books, charge) == "0"
    assert worth(books, "CREDIT") == [("COMPENSATION", "60", "30")]
    assert books.available() == ("60" if paid else "0")
    assert journal(books)[-1] == {"revenue_usage": "30.00", "contract_liability": "-30.00"}
    assert "revenue_usage" not in balances(books)
    rows = len(books.log.rows)
    books.do(WithdrawCharge(charge.id, "t"))
    assert len(books.log.rows) == rows


def test_a_charge_rated_anew_is_made_good(books: Books) -> None:
    # given
    publish(books, "api", said_price("tokens", "UNIT", unit_price="3"))
    charge = use(books, "a", "tokens", "30")
    invoice(books)
    use(books, "b", "tokens", "10")
    books.later(days=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # when
    wallet_id = books.wallet().id
    command = RerateWallet(wallet_id, "api", 2, JANUARY, FEBRUARY, "typed wrong", dry=False)
    books.do(command)
    # then
    assert net(books, charge) == "30"
    assert worth(books) == [("COMPENSATION", "60", "60")]
    assert decimal_of(books.account("USD").owed_units, 9) == "100"
    assert balances(books) == {
        "receivable": "90.00", "unbilled_receivable": "10.00", "contract_liability": "-60.00",
        "revenue_usage": "-40.00",
    }  # fmt: skip
    assert books.do(command).charges == 0


def test_what_a_credit_note_gave_back_does_not_go_back_again(books: Books) -> None:
    # given
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    first, second = use(books, "a", "tokens", "60"), use(books, "b", "tokens", "40")
    issued = invoice(books)
    books.do(IssueCreditNote(issued.id, (CreditedLine(1, "40"),), "faulty", "n"))
    # when
    books.do(WithdrawCharge(second.id, "t"))
    # then
    assert not compensations(books)
    assert net(books, second) == "40"
    # when
    books.do(WithdrawCharge(first.id, "t"))
    # then
    assert worth(books) == [("COMPENSATION", "60", "60")]
    assert balances(books)["receivable"] == "60.00"


def test_known_payers_learn_of_a_credit_note(books: Books) -> None:
    # given
    publish(books, "api", said_price("level", "UNIT", unit_price="1"))
    use(books, "a", "level", "30")
    issued = invoice(books)
    books.do(IssueCreditNote(issued.id, (CreditedLine(1, "10"),), "faulty", "n"))
    # when
    credit = use(books, "b", "level", "0")
    # then
    assert amounts(credit) == ["-20"]
    assert worth(books) == [("COMPENSATION", "20", "20")]
    wallet = books.wallet()
    assert reloaded(wallet).state() == wallet.state()


def test_a_credit_note_that_parts_what_is_kept_leaves_the_newest(books: Books) -> None:
    # given a wallet that keeps one range of overage: what paid for a level that fell, which is
    # invoiced, and more pay for another that rose
    for key in ("falls", "rises"):
        meter(books, key, "LATEST", event_type="levels", property=key)
    publish(books, "api", *(said_price(key, "UNIT", unit_price="1") for key in ("falls", "rises")))
    with patch.object(payers, "MOST_KEPT", 1):
        use(books, "a", "levels", properties={"falls": 5, "rises": 0})
        issued = invoice(books)
        books.later(minutes=1)
        use(books, "b", "levels", properties={"falls": 0, "rises": 9})
        # when
        books.do(IssueCreditNote(issued.id, (CreditedLine(1, "2"),), "faulty", "n"))
        # then
        wallet = books.wallet()
        assert [len(each.overage) for each in wallet.totals.payers.values()] == [0, 1]
        assert reloaded(wallet).state() == wallet.state()


def test_after_a_void_the_overage_is_forgiven(books: Books) -> None:
    # given
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    charge = use(books, "a", "tokens", "60")
    issued = invoice(books)
    books.do(VoidInvoice(issued.id, "wrong"))
    # when
    books.do(WithdrawCharge(charge.id, "t"))
    # then
    assert not compensations(books)
    assert books.account("USD").owed_units == 0
    assert not any(int(each.replace(".", "")) for each in balances(books).values())


def test_a_dry_run_says_the_balance_that_would_be(books: Books) -> None:
    # given
    publish(books, "api", said_price("level", "UNIT", unit_price="1"))
    use(books, "a", "level", "30")
    invoice(books)
    rows = len(books.log.rows)
    # when
    said = books.do(RecordUsage("b", ACME, "level", quantity="10", dry=True)).charge
    # then
    assert decimal_of(said.balance_after_units, 9) == "-10"
    assert len(books.log.rows) == rows


def test_what_a_credit_note_gave_back_stays_out_of_re_rating(books: Books) -> None:
    # given
    publish(books, "api", said_price("tokens", "UNIT", unit_price="2"))
    charge = use(books, "a", "tokens", "50")
    issued = invoice(books)
    books.do(IssueCreditNote(issued.id, (CreditedLine(1, "50"),), "faulty", "n"))
    books.later(days=1)
    publish(books, "api", said_price("tokens", "UNIT", unit_price="1"))
    # when
    wallet_id = books.wallet().id
    command = RerateWallet(wallet_id, "api", 2, JANUARY, FEBRUARY, "typed wrong", dry=False)
    books.do(command)
    # then half of what was not credited goes back
    assert worth(books) == [("COMPENSATION", "25", "25")]
    assert net(books, charge) == "75"
    assert books.do(command).charges == 0
    # when
    books.do(WithdrawCharge(charge.id, "t"))
    # then
    assert sum(int(amount) for _, amount, _ in worth(books)) == 50
