"""The door to the schema, whatever the transport.

Over HTTP: `run`, once a request. Over a WebSocket: `schema.stream`, once an operation;
both pass the same gate, parse and validate once a text, and mask what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from interfaces.graphql.context import RequestContext
from interfaces.graphql.errors import api_error, bad_input
from interfaces.graphql.schema import schema

__all__ = ["run", "schema"]

_OVER_HTTP = (OperationType.QUERY, OperationType.MUTATION)


async def run(
    text: str,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
    context: RequestContext,
) -> ExecutionResult:
    """Execute a query or a mutation. Never raises what a client has caused."""
    try:
        result = await schema.execute(
            text,
            variable_values=None if variables is None else dict(variables),
            context_value=context,
            operation_name=operation_name,
            allowed_operation_types=_OVER_HTTP,
        )
        # An answer without a position is one too.
        with suppress(psycopg.OperationalError):
            await context.note_what_was_read()
        return result
    except MissingQueryError:
        error = bad_input("query: must not be empty")
    except CannotGetOperationTypeError as failure:
        error = bad_input(failure.as_http_error_reason())
    except InvalidOperationTypeError:
        error = api_error("BAD_USER_INPUT", "subscriptions are served over a WebSocket only")
    return PreExecutionError(data=None, errors=[error])
