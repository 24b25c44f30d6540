"""Usage tried under a version: decided as it would be, on a batch that is thrown away."""

from __future__ import annotations

from dataclasses import replace

from application.commands.answers import ChargeAnswer, SimulationAnswer
from application.commands.requests import RecordUsage, SimulateUsage
from application.commands.usage import record_usage
from application.work import Work
from domain.rating.trial import Trial
from domain.refusals import Refusal

ANY_AGE_SECONDS = 100 * 366 * 86_400


def simulate_usage(work: Work, command: SimulateUsage) -> SimulationAnswer:
    """Rate events by a version from the customers' live totals, one after the other.

    Nothing is refused for want of funds: a charge says whether it would be. Raises NotFound.
    """
    catalog = work.catalog
    if command.version is None:
        catalog.product(command.product)
    else:
        catalog.product_version(command.product, command.version)
    caller = replace(work.caller, late_window_seconds=ANY_AGE_SECONDS)
    rehearsal = work.batch.rehearsal(Trial(command.product, command.version), work.tenant_id)
    rehearsal.by(caller)
    tried = Work(rehearsal, caller)
    return SimulationAnswer(tuple(_tried(tried, event) for event in command.events))


def _tried(work: Work, event: RecordUsage) -> ChargeAnswer | Refusal:
    usage = replace(event, amount=None, asset=None, delivered=True, not_after=None)
    try:
        usage.check()
        return record_usage(work, usage)
    except Refusal as refusal:
        return refusal
