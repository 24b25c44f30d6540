"""Texts that were read before: parsed and validated once, whoever sends them.

The library's two caches do the same, at a hash of the whole document for each request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from interfaces.graphql.errors import bad_input

MOST_TOKENS = 1_000
MOST_KEPT = 128
LONGEST_KEPT = 32 * 1_024


class _Read:
    """errors: what validation found; None before it has run."""

    __slots__ = ("document", "errors")

    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self.errors: list[GraphQLError] | None = None


class Documents:
    """The latest texts, as they were read. `parsed`, `validated`: how many took the work."""

    def __init__(self) -> None:
        self._read: OrderedDict[str, _Read] = OrderedDict()
        self.parsed = 0
        self.validated = 0

    def find(self, text: str) -> _Read | None:
        read = self._read.get(text)
        if read is not None:
            self._read.move_to_end(text)
        return read

    def keep(self, text: str, document: DocumentNode) -> _Read:
        self.parsed += 1
        read = _Read(document)
        if len(text) <= LONGEST_KEPT:
            self._read[text] = read
            if len(self._read) > MOST_KEPT:
                self._read.popitem(last=False)
        return read

    def validate(self, read: _Read, errors: list[GraphQLError]) -> None:
        self.validated += 1
        read.errors = errors


documents = Documents()


class Reading(SchemaExtension):
    """Reads each text once, lets the gate look before validation, adds the extensions."""

    _read: _Read | None = None

    def on_parse(self) -> Iterator[None]:
        running = self.execution_context
        assert running.query is not None
        self._read = documents.find(running.query)
        if self._read is not None:
            running.graphql_document = self._read.document
            yield
            return
        running.parse_options["max_tokens"] = MOST_TOKENS
        yield
        if running.graphql_document is not None:
            self._read = documents.keep(running.query, running.graphql_document)

    def on_validate(self) -> Iterator[None]:
        running, read = self.execution_context, self._read
        assert read is not None
        if running.context.operation_name is None and _has_several_operations(read.document):
            raise bad_input("operationName: the document has several operations; say which")
        running.context.gate(read.document, running.variables, running.operation_name)
        if read.errors is not None:
            running.pre_execution_errors = read.errors
            yield
            return
        yield
        documents.validate(read, running.pre_execution_errors or [])

    def get_results(self) -> dict[str, Any]:
        extensions: dict[str, Any] = self.execution_context.context.extensions
        return extensions


def _has_several_operations(document: DocumentNode) -> bool:
    return sum(isinstance(node, OperationDefinitionNode) for node in document.definitions) > 1
