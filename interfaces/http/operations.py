"""GraphQL operations, below any transport: gate, deadline, and what is told of errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
from graphql import GraphQLError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from interfaces.http.asker import Asker
from interfaces.http.errors import error_body, internal_error, without_suggestions
from interfaces.http.gate import Gate, Passage, too_many_comparisons

DEADLINE_SECONDS = 10.0
# Six months of due work may take longer than any request should.
WITHOUT_DEADLINE = "advanceClock"

_log = structlog.get_logger()


class Request(msgspec.Struct, rename="camel", frozen=True):
    """One operation, as GraphQL over HTTP and graphql-transport-ws have it."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """body: `data`, `errors`, `extensions`. position: of the log, that it reflects; 0: of none."""

    body: dict[str, Any]
    position: int = 0

    @property
    def was_executed(self) -> bool:
        """Whether it got as far as running: errors before leave no `data`."""
        return "data" in self.body


class Context(Protocol):
    """What resolvers are given; all that is read of it here."""

    @property
    def position(self) -> int: ...


MakeContext = Callable[[Asker, Passage], Context]
Run = Callable[[str, Mapping[str, Any] | None, str | None, Any], Awaitable[ExecutionResult]]


class Stream(Protocol):
    """The results of an operation of any kind, as strawberry's Schema.stream gives them."""

    async def __call__(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
    ) -> AsyncGenerator[Any, None]: ...


@dataclass(frozen=True, slots=True)
class Operations:
    """Runs what a client asks for. Nothing that goes wrong is raised: it is in the answer."""

    run: Run
    stream: Stream
    make_context: MakeContext
    gate: Gate
    deadline_seconds: float = DEADLINE_SECONDS

    async def answer(self, request: Request, asker: Asker) -> Answer:
        """Run a query or a mutation."""
        passage = self._passage(request, asker)
        context = self.make_context(asker, passage)
        try:
            async with self._deadline(passage):
                result = await self.run(
                    request.query, request.variables, request.operation_name, context
                )
        except TimeoutError:
            return Answer(_too_late(passage, self.deadline_seconds))
        except Exception as failure:  # noqa: BLE001 - the last net: nothing of it may get out
            return _failed(failure, asker)
        return Answer(_body(result, asker), context.position)

    async def answers(self, request: Request, asker: Asker) -> AsyncGenerator[Answer, None]:
        """Run an operation of any kind; only a subscription has more than one answer."""
        passage = self._passage(request, asker)
        context = self.make_context(asker, passage)
        try:
            results = await self.stream(
                request.query,
                variable_values=request.variables,
                context_value=context,
                operation_name=request.operation_name,
            )
            async with aclosing(results):
                while True:
                    async with self._deadline(passage):
                        result = await anext(results, None)
                    if result is None:
                        return
                    yield Answer(_body(result, asker), context.position)
        except TimeoutError:
            yield Answer(_too_late(passage, self.deadline_seconds))
        except GraphQLError as refusal:
            yield Answer({"errors": _told([refusal], asker)})
        except Exception as failure:  # noqa: BLE001 - as above
            yield _failed(failure, asker)

    def _passage(self, request: Request, asker: Asker) -> Passage:
        introspection = asker.identity.introspection
        return self.gate.passage(request.operation_name, introspection=introspection)

    def _deadline(self, passage: Passage) -> asyncio.Timeout:
        """Return a time-out that begins once the document is admitted, if one applies to it."""
        deadline = asyncio.timeout(None)

        def begin() -> None:
            if not passage.is_subscription and not passage.asks_for(WITHOUT_DEADLINE):
                deadline.reschedule(asyncio.get_running_loop().time() + self.deadline_seconds)

        passage.when_admitted = begin
        return deadline


def _body(result: ExecutionResult, asker: Asker) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = _told(result.errors, asker)
    if not isinstance(result, PreExecutionError):
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def _told(errors: list[GraphQLError], asker: Asker) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = [
        dict((too_many_comparisons(error) or error).formatted) for error in errors
    ]
    return told if asker.identity.introspection else without_suggestions(told)


def _too_late(passage: Passage, seconds: float) -> dict[str, Any]:
    if passage.is_mutation:
        return error_body(
            "OUTCOME_UNKNOWN",
            f"no answer within {seconds:g} s: it may have been recorded; send it again as it is",
        )
    return error_body(
        "QUERY_TOO_COMPLEX", f"no answer within {seconds:g} s: ask for less in one request"
    )


def _failed(failure: Exception, asker: Asker) -> Answer:
    _log.error("operation failed", request_id=asker.request_id, exc_info=failure)
    return Answer(internal_error(asker.request_id))
