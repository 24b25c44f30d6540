"""What every resolver is given: who asks, of what, and what has been read so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import strawberry
from graphql import DocumentNode

from application.caller import Caller
from interfaces.graphql.finance_loaders import FinanceLoaders
from interfaces.graphql.loaders import Loaders
from projections.queries import LISTED_MODELS

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

Gate = Callable[[DocumentNode, Mapping[str, Any] | None, str | None], None]
"""Looks at a parsed document, its variables and the operation's name before validation;
raises GraphQLError to refuse it."""


@dataclass(kw_only=True, slots=True)
class RequestContext:
    """One operation of one caller.

    min_position: the client's `Counterfoil-Position`, never answered from before it;
    position: what goes back in that header. extensions: what goes into the answer's.
    operation_name: as the client said it.
    """

    runtime: Runtime
    caller: Caller
    scopes: frozenset[str]
    gate: Gate
    min_position: int = 0
    position: int = 0
    extensions: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    loaders: Loaders = field(init=False)
    finance: FinanceLoaders = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.min_position
        self.renew()

    def renew(self) -> None:
        """Forget what was read: something has changed since."""
        self.loaders = Loaders(self.runtime.reader, self.caller.tenant_id)
        self.finance = FinanceLoaders(self)

    def reached(self, position: int) -> None:
        """Note that what is answered reflects the log up to `position`."""
        self.position = max(self.position, position)

    async def note_what_was_read(self) -> None:
        """Let the answer of a query carry a position, so that the next is not from before."""
        if self.loaders.used and self.position <= self.min_position:
            self.reached(await self.loaders.newest_position())

    async def wait_for_lists(
        self, customer_id: str | None, models: Sequence[str] = LISTED_MODELS
    ) -> None:
        """Let read models reach what the client knows of; say so if they do not in time."""
        self.loaders.used = True
        behind = await self.runtime.wait_for_lists(
            self.caller.tenant_id, customer_id, self.min_position, models
        )
        if behind:
            self.extensions["lists"] = {"behind": behind}


Info = strawberry.Info[RequestContext, None]
