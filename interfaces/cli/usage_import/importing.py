"""Rows in, a thousand at a time: customers made where they are asked for, usage charged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from application.caller import Caller
from application.commands.answers import ChargeAnswer, CustomerAnswer
from application.commands.requests import Command, CreateCustomer, IssueGrant, RecordUsage
from domain.identity import derived_id
from domain.refusals import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    NotFound,
    Overloaded,
    Refusal,
)
from interfaces.cli.failures import Unreachable
from interfaces.cli.usage_import.bad_row import BadRow
from interfaces.cli.usage_import.conversion import Converter
from interfaces.cli.usage_import.report import ImportTally, Rejections
from interfaces.cli.usage_import.rows import Row

if TYPE_CHECKING:
    from application.ledger import Ledger, Outcome
    from domain.wallet.events import WalletMode
    from interfaces.cli.progress import Reached

BATCH = 1_000
BAD_ROW = "BAD_ROW"
MADE_BY = {"createdBy": "import-usage"}


@dataclass(frozen=True, slots=True)
class NewCustomers:
    """How customers that do not exist are made. grant: of the asset, to each; None: none."""

    mode: WalletMode
    grant: str | None
    asset: str

    def creation(self, external_id: str) -> CreateCustomer:
        return CreateCustomer(external_id, metadata=MADE_BY, mode=self.mode)

    def starting_grant(self, external_id: str) -> IssueGrant:
        assert self.grant is not None
        return IssueGrant(
            derived_id("starting-grant", external_id), f"ext:{external_id}", self.asset,
            self.grant, "PROMOTIONAL", metadata=MADE_BY,
        )  # fmt: skip


class UsageImport:
    """Charges rows; counts what came of each."""

    def __init__(
        self,
        ledger: Ledger,
        caller: Caller,
        converter: Converter,
        *,
        new_customers: NewCustomers | None,
        tally: ImportTally,
        rejections: Rejections,
    ) -> None:
        self._ledger = ledger
        self._caller = caller
        self._converter = converter
        self._new_customers = new_customers
        self._tally = tally
        self._rejections = rejections
        self._seen: set[str] = set()

    def charge(self, rows: Iterable[Row], reached: Reached) -> None:
        """Charge the rows in order. Raises Unreachable, OutcomeUnknown; then the same import,
        run again, does the rest.
        """
        batch: list[tuple[Row, str, RecordUsage]] = []
        for ordinal, row in enumerate(rows):
            self._tally.rows += 1
            try:
                if row.bad is not None:
                    raise row.bad
                external_id = self._converter.external_id(row, ordinal)
                batch.append((row, external_id, self._converter.usage(row, external_id)))
            except BadRow as bad:
                self._rejections.add(row.number, BAD_ROW, bad.column, str(bad), bad.reason)
            if len(batch) == BATCH:
                self._settle(batch)
                reached(self._tally.rows)
                batch = []
        self._settle(batch)
        reached(self._tally.rows)

    def _settle(self, batch: Sequence[tuple[Row, str, RecordUsage]]) -> None:
        self._admit(external_id for _, external_id, _ in batch)
        outcomes = self._execute([usage for _, _, usage in batch])
        for (row, _, _), outcome in zip(batch, outcomes, strict=True):
            answer = outcome.answer
            if isinstance(answer, ChargeAnswer):
                self._count(answer)
            else:
                assert outcome.refusal is not None
                self._reject(row, outcome.refusal)

    def _count(self, answer: ChargeAnswer) -> None:
        charge, tally = answer.told, self._tally
        if answer.replayed:
            tally.replayed += 1
            return
        if charge.status == "OBSERVED":
            tally.observed += 1
        else:
            tally.settled += 1
        asset = self._converter.asset(charge.asset)
        assert asset is not None
        tally.amounts[asset.key, asset.scale] += charge.amount_units

    def _reject(self, row: Row, refusal: Refusal) -> None:
        column: str | None = None
        kind: str | None = None
        mapping = self._converter.mapping
        match refusal:
            case InvalidInput(field=field):
                column = mapping.column_of(field)
            case IdempotencyConflict(field=field):
                column = mapping.column_of(field)
                kind = f"an event of this id was charged before with another {field}"
            case NotFound(what=what):
                column = mapping.column_of("customerId") if what == "customer" else None
                kind = f"no such {what}"
                if what == "customer" and self._new_customers is None:
                    kind += ": create it first, or say --create-customers"
            case InsufficientFunds(asset=asset):
                kind = f"the wallet has not enough {asset}"
            case _:
                pass
        self._rejections.add(row.number, refusal.code, column, str(refusal), kind)

    # Customers

    def _admit(self, external_ids: Iterable[str]) -> None:
        """Make the customers of a batch that are met for the first time, if that is asked."""
        fresh = [each for each in dict.fromkeys(external_ids) if each not in self._seen]
        self._seen.update(fresh)
        self._tally.customers = len(self._seen)
        new = self._new_customers
        if new is None or not fresh:
            return
        outcomes = self._execute([new.creation(each) for each in fresh])
        ours: list[str] = []
        for external_id, outcome in zip(fresh, outcomes, strict=True):
            # One that was made otherwise is a conflict, and stays as it is.
            if isinstance(outcome.answer, CustomerAnswer):
                ours.append(external_id)
                self._tally.created += not outcome.answer.replayed
        if new.grant is None:
            return
        # Sent again to those that an import made before: one that was cut off is made whole.
        for outcome in self._execute([new.starting_grant(each) for each in ours]):
            refusal = outcome.refusal
            if refusal is not None and not isinstance(refusal, IdempotencyConflict):
                raise refusal

    def _execute(self, commands: Sequence[Command]) -> list[Outcome]:
        outcomes = self._ledger.execute(self._caller, commands)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if isinstance(outcome.refusal, Overloaded):
                raise Unreachable(
                    "The database does not keep up. Run the same import again: "
                    "what is in is not charged twice."
                )
        return outcomes
