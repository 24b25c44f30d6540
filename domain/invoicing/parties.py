"""Who sells and who buys, as a document shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """`country`: ISO 3166-1, two letters. `tax_id`: as the tax office writes it."""

    name: str
    address: tuple[str, ...]
    country: str
    tax_id: str | None
