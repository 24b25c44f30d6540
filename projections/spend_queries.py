"""What lists about spending answer, from the read models."""

from __future__ import annotations

from domain.wallet.derived_budgets import BudgetCounted
from projections.budgets import DERIVED_BUDGETS, counted_of
from projections.tenant_rows import TenantRows


class SpendQueries(TenantRows):
    """Part of `ReadModels`."""

    def derived_budgets(self, tenant_id: str, wallet_id: str) -> dict[str, BudgetCounted]:
        """Return what each derived budget of a wallet last told, by its id."""
        rows = self._rows(
            tenant_id,
            "SELECT {columns} FROM {derived_budgets}"
            " WHERE tenant = %(tenant)s AND wallet_id = %(wallet)s",
            {"wallet": wallet_id},
            columns=DERIVED_BUDGETS.selected(),
        )
        counted = map(counted_of, map(DERIVED_BUDGETS.row_of, rows))
        return {event.originator_id: event for event in counted}
