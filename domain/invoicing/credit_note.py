"""A credit note: the reduction of an invoice, with a number of its own."""

from __future__ import annotations

from domain.aggregate import Aggregate
from domain.identity import derived_id
from domain.invoicing.events import CreditNoteIssued


def credit_note_id(tenant: str, key: str) -> str:
    return derived_id("creditNote", tenant, key)


class CreditNote(Aggregate):
    TOPIC = "credit_note"
    issued: CreditNoteIssued

    @property
    def total_minor(self) -> int:
        return self.issued.net_minor + self.issued.tax_minor
