"""How much a GraphQL document asks for, counted before it is validated or executed.

A fragment that spreads the next one twice doubles with every link: 600 bytes of text are a
quarter of a million fields. So each fragment is counted once and its figures are added
wherever it is spread; a document takes time in proportion to its tokens.

    cost of a field = 1 + items x (cost of what is selected of each item)
    items           = `first`, or its default in the schema; of another list LIST_ITEMS; else 1

`customers(first: 100) { nodes { id wallet { id } } }` costs 1 + 100 x (1 + 1 + (1 + 1)) = 401.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

MOST_DEPTH = 25
MOST_FIELDS = 1_000
MOST_ALIASES = 100
MOST_DIRECTIVES = 50
MOST_COST = 100_000

LARGEST_PAGE = 1_000
LIST_ITEMS = 5

_SIZE = "first"
# The items of a connection are counted where the connection's `first` is.
_CONNECTION = "Connection"


class TooComplex(Exception):
    """One clause: what there is too much of, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """Of a document's largest operation, fragments spread out.

    introspects: whether it asks for the schema. sized_by: the variables that `cost` depends on.
    """

    depth: int
    fields: int
    aliases: int
    directives: int
    cost: int
    introspects: bool
    sized_by: frozenset[str]


@dataclass(slots=True)
class _Count:
    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def add(self, other: _Count, *, items: int = 1) -> None:
        self.depth = max(self.depth, other.depth + 1)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.cost += items * other.cost

    def check(self) -> None:
        if self.depth > MOST_DEPTH:
            raise TooComplex(f"it is nested more than {MOST_DEPTH} levels deep")
        if self.fields > MOST_FIELDS:
            raise TooComplex(f"it has more than {MOST_FIELDS} fields: ask in several requests")
        if self.aliases > MOST_ALIASES:
            raise TooComplex(f"it has more than {MOST_ALIASES} aliases: ask in several requests")
        if self.directives > MOST_DIRECTIVES:
            raise TooComplex(f"it has more than {MOST_DIRECTIVES} directives")
        if self.cost > MOST_COST:
            raise TooComplex(
                f"it costs {self.cost} and may cost {MOST_COST}: "
                f"ask for fewer fields, or for shorter pages by `{_SIZE}`"
            )


def complexity_of(
    document: DocumentNode, schema: GraphQLSchema, variables: Mapping[str, Any]
) -> Complexity:
    """Count a document that need not be valid. Raises TooComplex as soon as a limit is passed."""
    return _Counter(document, schema, variables).count()


