"""Catalogue files and a ledger: what would change in it, and changing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from application.commands.answers import ProductAnswer
from interfaces.catalogue.files import Written
from interfaces.catalogue.plan import Change, plan_of

if TYPE_CHECKING:
    from application.caller import Caller
    from interfaces.runtime import Runtime


class MovedOnMeanwhile(Exception):
    """Somebody drafted between the plan and its making."""


def planned(runtime: Runtime, said: Written, *, publishing: bool = True) -> list[Change]:
    """Return what files would change. Raises BadCatalogue."""
    reader, tenant_id = runtime.reader, runtime.tenant_id
    return plan_of(
        said,
        reader.catalog(tenant_id),
        lambda key: reader.asset(tenant_id, key),
        reader.now(tenant_id),
        publishing=publishing,
    )


def make(runtime: Runtime, caller: Caller, changes: Sequence[Change]) -> None:
    """Have each change decided, in order. Raises Refusal, MovedOnMeanwhile."""
    for change in changes:
        (outcome,) = runtime.ledger.execute(caller, [change.command])
        failure = outcome.refusal or outcome.error
        if failure is not None:
            raise failure
        if change.drafts is not None:
            assert isinstance(outcome.answer, ProductAnswer)
            if outcome.answer.product.versions[-1].number != change.drafts:
                raise MovedOnMeanwhile(change.what)
