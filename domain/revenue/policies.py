"""Accounting policies: choices that a standard leaves open, per portfolio, from a month on.

A portfolio names the grants that a policy is for: `product:pro` beats
`source:PROMOTIONAL` beats `asset:CREDIT` beats the tenant's default (None). What a setting
leaves out stays as it was: of that portfolio before, else of the next less special one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal

BreakageMethod = Literal["AS_EXPIRED", "PROPORTIONAL", "REMOTE"]
PromotionalPolicy = Literal["MATERIAL_RIGHT", "NONE"]
LossPolicy = Literal["CONCESSION", "CREDIT_LOSS"]


@dataclass(frozen=True, slots=True)
class PolicySetting:
    """What was said for one portfolio from a month on. Shares are exact decimals."""

    portfolio: str | None
    effective_from: str
    promotional: PromotionalPolicy | None = None
    breakage_method: BreakageMethod | None = None
    breakage_estimate: str | None = None
    escheat_share: str | None = None
    remote_months: int | None = None
    refundable_days: int | None = None
    loss: LossPolicy | None = None
    evidence: str | None = None
    bundle_election_note: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that hold for a portfolio in a month."""

    promotional: PromotionalPolicy = "MATERIAL_RIGHT"
    breakage_method: BreakageMethod = "AS_EXPIRED"
    breakage_estimate: str = "0"
    escheat_share: str = "0"
    remote_months: int | None = None
    refundable_days: int = 0
    loss: LossPolicy = "CONCESSION"
    evidence: str | None = None
    bundle_election_note: str | None = None


DEFAULT = Policy()
_FIELDS = tuple(field.name for field in fields(Policy))


@lru_cache(maxsize=10_000)
def portfolios_of(asset: str, source: str, product: str | None) -> tuple[str | None, ...]:
    """Return the portfolios that a grant is in, the least special first."""
    special = (None, f"asset:{asset}", f"source:{source}")
    return special if product is None else (*special, f"product:{product}")


@lru_cache(maxsize=10_000)
def policy_of(
    settings: tuple[PolicySetting, ...], portfolios: tuple[str | None, ...], month: str
) -> Policy:
    """Return what holds in `month`. settings: in the order in which they were recorded.

    Of one portfolio and field the latest effective month holds; of one month, the last said.
    """
    effective = sorted(
        (each for each in settings if each.effective_from <= month),
        key=lambda each: each.effective_from,
    )
    values: dict[str, object] = {}
    for portfolio in portfolios:
        for setting in effective:
            if setting.portfolio == portfolio:
                values |= {
                    name: getattr(setting, name)
                    for name in _FIELDS
                    if getattr(setting, name) is not None
                }
    return Policy(**values)  # type: ignore[arg-type]
