"""How far a wallet lets spending go: SHADOW, HYBRID, CONTROL; the adoption ladder."""

from __future__ import annotations


def beyond_limit(units: int, payable_units: int, limit_units: int | None) -> bool:
    """Whether CONTROL would refuse: more than what can pay and the overage limit cover.

    Zero units never are. limit_units None: without limit.
    """
    return units > 0 and limit_units is not None and units > payable_units + limit_units
