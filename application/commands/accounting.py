"""What a tenant decides about its books: policies, names of accounts, rates of currencies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from application.commands.accounting_requests import MapAccount, SetAccountingPolicy, SetFxRate
from application.commands.answers import AccountMappingsAnswer, PeriodAnswer
from application.commands.periods import first_month, refuse_closed
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.money.decimals import canonical
from domain.refusals import InvalidInput, InvalidState, NotFound
from domain.revenue.accounting import (
    Accounting,
    AccountingEvent,
    AccountingPolicySet,
    AccountMapped,
    FunctionalCurrencySet,
    FxRateSet,
)
from domain.revenue.months import month_of
from domain.revenue.policies import Policy, PolicySetting
from domain.revenue.tenant_books import FIRST_CURRENCY
from domain.tenancy.tenant import Tenant


def set_accounting_policy(work: Work, command: SetAccountingPolicy) -> PeriodAnswer:
    """Record what changes of a policy. Said again, it writes nothing.

    Raises, first match wins: InvalidInput (the portfolio, what a method or an election
    needs), PeriodClosed, InvalidState (zone and currency of books that have begun).
    """
    _known_asset(work, command.portfolio)
    before = accounting_of(work)
    setting = _setting(command)
    policy = (before or _nothing_said(work)).policy(
        command.portfolio, command.effective_from, but=setting
    )
    _require_grounds(policy)
    refuse_closed(work, max(command.effective_from, first_month(work)))
    _set_tenant_wide(work, command, before)
    said = any(
        getattr(setting, name) is not None
        for name in PolicySetting.__dataclass_fields__
        if name not in ("portfolio", "effective_from")
    )
    repeated = before is not None and _latest(before, setting) == setting
    if said and not repeated:
        _record(work, lambda stream, version, at: AccountingPolicySet(stream, version, at, setting))
    return PeriodAnswer(command.effective_from)


def _latest(accounting: Accounting, setting: PolicySetting) -> PolicySetting | None:
    """Return what was said last about a portfolio."""
    same = [each for each in accounting.settings if each.portfolio == setting.portfolio]
    return same[-1] if same else None


def _setting(command: SetAccountingPolicy) -> PolicySetting:
    def decimal(text: str | None) -> str | None:
        return None if text is None else canonical(text)

    return PolicySetting(
        command.portfolio,
        command.effective_from,
        command.promotional,
        command.breakage_method,
        decimal(command.breakage_estimate),
        decimal(command.escheat_share),
        command.remote_months,
        command.refundable_days,
        command.loss,
        command.evidence,
        command.bundle_election_note,
    )


def _known_asset(work: Work, portfolio: str | None) -> None:
    kind, _, key = (portfolio or "").partition(":")
    if kind == "asset":
        try:
            work.asset(key)
        except NotFound as missing:
            raise InvalidInput(field="portfolio", reason=str(missing)) from missing


def _require_grounds(policy: Policy) -> None:
    """Raises InvalidInput: what a standard wants to be shown is not said."""
    if policy.breakage_method != "AS_EXPIRED" and not policy.evidence:
        raise InvalidInput(
            field="evidence",
            reason=f"{policy.breakage_method} needs the evidence that it rests on "
            "(ASC 606-10-55-48)",
        )
    if policy.breakage_method == "REMOTE" and policy.remote_months is None:
        raise InvalidInput(
            field="remoteMonths", reason="REMOTE says after how many months without activity"
        )
    if policy.promotional == "NONE" and not policy.bundle_election_note:
        raise InvalidInput(
            field="bundleElectionNote", reason="NONE is an election: say why it is immaterial"
        )


def _set_tenant_wide(work: Work, command: SetAccountingPolicy, before: Accounting | None) -> None:
    tenant = work.required(Tenant, work.tenant_id, "tenant")
    currency = FIRST_CURRENCY if before is None else before.functional_currency
    changes = {
        "timezone": command.timezone not in (None, tenant.timezone),
        "functionalCurrency": command.functional_currency not in (None, currency),
    }
    if command.begun:
        for field, changed in changes.items():
            if changed:
                raise books_have_begun(field)
    if changes["timezone"]:
        assert command.timezone is not None
        tenant.configure(
            tenant.late_window_seconds,
            tenant.settlement_grace_seconds,
            command.timezone,
            max(work.now, tenant.recorded_at),
        )
        work.overtake_tenant(tenant)
    if changes["functionalCurrency"]:
        assert command.functional_currency is not None
        said = command.functional_currency
        _record(work, lambda stream, version, at: FunctionalCurrencySet(stream, version, at, said))


def books_have_begun(field: str) -> InvalidState:
    """Return the refusal to change what the entries that stand were made by."""
    return InvalidState(
        state="BEGUN",
        reason=f"{field} stays as it is: the journal has entries, which were dated and valued by "
        "it; leave it out",
    )


def map_account(work: Work, command: MapAccount) -> AccountMappingsAnswer:
    """Give an account of the chart the tenant's own code and name."""
    before = accounting_of(work)
    if before is None or before.mapping.get(command.key) != (command.code, command.name):
        _record(
            work,
            lambda stream, version, at: AccountMapped(
                stream, version, at, command.key, command.code, command.name
            ),
        )
    after = accounting_of(work)
    assert after is not None
    return AccountMappingsAnswer(dict(after.mapping))


def set_fx_rate(work: Work, command: SetFxRate) -> PeriodAnswer:
    """Record a rate. Raises InvalidInput (another functional currency), PeriodClosed."""
    accounting = accounting_of(work)
    functional = FIRST_CURRENCY if accounting is None else accounting.functional_currency
    if command.functional != functional:
        raise InvalidInput(field="functional", reason=f"the tenant's is {functional}")
    month = month_of(command.day)
    refuse_closed(work, max(month, first_month(work)))
    rate = canonical(command.rate)
    key = (command.currency, command.functional, command.day)
    if accounting is None or accounting.fx_rates.get(key) != rate:
        _record(
            work,
            lambda stream, version, at: FxRateSet(
                stream, version, at, command.currency, functional, rate, command.day
            ),
        )
    return PeriodAnswer(month)


def accounting_of(work: Work) -> Accounting | None:
    """Return what the tenant has decided; None if nothing yet."""
    return work.stream(Accounting, identity.accounting_id(work.tenant_id))


def _nothing_said(work: Work) -> Accounting:
    accounting = Accounting.__new__(Accounting)
    accounting.__base_init__(identity.accounting_id(work.tenant_id), 0, work.now)
    accounting.begin_books()
    return accounting


def _record(work: Work, event: Callable[[str, int, datetime], AccountingEvent]) -> None:
    stream = identity.accounting_id(work.tenant_id)
    accounting = accounting_of(work)
    if accounting is None:
        create(Accounting, event(stream, 1, work.now), work.log)
    else:
        at = max(work.now, accounting.recorded_at)
        accounting.record(event(stream, accounting.version + 1, at))
