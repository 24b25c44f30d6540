"""Fields with a description or a union, typed: the library's own decorators say Any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

Decorator = Callable[[Callable[..., object]], StrawberryField]


def field(description: str) -> Decorator:
    decorator: Decorator = strawberry.field(description=description)
    return decorator


def answering(union: Any, description: str | None = None) -> Decorator:
    """Return the decorator of a field that answers with a member of a union."""
    decorator: Decorator = strawberry.field(graphql_type=union, description=description)
    return decorator


def subscription(description: str) -> Decorator:
    decorator: Decorator = strawberry.subscription(description=description)
    return decorator
