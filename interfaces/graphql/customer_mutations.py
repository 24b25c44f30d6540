"""What is changed of a customer."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.scalars import JSON

from application.commands import requests
from interfaces.graphql.commands import perform
from interfaces.graphql.context import Info
from interfaces.graphql.fields import answering
from interfaces.graphql.inputs import said
from interfaces.graphql.results import UpdateCustomerResult


@strawberry.type
class CustomerMutations:
    @answering(
        UpdateCustomerResult,
        "What is left out stays; null takes name, email or metadata away. A new timezone takes "
        "effect from the next cycle.",
    )
    async def update_customer(
        self,
        info: Info,
        *,
        id: strawberry.ID,
        name: str | None = strawberry.UNSET,
        email: str | None = strawberry.UNSET,
        timezone: str | None = strawberry.UNSET,
        metadata: JSON | None = strawberry.UNSET,
    ) -> object:
        private: dict[str, Any] = {}
        for field, value in (("name", name), ("email", email), ("metadata", metadata)):
            if value is not strawberry.UNSET:
                private[field] = value or None
        return await perform(info, lambda: requests.UpdateCustomer(id, said(timezone), private))
