"""Closing a month: what stands in its way, its two events, and opening it again.

Between the two events the read models pass the first, after which nothing is posted into
the month; what they then show is checked and pinned by the second. A close that was
interrupted there is finished by asking for it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from application.caller import Caller
from application.commands.accounting_requests import (
    AbandonClose,
    BeginClose,
    CompleteClose,
)
from application.due_work import DueWallets, DueWork
from application.ledger import Ledger
from application.outcomes import Outcome
from application.reading import Reader
from domain.refusals import InvalidState
from domain.revenue.months import (
    end_of_day,
    last_day,
    local_day,
    month_before,
    month_of,
)
from domain.revenue.period import AccountingPeriod, Check, Inspection

Inspect = Callable[[str, str, int], Inspection]
"""(tenant, month, position) -> what the read models show once they have passed it."""
_MOST_ROUNDS = 1_000


class Closing:
    """Closes months of any tenant. Blocks: call it from a worker thread."""

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        due_work: DueWork,
        due_wallets: DueWallets,
        catch_up: Callable[[], None],
        inspect: Inspect,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._due_work = due_work
        self._due_wallets = due_wallets
        self._catch_up = catch_up
        self._inspect = inspect

    def close(self, caller: Caller, command: BeginClose) -> Outcome:
        """Close a month; the answer names it. Refused, nothing is posted differently."""
        command.check()
        self._finish_due_work(caller.tenant_id)
        late = self._due_work_done(caller.tenant_id, command.month)
        if not late.passed and self._is_over(caller.tenant_id, command.month):
            return _refused(caller.tenant_id, command.month, [late], self._reader)
        begun = self._do(caller, command)
        if begun.answer is None:
            return begun
        period = self._reader.periods(caller.tenant_id, [command.month])[command.month]
        if period.status != "CLOSING":
            return begun
        self._catch_up()
        position = self._newest(caller.tenant_id)
        seen = self._inspect(caller.tenant_id, command.month, position)
        checks = (*self._of_the_log(caller.tenant_id, command.month, period), *seen.checks)
        failed = [check for check in checks if not check.passed]
        if failed:
            abandoned = self._do(caller, AbandonClose(command.month, checks))
            if abandoned.answer is None:
                return abandoned
            return _refused(caller.tenant_id, command.month, failed, self._reader)
        complete = CompleteClose(command.month, seen.position, seen.trial_balance_hash, checks)
        return self._do(caller, complete)

    def checklist(self, tenant_id: str, month: str) -> list[Check]:
        """Return what a close of the month would check, as it stands now."""
        period = self._reader.periods(tenant_id, [month]).get(month)
        self._catch_up()
        seen = self._inspect(tenant_id, month, self._newest(tenant_id))
        return [*self._of_the_log(tenant_id, month, period), *seen.checks]

    def _of_the_log(
        self, tenant_id: str, month: str, period: AccountingPeriod | None
    ) -> list[Check]:
        ended = period is not None and period.last_day == last_day(month)
        told = "all of them"
        if not ended:
            through = period.last_day if period is not None else None
            told = f"up to {through.isoformat()}" if through else "none yet"
        return [
            self._month_over(tenant_id, month),
            self._earlier_closed(tenant_id, month),
            Check("days_ended", ended, told),
            self._due_work_done(tenant_id, month),
        ]

    def _month_over(self, tenant_id: str, month: str) -> Check:
        today = local_day(self._reader.now(tenant_id), self._reader.tenant(tenant_id).timezone)
        return Check("month_over", month < month_of(today), f"today is {today.isoformat()}")

    def _is_over(self, tenant_id: str, month: str) -> bool:
        return self._month_over(tenant_id, month).passed

    def _earlier_closed(self, tenant_id: str, month: str) -> Check:
        tenant = self._reader.tenant(tenant_id)
        begun = month_of(local_day(tenant.created_on, tenant.timezone))
        if month <= begun:
            first = "is the first" if month == begun else f"is before the first, {begun}"
            return Check("earlier_months_closed", month == begun, f"{month} {first}")
        before = month_before(month)
        found = self._reader.periods(tenant_id, [before]).get(before)
        status = "OPEN" if found is None else found.status
        return Check("earlier_months_closed", status == "CLOSED", f"{before} is {status}")

    def _due_work_done(self, tenant_id: str, month: str) -> Check:
        wallets = self._due_wallets(tenant_id, self._end_of(tenant_id, month), 1_000)
        told = f"{len(wallets)} wallets have something due" if wallets else "nothing is due"
        return Check("due_work_done", not wallets, told)

    def _end_of(self, tenant_id: str, month: str) -> datetime:
        end = end_of_day(last_day(month), self._reader.tenant(tenant_id).timezone)
        return min(end, self._reader.now(tenant_id))

    def _finish_due_work(self, tenant_id: str) -> None:
        """Write what has fallen due; on a test clock it has been on the way."""
        for _ in range(_MOST_ROUNDS):
            self._catch_up()
            if not self._due_work.run_once(tenant_id):
                break

    def _newest(self, tenant_id: str) -> int:
        return self._reader.events(tenant_id, limit=1)[0].position

    def _do(self, caller: Caller, command: BeginClose | CompleteClose | AbandonClose) -> Outcome:
        (outcome,) = self._ledger.execute(caller, [command])
        if outcome.error is not None:
            raise outcome.error
        return outcome


def _refused(tenant_id: str, month: str, failed: Sequence[Check], reader: Reader) -> Outcome:
    told = "; ".join(f"{check.name}: {check.detail}" for check in failed)
    position = reader.events(tenant_id, limit=1)[0].position
    refusal = InvalidState(state="OPEN", reason=f"{month} cannot close yet: {told}")
    return Outcome(None, refusal, position)
