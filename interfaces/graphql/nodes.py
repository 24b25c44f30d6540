"""What has an id, and how lists are turned by pages."""

from __future__ import annotations

import re

import strawberry

from interfaces.graphql.errors import bad_input

MOST_NODES = 1_000

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@strawberry.interface(description="Anything that has an id of its own.")
class Node:
    id: strawberry.ID


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


def known_id(text: str) -> str | None:
    """Return the id as the ledger writes it; None if it can be no id of the ledger."""
    return text.lower() if _ID.fullmatch(text) else None


def page_size(first: int | None, default: int = 50) -> int:
    """Return how many nodes a page has. Raises a GraphQL error: none, or above 1 000."""
    size = default if first is None else first
    if not 1 <= size <= MOST_NODES:
        raise bad_input(f"first: must be from 1 to {MOST_NODES}")
    return size
