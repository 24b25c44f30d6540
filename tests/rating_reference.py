"""Prices told a second time, slowly: fractions, unit by unit of the design's own formula."""

from __future__ import annotations

from fractions import Fraction

from domain.catalog.price import Price, PriceModel


def half_even(exact: Fraction) -> int:
    """Return the nearest whole number; of two the even one."""
    return round(exact)


def reference_cost(price: Price, quantity: Fraction, discount: Fraction = Fraction(0)) -> int:
    """Return round(min(cap, (1 - discount) x tiers(max(q - free, 0)))) in asset units."""
    q = max(quantity - Fraction(price.free or 0), Fraction(0))
    exact = (1 - discount) * _tiers(price, q)
    if price.cap is not None:
        exact = min(exact, Fraction(price.cap))
    return half_even(exact * 10**price.scale)


def _tiers(price: Price, q: Fraction) -> Fraction:
    per = Fraction(price.per)
    if q == 0:
        return Fraction(0)
    if price.model == PriceModel.UNIT:
        return q * Fraction(price.unit_price or 0) / per
    if price.model == PriceModel.PACKAGE:
        packages = q / Fraction(price.package_size or 1)
        return Fraction(-(-packages.numerator // packages.denominator)) * Fraction(
            price.unit_price or 0
        )
    total = Fraction(0)
    start = Fraction(0)
    for tier in price.tiers:
        end = Fraction(tier.up_to) if tier.up_to is not None else None
        if price.model == PriceModel.VOLUME:
            if end is None or q <= end:
                return q * Fraction(tier.unit_price) / per + Fraction(tier.flat_fee)
            continue
        inside = (q if end is None else min(q, end)) - start
        if inside > 0:
            total += inside * Fraction(tier.unit_price) / per + Fraction(tier.flat_fee)
        start = end if end is not None else start
    return total
