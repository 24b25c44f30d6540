"""The gate: what every GraphQL document passes, whatever the transport, before validation.

Texts are parsed with a limit of tokens and validated with a limit of comparisons, each once a
text (interfaces/graphql/schema.py). Between the two stands the count of complexity.py, once a
text, or once for each page size when that is a variable.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from graphql.validation.validate import ValidationAbortedError

from interfaces.http.complexity import Complexity, TooComplex, complexity_of

MOST_REMEMBERED = 512

_Sizes = tuple[object, ...]


class Gate:
    """Counts documents of one schema and remembers the figures of the latest."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._remembered: OrderedDict[int, _Remembered] = OrderedDict()

    def complexity(self, document: DocumentNode, variables: Mapping[str, Any]) -> Complexity:
        """Return the figures of a document. Raises TooComplex."""
        # By identity: comparing documents would cost as much as counting them. What is
        # remembered is held, so its id is not given to another.
        remembered = self._remembered.get(id(document))
        if remembered is None:
            remembered = _Remembered(document)
            self._remembered[id(document)] = remembered
            if len(self._remembered) > MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(id(document))
        return remembered.complexity(self._schema, variables)

    def passage(self, operation_name: str | None, *, introspection: bool) -> Passage:
        """Return the way of one operation through the gate."""
        return Passage(self, operation_name, introspection=introspection)


class Passage:
    """Called with a parsed document before its validation; raises GraphQLError to refuse it.

    operation: what is to be executed, once it has passed. when_admitted: called then.
    """

    def __init__(self, gate: Gate, operation_name: str | None, *, introspection: bool) -> None:
        self._gate = gate
        self._operation_name = operation_name
        self._introspection = introspection
        self.when_admitted: Callable[[], None] | None = None
        self.operation: OperationDefinitionNode | None = None

    def __call__(
        self, document: DocumentNode, variables: Mapping[str, Any] | None, _first_name: str | None
    ) -> None:
        try:
            complexity = self._gate.complexity(document, variables or {})
        except (TooComplex, RecursionError) as excess:
            clause = str(excess) if isinstance(excess, TooComplex) else "it is nested too deeply"
            raise too_complex(f"the query is too complex: {clause}") from None
        if complexity.introspects and not self._introspection:
            raise GraphQLError(
                "this key may not ask for the schema", extensions={"code": "FORBIDDEN"}
            )
        self.operation = get_operation_ast(document, self._operation_name)
        if self.operation is None:
            # Whoever sends several means one of them; the first is only a guess.
            raise GraphQLError(
                "operationName: name one of the document's operations",
                extensions={"code": "BAD_USER_INPUT"},
            )
        admitted, self.when_admitted = self.when_admitted, None
        if admitted is not None:
            admitted()

    @property
    def is_mutation(self) -> bool:
        return self._is(OperationType.MUTATION)

    @property
    def is_subscription(self) -> bool:
        return self._is(OperationType.SUBSCRIPTION)

    def _is(self, kind: OperationType) -> bool:
        return self.operation is not None and self.operation.operation is kind

    def asks_for(self, field: str) -> bool:
        """Whether the operation names a root field, outside of fragments."""
        return self.operation is not None and any(
            isinstance(selection, FieldNode) and selection.name.value == field
            for selection in self.operation.selection_set.selections
        )


class _Remembered:
    """A document with its figures, for each of the latest page sizes it was asked with."""

    __slots__ = ("_by_sizes", "_document", "_sized_by")

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._sized_by: tuple[str, ...] | None = None
        self._by_sizes: dict[_Sizes, Complexity] = {}

    def complexity(self, schema: GraphQLSchema, variables: Mapping[str, Any]) -> Complexity:
        if self._sized_by is not None:
            known = self._by_sizes.get(_sizes(self._sized_by, variables))
            if known is not None:
                return known
        found = complexity_of(self._document, schema, variables)
        self._sized_by = tuple(found.sized_by)
        if len(self._by_sizes) >= 16:
            self._by_sizes.clear()
        self._by_sizes[_sizes(self._sized_by, variables)] = found
        return found


def _sizes(names: tuple[str, ...], variables: Mapping[str, Any]) -> _Sizes:
    """Return the page sizes among the variables as a key: given, not given, or no number."""
    values = (variables.get(name, "") for name in names)
    return tuple(value if isinstance(value, int) or value == "" else None for value in values)


def too_many_comparisons(error: GraphQLError) -> GraphQLError | None:
    """Return the refusal that graphql-core's limit of comparisons stands for, if `error` is it."""
    is_it = isinstance(error, ValidationAbortedError) and error.message == "Validation aborted."
    told = "the query is too complex: it repeats fields too often"
    return too_complex(told) if is_it else None


def too_complex(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "QUERY_TOO_COMPLEX"})
