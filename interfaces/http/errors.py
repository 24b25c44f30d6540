"""Errors as JSON, in the shape of GraphQL's also where no GraphQL was read."""

from __future__ import annotations

import re
from typing import Any

# What graphql-core proposes at the end of a message: names of the schema.
_SUGGESTION = re.compile(r"\s*Did you mean .*\Z", re.DOTALL)


def error_body(code: str, message: str, **extensions: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, **extensions}}]}


def internal_error(request_id: str) -> dict[str, Any]:
    """Return what is told of our own faults: the id under which the log has the rest."""
    return error_body("INTERNAL", f"internal error, request {request_id}", requestId=request_id)


def without_suggestions(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the errors without names that the client has not shown to know."""
    return [{**error, "message": _SUGGESTION.sub("", error["message"])} for error in errors]
