"""However many have paid for a price, a wallet keeps the newest of them."""

from __future__ import annotations

from datetime import UTC, datetime

from application.commands.requests import SetOverageLimit, WithdrawCharge
from domain.money.decimals import decimal_of
from domain.wallet import payers
from tests.books import Books, reloaded
from tests.catalogue import amounts, meter, publish, said_price, use

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def test_state_does_not_grow_with_the_charges_of_a_cycle() -> None:
    # given a level that rises while other usage comes between, all of it overage
    books = Books(JANUARY)
    books.customer()
    books.do(SetOverageLimit("ext:acme", "USD", None))
    meter(books, "level", "LATEST")
    meter(books, "calls")
    publish(
        books,
        "api",
        said_price("level", "UNIT", unit_price="1"),
        said_price("calls", "UNIT", unit_price="1"),
    )
    # when
    steps = payers.MOST_KEPT + 30
    first = use(books, "l0", "level", "1")
    use(books, "c0", "calls", "1")
    for step in range(1, steps):
        use(books, f"l{step}", "level", str(step + 1))
        use(books, f"c{step}", "calls", "1")
    # then
    (kept,) = books.wallet().totals.payers.values()
    assert len(kept.overage) == payers.MOST_KEPT
    assert not kept.complete
    # when it falls by what is kept, and by more than that
    some = use(books, "some", "level", str(steps - 5))
    most = use(books, "most", "level", "3")
    # then
    assert amounts(some, most) == ["-5", str(-(steps - 8))]
    assert books.available("USD") == f"-{steps + 3}"
    wallet = books.wallet()
    assert reloaded(wallet).state() == wallet.state()
    # when
    books.do(WithdrawCharge(first.id, "t"))
    use(books, "none", "level", "0")
    # then
    assert decimal_of(books.account("USD").owed_units, 9) == str(steps)
