"""What of the journal a request reads of grants and charges, batched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread
from strawberry.dataloader import DataLoader

from domain.revenue.journal import JournalEntry
from domain.revenue.schedule import ScheduleRow
from projections.finance_queries import FINANCE_MODELS

if TYPE_CHECKING:
    from interfaces.graphql.context import RequestContext

T = TypeVar("T")
_Read = Callable[[str, Sequence[str]], Mapping[str, list[T]]]


class FinanceLoaders:
    """Reads once the journal shows what the client knows of."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context

    @cached_property
    def schedules(self) -> DataLoader[str, list[ScheduleRow]]:
        """Of grants, by month."""
        return self._batched(self._context.runtime.read_models.grant_schedules)

    @cached_property
    def entries(self) -> DataLoader[str, list[JournalEntry]]:
        """Of charges, by number."""
        return self._batched(self._context.runtime.read_models.entries_of_charges)

    def _batched(self, read: _Read[T]) -> DataLoader[str, list[T]]:
        async def load(ids: list[str]) -> list[list[T]]:
            context = self._context
            await context.wait_for_lists(None, FINANCE_MODELS)
            found = await to_thread.run_sync(read, context.caller.tenant_id, ids)
            return [found.get(each, []) for each in ids]

        return DataLoader(load)
