"""The schema as it is served: types, caches, gate, and what a client sees of errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import strawberry
from graphql import GraphQLError
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from interfaces.graphql.context import RequestContext
from interfaces.graphql.documents import Reading
from interfaces.graphql.errors import presented
from interfaces.graphql.mutations import Mutation
from interfaces.graphql.problems import PeriodClosed
from interfaces.graphql.queries import Query
from interfaces.graphql.scalars import SCALARS
from interfaces.graphql.subscriptions import Subscription

MOST_COMPARISONS = 20_000

# Validation compares repeated fields in pairs; graphql-core's own limit lets it run for seconds.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MOST_COMPARISONS


class LedgerSchema(strawberry.Schema):
    """Every error leaves with a code; what is our own fault leaves with a request id."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here: texts of errors may hold what a client sent."""

    async def execute(  # noqa: PLR0917 - the library's signature
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        context_value.operation_name = operation_name
        result = await super().execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed_operation_types,
            operation_extensions,
        )
        return _presented(result, context_value)

    async def stream(  # noqa: PLR0917 - likewise
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[Any, None]:
        context_value.operation_name = operation_name
        results = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )
        return _each_presented(results, context_value)


async def _each_presented(
    results: AsyncGenerator[Any, None], context: Any
) -> AsyncGenerator[Any, None]:
    try:
        async for result in results:
            yield _presented(result, context)
    except Exception as failure:  # noqa: BLE001 - `execute` answers it, so does this
        error = failure if isinstance(failure, GraphQLError) else _wrapped(failure)
        yield _presented(PreExecutionError(data=None, errors=[error]), context)
    finally:
        await results.aclose()


def _wrapped(failure: Exception) -> GraphQLError:
    return GraphQLError("", original_error=failure)


def _presented(result: ExecutionResult, context: Any) -> ExecutionResult:
    if result.errors:
        assert isinstance(context, RequestContext)
        executed = not isinstance(result, PreExecutionError)
        request_id = context.caller.request_id
        result.errors = [
            presented(error, executed=executed, request_id=request_id) for error in result.errors
        ]
    return result


schema = LedgerSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[PeriodClosed],
    config=StrawberryConfig(auto_camel_case=True, scalar_map=SCALARS),
    extensions=[Reading],
)
