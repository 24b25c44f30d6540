"""What a month must stand up to in the read models before it closes.

Wallets and journal are compared at one position of the log, in one snapshot of the database:
none is taken but where `balances` and `journal` stand together, which they do between two
batches. Nobody's folding waits for it, however long the month.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic, sleep

from domain.money.currencies import EXPONENTS
from domain.money.decimals import decimal_of
from domain.revenue.liability import liability_months_of
from domain.revenue.period import Check, Inspection
from domain.revenue.trial_balance import Balance, trial_balance_hash
from projections import positions
from projections.database import Connection, Connections
from projections.finance_queries import (
    JOURNAL_SUMS,
    LIABILITY_SUMS,
    TRIAL_BALANCE,
    balances_from,
    liability_sums_from,
)
from projections.tables import Location
from projections.tie_out import tie_out

PATIENCE_SECONDS = 20.0
_GLANCE_SECONDS = 0.02

_BALANCED = """
    SELECT count(*), count(*) FILTER (
        WHERE (SELECT sum(amount) FROM unnest(amounts) AS amount) <> 0
        OR (SELECT sum(amount) FROM unnest(functional) AS amount) <> 0
    ) FROM {journal} WHERE tenant = %(tenant)s AND period = %(month)s
"""
_SUMMED = """
    SELECT count(*) FROM (
        SELECT currency, fact, account, sum(greatest(amount, 0)) AS debit,
            sum(greatest(-amount, 0)) AS credit
        FROM {journal}, unnest(accounts, amounts) AS line (account, amount)
        WHERE tenant = %(tenant)s AND period = %(month)s GROUP BY currency, fact, account
    ) AS lines FULL JOIN (
        SELECT currency, fact, account, sum(debit) AS debit, sum(credit) AS credit
        FROM {journal_sums}
        WHERE tenant = %(tenant)s AND period = %(month)s GROUP BY currency, fact, account
    ) AS sums USING (currency, fact, account)
    WHERE (lines.debit, lines.credit) IS DISTINCT FROM (sums.debit, sums.credit)
"""


class CloseChecks:
    """connections: of the role that writes read models."""

    def __init__(self, connections: Connections, location: Location) -> None:
        self._connections = connections
        self._location = location

    def inspect(self, tenant_id: str, month: str, at_least: int) -> Inspection:
        """Look at a month once the read models have passed position `at_least`.

        Raises psycopg.Error.
        """
        deadline = monotonic() + PATIENCE_SECONDS
        with self._connections.connection() as connection:
            while True:
                with connection.transaction():
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    at = positions.read(connection, self._location, ["balances", "journal"])
                    wallets, journal = at["balances"], at["journal"]
                    if monotonic() >= deadline or wallets == journal >= at_least:
                        return self._inspect(
                            connection, tenant_id, month, at_least, wallets, journal
                        )
                sleep(_GLANCE_SECONDS)

    def _inspect(
        self,
        connection: Connection,
        tenant_id: str,
        month: str,
        at_least: int,
        wallets: int,
        journal: int,
    ) -> Inspection:
        told = f"at position {journal}"
        if not wallets == journal >= at_least:
            told = (
                f"position {at_least} is wanted: wallets are at {wallets}, the journal at {journal}"
            )
        asked = {"tenant": tenant_id, "until": month}
        sums = self._location.query(JOURNAL_SUMS)
        balances = balances_from(
            connection.execute(self._location.query(TRIAL_BALANCE, sums=sums), asked)
        )
        moved = liability_sums_from(
            connection.execute(self._location.query(LIABILITY_SUMS, sums=sums), asked)
        )
        checks = (
            Check("read_models_current", wallets == journal >= at_least, told),
            self._journal_balanced(connection, tenant_id, month),
            _rollforward_ties(month, moved, balances),
            self._wallets_tie(connection, tenant_id),
        )
        return Inspection(journal, trial_balance_hash(month, balances), checks)

    def _journal_balanced(self, connection: Connection, tenant_id: str, month: str) -> Check:
        asked = {"tenant": tenant_id, "month": month}
        row = connection.execute(self._location.query(_BALANCED), asked).fetchone()
        assert row is not None
        entries, unbalanced = row
        row = connection.execute(self._location.query(_SUMMED), asked).fetchone()
        assert row is not None
        (unlike,) = row
        told = f"{entries} entries balance and their sums are those of the accounts"
        if unbalanced or unlike:
            told = f"{unbalanced} of {entries} entries do not balance, {unlike} sums differ"
        return Check("journal_balanced", not unbalanced and not unlike, told)

    def _wallets_tie(self, connection: Connection, tenant_id: str) -> Check:
        assets, money = tie_out(connection, self._location, tenant_id)
        told = [
            f"{each.differing} grants of {each.asset}: wallets have "
            f"{decimal_of(each.wallets, each.scale)}, the books "
            f"{decimal_of(each.books, each.scale)}"
            for each in assets
            if each.differing
        ]
        told += [
            f"{each.currency}: the journal has {_money(each.journal, each.currency)}, grants "
            f"{_money(each.grants, each.currency)}, schedules "
            f"{_money(each.schedules, each.currency)}, accrued "
            f"{_money(each.accrued, each.currency)}"
            for each in money
            if not each.ties
        ]
        if told:
            return Check("wallets_tie", passed=False, detail="; ".join(told))
        liability = ", ".join(f"{t.currency} {_money(t.grants, t.currency)}" for t in money)
        return Check("wallets_tie", passed=True, detail=liability or "nothing is owed")


def _rollforward_ties(
    month: str,
    moved: Mapping[str, list[tuple[str, str, str, int]]],
    balances: Iterable[Balance],
) -> Check:
    closing = {
        each.currency: -each.closing for each in balances if each.account == "contract_liability"
    }
    told: list[str] = []
    passed = True
    for currency, sums in sorted(moved.items()):
        (row,) = liability_months_of(sums, {}, (month, month))
        told.append(f"{currency} {_money(row.closing, currency)}")
        if row.other or row.closing != closing.get(currency, 0):
            passed = False
            told[-1] += f", {_money(row.other, currency)} unexplained"
    return Check("rollforward_ties", passed, "; ".join(told) or "nothing moved")


def _money(minor: int, currency: str) -> str:
    return decimal_of(minor, EXPONENTS[currency])