class _Counter:
    def __init__(
        self, document: DocumentNode, schema: GraphQLSchema, variables: Mapping[str, Any]
    ) -> None:
        self._document = document
        self._schema = schema
        self._variables = variables
        self._defaults = _default_sizes(document)
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._counted: dict[str, _Count] = {}
        self._open: set[str] = set()
        self._sized_by: set[str] = set()
        self._introspects = False

    def count(self) -> Complexity:
        largest = _Count()
        # Fragments that nothing spreads are validated too, so they count like the others.
        counts = [self._fragment(name) for name in self._fragments]
        counts.extend(self._operation(node) for node in _operations(self._document))
        for count in counts:
            largest.depth = max(largest.depth, count.depth)
            largest.fields = max(largest.fields, count.fields)
            largest.aliases = max(largest.aliases, count.aliases)
            largest.directives = max(largest.directives, count.directives)
            largest.cost = max(largest.cost, count.cost)
        return Complexity(
            depth=largest.depth,
            fields=largest.fields,
            aliases=largest.aliases,
            directives=largest.directives,
            cost=largest.cost,
            introspects=self._introspects,
            sized_by=frozenset(self._sized_by),
        )

    def _operation(self, node: OperationDefinitionNode) -> _Count:
        root = self._schema.get_root_type(node.operation)
        count = self._selections(node.selection_set, root, 1)
        count.directives += _length(node.directives)
        count.directives += sum(_length(d.directives) for d in node.variable_definitions or ())
        count.check()
        return count

    def _fragment(self, name: str) -> _Count:
        counted = self._counted.get(name)
        if counted is not None:
            return counted
        node = self._fragments.get(name)
        if node is None:
            return _Count()  # validation says that it does not exist
        if name in self._open:
            raise TooComplex(f"its fragment {name} spreads itself")
        self._open.add(name)
        type_ = self._schema.get_type(node.type_condition.name.value)
        counted = self._selections(node.selection_set, type_, 1)
        counted.directives += _length(node.directives)
        counted.check()
        self._open.remove(name)
        self._counted[name] = counted
        return counted

    def _selections(
        self, selection_set: SelectionSetNode, parent: GraphQLNamedType | None, level: int
    ) -> _Count:
        if level > MOST_DEPTH:
            raise TooComplex(f"it is nested more than {MOST_DEPTH} levels deep")
        count = _Count(depth=1)
        for selection in selection_set.selections:
            count.directives += _length(selection.directives)
            if isinstance(selection, FieldNode):
                self._add_field(count, selection, parent, level)
            elif isinstance(selection, FragmentSpreadNode):
                count.add(self._fragment(selection.name.value))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                type_ = self._schema.get_type(condition.name.value) if condition else parent
                count.add(self._selections(selection.selection_set, type_, level + 1))
            count.check()
        return count

    def _add_field(
        self, count: _Count, node: FieldNode, parent: GraphQLNamedType | None, level: int
    ) -> None:
        name = node.name.value
        count.fields += 1
        count.cost += 1
        count.aliases += node.alias is not None
        self._introspects = self._introspects or name in {"__schema", "__type"}
        if node.selection_set is None:
            return
        field = self._schema.get_field(parent, name) if is_composite_type(parent) else None
        type_ = get_named_type(field.type) if field else None
        items = self._items(node, field, parent)
        count.add(self._selections(node.selection_set, type_, level + 1), items=items)

    def _items(
        self, node: FieldNode, field: GraphQLField | None, parent: GraphQLNamedType | None
    ) -> int:
        sized = field.args.get(_SIZE) if field else None
        for argument in node.arguments or ():
            if argument.name.value == _SIZE:
                return self._size(argument.value, sized)
        if field is None:
            return 1
        if sized is not None:
            return _default_size(sized)
        in_connection = parent is not None and parent.name.endswith(_CONNECTION)
        is_list = is_list_type(get_nullable_type(field.type))
        return LIST_ITEMS if is_list and not in_connection else 1

    def _size(self, value: ValueNode, argument: GraphQLArgument | None) -> int:
        if not isinstance(value, VariableNode):
            return _page(_literal(value))
        name = value.name.value
        self._sized_by.add(name)
        if name in self._variables:
            return _page(self._variables[name])
        if name in self._defaults:
            return self._defaults[name]
        return _default_size(argument) if argument else LARGEST_PAGE


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _default_sizes(document: DocumentNode) -> dict[str, int]:
    """Return what each variable stands for as a page; of several operations the largest."""
    sizes: dict[str, int] = {}
    for operation in _operations(document):
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                name, size = (
                    definition.variable.name.value,
                    _page(_literal(definition.default_value)),
                )
                sizes[name] = max(size, sizes.get(name, 1))
    return sizes


def _default_size(argument: GraphQLArgument) -> int:
    default = argument.default
    if default is None:
        return _page(argument.default_value)
    return _page(default.value if default.literal is None else _literal(default.literal))


def _literal(value: ValueNode) -> int | None:
    if not isinstance(value, IntValueNode):
        return None
    return int(value.value) if len(value.value) < 10 else LARGEST_PAGE


def _page(size: object) -> int:
    """Return how many items `first` stands for; what is no size is refused elsewhere."""
    if not isinstance(size, int):
        return LARGEST_PAGE
    return min(max(size, 1), LARGEST_PAGE)


def _length(directives: Sequence[DirectiveNode] | None) -> int:
    return len(directives or ())
