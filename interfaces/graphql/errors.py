"""GraphQL errors: what is wrong with a request itself, never with the business of it.

code                        meaning
GRAPHQL_PARSE_FAILED        the text is no GraphQL
GRAPHQL_VALIDATION_FAILED   it asks for what the schema does not have
BAD_USER_INPUT              a value that no typed problem can answer for
QUERY_TOO_COMPLEX           a limit of the gate
FORBIDDEN                   the key, or the tenant, may not do this
NOT_FOUND                   likewise, where the schema has no typed problem for it;
                            so for every code of a refusal
OUTCOME_UNKNOWN             the commit's fate is not known: safe to send again
UNAVAILABLE                 the database does not answer: safe to send again
INTERNAL                    our own fault: a request id, and nothing else
"""

from __future__ import annotations

from typing import Any

import psycopg
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import (
    CannotGetOperationTypeError,
    InvalidOperationTypeError,
)

from application.errors import NotASandbox, OutcomeUnknown, StorageUnavailable
from domain.refusals import InvalidInput, Refusal

_log = structlog.get_logger()


class WrongKind(ValueError):
    """A JSON value of a kind that a scalar does not take."""


def api_error(code: str, message: str) -> GraphQLError:
    """Return an error that the client may read as it is."""
    return GraphQLError(message, extensions={"code": code})


def bad_input(message: str) -> GraphQLError:
    return api_error("BAD_USER_INPUT", message)


def presented(error: GraphQLError, *, executed: bool, request_id: str) -> GraphQLError:
    """Return the error as the client sees it: with a code, and nothing of our inside.

    executed: whether it comes from running the operation, not from reading it.
    """
    cause = _cause(error)
    if cause is None:
        extensions = error.extensions or {}
        if "code" not in extensions:
            error.extensions = {**extensions, "code": _code(error, executed=executed)}
        return error
    if isinstance(cause, WrongKind):
        error.extensions = {"code": "BAD_USER_INPUT"}
        return error
    message, extensions = _told(cause, request_id)
    return GraphQLError(message, error.nodes, path=error.path, extensions=extensions)


def _cause(error: GraphQLError) -> Exception | None:
    """Return the exception beneath that is not GraphQL's own, if there is one."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _told(cause: Exception, request_id: str) -> tuple[str, dict[str, Any]]:
    match cause:
        case InvalidInput():
            return str(cause), {"code": "BAD_USER_INPUT", "field": cause.field}
        case Refusal():
            return str(cause), {"code": cause.code}
        case NotASandbox():
            told = "this tenant's clock is real: only a sandbox's can be advanced"
            return told, {"code": "FORBIDDEN"}
        case CannotGetOperationTypeError() | InvalidOperationTypeError() | MissingQueryError():
            return "name an operation of the document", {"code": "BAD_USER_INPUT"}
        case OutcomeUnknown():
            told = "it is not known whether this was recorded: send it again as it is"
            return told, {"code": "OUTCOME_UNKNOWN", "requestId": request_id}
        case StorageUnavailable() | psycopg.OperationalError():
            _log.warning("storage does not answer", request_id=request_id)
            told = "the ledger's storage does not answer: send it again in a moment"
            return told, {"code": "UNAVAILABLE", "requestId": request_id}
        case _:
            _log.error("operation failed", request_id=request_id, exc_info=cause)
            told = f"internal error, request {request_id}"
            return told, {"code": "INTERNAL", "requestId": request_id}


def _code(error: GraphQLError, *, executed: bool) -> str:
    if isinstance(error, GraphQLSyntaxError):
        too_long = "tokens. Parsing aborted" in error.message
        return "QUERY_TOO_COMPLEX" if too_long else "GRAPHQL_PARSE_FAILED"
    return "BAD_USER_INPUT" if executed else "GRAPHQL_VALIDATION_FAILED"
