"""Due work: what time does to wallets and books, written by a runner; to wallets the same
as lazily.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from application.accounting_days import AccountingDays
from application.caller import Caller
from application.commands.answers import Answer, DueWorkAnswer
from application.commands.requests import AdvanceClock, Command, RunDueWork
from application.commands.stop_requests import TellStop
from application.errors import NotASandbox
from application.ledger import Ledger
from application.payments import Payments
from application.reading import Reader
from application.storage.lease import Lease

DueWallets = Callable[[str, datetime, int | None], Sequence[str]]

INTERVAL_SECONDS = 1.0
WALLETS_AT_ONCE = 10_000
# On the way of a test clock each has months to write.
WALLETS_ON_THE_WAY_AT_ONCE = 20

logger = structlog.get_logger()


class DueWork:
    """Writes what falls due.

    due_wallets: (tenant, until, limit) -> ids of wallets with something due, from a read
    model. catch_up: brings that read model up to the log. lease: of the runner, where several
    processes have one; what falls due is written once without it too, since the wallet decides.
    stops: of read models, each to be told to every tenant, which the log makes sure is once.
    payments: answers requests for top-ups, where a provider lives in this process.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        due_wallets: DueWallets,
        catch_up: Callable[[], None],
        tenants: Callable[[], Sequence[str]],
        lease: Lease | None = None,
        stops: Callable[[], Sequence[TellStop]] = tuple,
        payments: Payments | None = None,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._due_wallets = due_wallets
        self._catch_up = catch_up
        self._tenants = tenants
        self._lease = lease
        self._stops = stops
        self._told: set[tuple[str, TellStop]] = set()
        self._payments = payments
        self._days = AccountingDays(ledger, reader)
        ledger.on_clock_advance = self.advance

    def advance(self, caller: Caller, command: AdvanceClock) -> None:
        """Write what falls due up to a test clock's new time, each at its own; a payment
        provider answers on the way.

        Resumable: the clock itself moves last. Raises NotASandbox.
        """
        tenant = self._reader.tenant(caller.tenant_id)
        if tenant.clock_at is None:
            raise NotASandbox(tenant.key)
        if command.to <= tenant.clock_at:
            return
        for day, its_end in self._days.over(tenant, command.to):
            # What a month's end posts depends on what has lapsed by then.
            self._advance_wallets(caller, its_end)
            self._days.end(caller, day, at_their_ends=True)
        self._advance_wallets(caller, command.to)

    def _advance_wallets(self, caller: Caller, to: datetime) -> None:
        self._catch_up()
        if self._payments is not None:
            self._payments.run_once(caller.tenant_id)
            self._catch_up()
        wallets = self._due_wallets(caller.tenant_id, to, None)
        self._run(caller, wallets, to, WALLETS_ON_THE_WAY_AT_ONCE)

    def run_once(self, tenant_id: str) -> int:
        """Write what is due now; return in how many wallets."""
        tenant = self._reader.tenant(tenant_id)
        if tenant.clock_at is not None:
            return 0
        now = self._reader.now(tenant_id)
        wallets = self._due_wallets(tenant_id, now, WALLETS_AT_ONCE)
        scheduler = Caller(tenant_id, "scheduler", "")
        self._run(scheduler, wallets, None, WALLETS_AT_ONCE)
        if len(wallets) < WALLETS_AT_ONCE:
            for day, _ in self._days.over(tenant, now):
                self._days.end(scheduler, day, at_their_ends=False)
        return len(wallets)

    def tell(self, tenant_id: str, stops: Sequence[TellStop]) -> None:
        """Tell a tenant of read models that have stopped, in its log, each once."""
        new = [stop for stop in stops if (tenant_id, stop) not in self._told]
        if new:
            self._execute(Caller(tenant_id, "scheduler", ""), new)
            self._told.update((tenant_id, stop) for stop in new)

    def run(self, stop: threading.Event) -> None:
        """Keep writing what falls due until `stop` is set."""
        while not stop.wait(INTERVAL_SECONDS):
            try:
                if self._lease is not None and not self._lease.held():
                    continue
                stops = self._stops()
                for tenant_id in self._tenants():
                    self.tell(tenant_id, stops)
                    self.run_once(tenant_id)
                    if self._payments is not None:
                        self._payments.run_once(tenant_id)
            except (psycopg.Error, PoolTimeout) as error:
                # Lazily decided wallets are right without the runner; it tries again.
                logger.warning("due work not done", error=type(error).__name__)
        if self._lease is not None:
            self._lease.release()

    def _run(
        self, caller: Caller, wallets: Sequence[str], until: datetime | None, at_once: int
    ) -> None:
        pausing = until is not None and self._payments is not None
        for start in range(0, len(wallets), at_once):
            left = list(wallets[start : start + at_once])
            while left:
                commands = [RunDueWork(wallet_id, until, pausing) for wallet_id in left]
                left = []
                asked: list[str] = []
                for answer in self._execute(caller, commands):
                    assert isinstance(answer, DueWorkAnswer)
                    asked += answer.requests
                    if not answer.done:
                        left.append(answer.wallet_id)
                if pausing and self._payments is not None:
                    self._payments.report(caller.tenant_id, asked)

    def _execute(self, caller: Caller, commands: Sequence[Command]) -> list[Answer | None]:
        outcomes = self._ledger.execute(caller, commands)
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if outcome.refusal is not None:
                raise outcome.refusal
        return [outcome.answer for outcome in outcomes]
