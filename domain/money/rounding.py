"""The one place where an amount is rounded, and how a whole is split without residue."""

from __future__ import annotations


def divide_half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator, a tie to the even integer. denominator > 0."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


def part_of(total: int, before: int, after: int, whole: int) -> int:
    """Return the part of `total` from `before` to `after` of `whole`.

    Rounds half-even on the cumulative figure, so that consecutive parts sum to `total`.
    """
    return divide_half_even(total * after, whole) - divide_half_even(total * before, whole)
