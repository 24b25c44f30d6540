"""How a tenant is configured, a test clock moved on, and a stop of a read model told."""

from __future__ import annotations

from application.commands.accounting import books_have_begun
from application.commands.answers import ClockAnswer
from application.commands.requests import AdvanceClock, ConfigureTenant
from application.commands.stop_requests import TellStop
from application.errors import NotASandbox
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.tenancy.stops import ReadModelStop, ReadModelStopped
from domain.tenancy.tenant import Tenant


def configure_tenant(work: Work, command: ConfigureTenant) -> ClockAnswer:
    """Change settings. Raises InvalidState: the zone of books that have begun."""
    tenant = work.required(Tenant, work.tenant_id, "tenant")
    if command.begun and command.timezone not in (None, tenant.timezone):
        raise books_have_begun("timezone")
    late = command.late_window_seconds
    grace = command.settlement_grace_seconds
    tenant.configure(
        tenant.late_window_seconds if late is None else late,
        tenant.settlement_grace_seconds if grace is None else grace,
        command.timezone or tenant.timezone,
        max(work.now, tenant.recorded_at),
    )
    return ClockAnswer(work.now)


def advance_clock(work: Work, command: AdvanceClock) -> ClockAnswer:
    """Move a test clock on, once what falls due on the way is written.

    Into the past: the clock stays. Raises NotASandbox.
    """
    tenant = work.required(Tenant, work.tenant_id, "tenant")
    if tenant.clock_at is None:
        raise NotASandbox(tenant.key)
    tenant.advance_clock(command.to)
    return ClockAnswer(tenant.clock_at)


def tell_stop(work: Work, command: TellStop) -> ClockAnswer:
    """Tell of a read model that has stopped; again does nothing."""
    stream_id = identity.read_model_stop_id(work.tenant_id, command.read_model, command.position)
    if not work.looked_up(stream_id):
        told = ReadModelStopped(
            stream_id,
            1,
            work.now,
            command.read_model,
            command.position,
            command.topic,
            command.because,
        )
        create(ReadModelStop, told, work.log)
    return ClockAnswer(work.now)
