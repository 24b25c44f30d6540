"""The demo, from a wish to what was written: draw, charge, project, replay, count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from application.clock import SetClock
from domain.rating.trial import Trial
from interfaces.cli.demo import plans, prices, story
from interfaces.cli.demo.catalog import CREDIT
from interfaces.cli.demo.customers import DemoCustomer, customers_of
from interfaces.cli.demo.lumen import Lumen
from interfaces.cli.demo.report import Balance, Comparison, Figures
from interfaces.cli.demo.simulation import Simulation
from interfaces.cli.demo.traffic import Span, arrivals, span_of
from interfaces.cli.figures import counted
from interfaces.cli.opening import caller_of
from interfaces.cli.progress import progress_bar

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

TOLD_EVERY = 500
COMPARED_DAYS = 30
MOST_COMPARED = 1_000
_OWN_TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE tableowner = current_user"


@dataclass(frozen=True, slots=True)
class Wish:
    """charges: how many usage events are drawn, beside the story's."""

    seed: int
    months: int
    charges: int
    customers: int
    ends: datetime

    @property
    def span(self) -> Span:
        return span_of(self.ends, self.months)


@dataclass(frozen=True, slots=True)
class Written:
    """Figures that follow from the seed, and how long it took: seconds."""

    figures: Figures
    write_seconds: float
    project_seconds: float
    replay_seconds: float

    @property
    def first_customer(self) -> DemoCustomer:
        return self.figures.customers[0]


def write(runtime: Runtime, clock: SetClock, wish: Wish, *, quiet: bool) -> Written:
    """Write the demo through the ledger's commands, then check it. The clock ends at its end."""
    from interfaces.cli.replay import replayed

    started = perf_counter()
    lumen = _written(runtime, clock, wish, quiet=quiet)
    written = perf_counter()
    with progress_bar("Folding the read models", 1, quiet=quiet):
        runtime.catch_up()
    _refresh_statistics(runtime)
    projected = perf_counter()
    report = replayed(runtime, quiet=quiet)
    figures = Figures(
        seed=wish.seed,
        span=wish.span,
        customers=lumen.customers,
        tally=lumen.tally,
        balances=_balances(runtime, lumen),
        compared=_compared(runtime, lumen),
        plans=plans.figures_of(runtime.reader, lumen),
        events=report.events,
        differences=len(report.differences),
    )
    return Written(figures, written - started, projected - written, perf_counter() - projected)


def _written(runtime: Runtime, clock: SetClock, wish: Wish, *, quiet: bool) -> Lumen:
    random = Random(wish.seed)
    span = wish.span
    customers = customers_of(random, wish.customers, span.days, wish.charges)
    execute = partial(runtime.ledger.execute, caller_of(runtime, "demo"))
    simulation = Simulation(execute, clock)
    lumen = Lumen(runtime.tenant_id, simulation, random, span, customers)
    lumen.open()
    story.tell(lumen, wish.charges)
    label = f"Writing {wish.months} months of traffic"
    with progress_bar(label, wish.charges, quiet=quiet) as reached:
        requests = arrivals(random, span, customers, wish.charges)
        for number, (at, customer) in enumerate(requests):
            simulation.advance(at)
            lumen.request(at, customer)
            if number % TOLD_EVERY == 0:
                reached(number)
    simulation.advance(span.end)
    simulation.flush()
    clock.at = span.ends
    lumen.run_due_work(span.end)
    return lumen


def _refresh_statistics(runtime: Runtime) -> None:
    """Let the planner know of tables that have just grown: by itself it looks once a minute."""
    with runtime.owner.connect(autocommit=True) as owner:
        for schema, table in owner.execute(_OWN_TABLES).fetchall():
            owner.execute(SQL("ANALYZE {}").format(Identifier(schema, table)))


def _balances(runtime: Runtime, lumen: Lumen) -> list[Balance]:
    wallets = runtime.reader.wallets(
        runtime.tenant_id, [lumen.wallet_id(customer) for customer in lumen.customers]
    )
    balances: list[Balance] = []
    for customer in lumen.customers:
        wallet = wallets.get(lumen.wallet_id(customer))
        account = wallet.accounts.get(customer.asset) if wallet is not None else None
        if wallet is not None and account is not None:
            at = wallet.time(lumen.span.ends)
            balances.append(
                Balance(
                    customer,
                    account.asset,
                    account.scale,
                    account.available_units(at),
                    account.held_units,
                    account.owed_units,
                    account.expired_units,
                )
            )
    return balances


def _compared(runtime: Runtime, lumen: Lumen) -> Comparison:
    """Ask what the draft that nobody has yet would have charged for the last days."""
    ends = lumen.span.ends
    trial = Trial(prices.ENTERPRISE, 1)
    page = runtime.comparisons.compare(
        runtime.tenant_id, trial, ends - timedelta(days=COMPARED_DAYS), ends, MOST_COMPARED
    )
    in_credits = [row for row in page.rows if row.asset == CREDIT]
    return Comparison(
        trial.product,
        COMPARED_DAYS,
        sum(row.charged_units for row in in_credits),
        sum(row.would_charge_units for row in in_credits),
    )


def speeds_text(written: Written) -> str:
    """Return how long it took, of which the seed says nothing."""
    charges = written.figures.tally.charges
    total = written.write_seconds + written.project_seconds + written.replay_seconds
    return (
        f"  took      {total:.1f} s: {written.write_seconds:.1f} s to write "
        f"({counted(round(charges / written.write_seconds))} charges/s), "
        f"{written.project_seconds:.1f} s for the read models, "
        f"{written.replay_seconds:.1f} s to replay and compare"
    )
