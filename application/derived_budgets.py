"""What derived budgets have spent, as a batch loads it and leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from application.budgets import derived_budget
from domain.aggregate import Event
from domain.wallet.derived_budgets import (
    BudgetCounted,
    BudgetTemplate,
    DerivedBudget,
    derived_budget_id,
    derived_subjects,
)
from domain.wallet.wallet import Wallet

Templates = tuple[BudgetTemplate, ...]


class LatestEvents(Protocol):
    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]: ...


class DerivedBudgets:
    """By wallet and by id; None for one that has spent nothing yet.

    Loaded anew by each batch: whoever counts holds the wallet, so an old figure ends as a
    unique violation and the batch is decided again. templates: the tenant's.
    """

    def __init__(self, log: LatestEvents) -> None:
        self._log = log
        self._known: dict[str, dict[str, BudgetCounted | DerivedBudget | None]] = {}

    def prefetch(
        self, tenant_id: str, templates: Templates, usage: Iterable[tuple[str, str | None]]
    ) -> None:
        """Load what events of (wallet id, subject) may be counted against, in one go."""
        if not templates:
            return
        missing: dict[str, str] = {}
        for wallet_id, subject in usage:
            known = self._known.setdefault(wallet_id, {})
            for template, prefix in derived_subjects(templates, subject):
                budget_id = derived_budget_id(wallet_id, template.template_id, prefix)
                if budget_id not in known:
                    missing[budget_id] = wallet_id
        self._load(tenant_id, missing)

    def of(
        self,
        tenant_id: str,
        templates: Templates,
        wallet: Wallet,
        subject: str | None,
        at: datetime,
    ) -> list[DerivedBudget]:
        """Return the budgets that templates make for an event, as this batch has left them."""
        if not templates or subject is None:
            return []
        self.prefetch(tenant_id, templates, [(wallet.id, subject)])
        return [
            self._budget(wallet, template, prefix, at)
            for template, prefix in derived_subjects(templates, subject)
        ]

    def counted_before(
        self,
        tenant_id: str,
        templates: Templates,
        wallet: Wallet,
        ids: Sequence[str],
        at: datetime,
    ) -> list[DerivedBudget]:
        """Return those of the budgets that a template still makes, and that have spent."""
        of_template = {each.template_id: each for each in templates}
        if not of_template:
            return []
        known = self._known.setdefault(wallet.id, {})
        self._load(tenant_id, {each: wallet.id for each in ids if each not in known})
        budgets: list[DerivedBudget] = []
        for budget_id in ids:
            kept = known[budget_id]
            if kept is not None and kept.template_id in of_template:
                template = of_template[kept.template_id]
                budgets.append(self._budget(wallet, template, kept.subject, at))
        return budgets

    def forget(self, wallet_id: str) -> None:
        """Let go of what was loaded for a wallet that others have moved."""
        self._known.pop(wallet_id, None)

    def _load(self, tenant_id: str, missing: dict[str, str]) -> None:
        """missing: wallet ids by the ids of budgets."""
        found = self._log.latest(tenant_id, list(missing)) if missing else {}
        for budget_id, wallet_id in missing.items():
            event = found.get(budget_id)
            counted = event if isinstance(event, BudgetCounted) else None
            self._known.setdefault(wallet_id, {})[budget_id] = counted

    def _budget(
        self, wallet: Wallet, template: BudgetTemplate, subject: str, at: datetime
    ) -> DerivedBudget:
        known = self._known[wallet.id]
        budget_id = derived_budget_id(wallet.id, template.template_id, subject)
        kept = known[budget_id]
        if not isinstance(kept, DerivedBudget):
            kept = known[budget_id] = derived_budget(wallet, template, subject, kept, at)
        kept.limit_units = template.limit_units
        return kept
