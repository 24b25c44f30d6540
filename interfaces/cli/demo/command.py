"""`counterfoil demo`: months of an LLM product's traffic, written into an empty ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from interfaces.cli.failures import Refused, WrongUsage
from interfaces.cli.opening import opened, settings_for_a_command
from interfaces.cli.parameters import Moment

if TYPE_CHECKING:
    from interfaces.cli.demo.customers import DemoCustomer
    from interfaces.cli.demo.writing import Wish, Written
    from interfaces.runtime import Runtime
    from interfaces.settings import Settings

DEFAULT_SEED, DEFAULT_MONTHS, DEFAULT_CUSTOMERS, DEFAULT_CHARGES = 7, 6, 40, 106_000


@click.command(short_help="Write a demo into an empty ledger.")
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True,
              help="What all is drawn from.")  # fmt: skip
@click.option("--months", type=click.IntRange(1, 36), default=DEFAULT_MONTHS, show_default=True,
              help="How many months of traffic.")  # fmt: skip
@click.option("--charges", type=click.IntRange(100, 5_000_000), default=DEFAULT_CHARGES,
              show_default=True,
              help="How many usage events are drawn; some are refused.")  # fmt: skip
@click.option("--customers", type=click.IntRange(1, 1_000), default=DEFAULT_CUSTOMERS,
              show_default=True, help="How many customers.")  # fmt: skip
@click.option("--ends", type=Moment(),
              help="The last hour of the demo.  [default: the last full hour]")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Only the report.")
def demo(
    *, seed: int, months: int, charges: int, customers: int, ends: datetime | None, quiet: bool
) -> None:
    """Write months of traffic of an LLM product into an empty ledger.

    "Lumen" sells other people's models to 40 customers, in credits and in dollars: packs that
    are bought, plans with seats and credits that roll over, promotions that lapse, agents that
    hold before they spend, refunds, a frozen wallet, a runaway agent at 03:12, a dead card. All
    of it goes through the ledger's own commands, on a simulated clock; the same seed and end
    give the same figures, to the last digit.

    \b
    Examples:
      counterfoil demo
      counterfoil demo --seed 8 --months 2 --charges 5000
      counterfoil demo --ends 2026-11-01T00:00:00Z --quiet

    Nothing else may use the ledger meanwhile. It ends with a report; serve the ledger then
    with counterfoil serve.
    """
    from interfaces.cli.demo.report import things_to_try
    from interfaces.cli.demo.writing import Wish

    settings = settings_for_a_command()
    if settings.sandbox:
        raise WrongUsage("The demo brings its own clock: unset COUNTERFOIL_SANDBOX.")
    if ends is not None and ends > _now():
        raise WrongUsage(f"--ends {ends:%Y-%m-%dT%H:%M:%SZ} is in the future")
    wish = Wish(seed, months, charges, customers, ends or _now())
    written = _write(settings, wish, quiet=quiet)
    if written is None:
        raise Refused(
            "The ledger is not empty, and the demo writes only into an empty one: "
            "name another by COUNTERFOIL_DATA_DIR, or serve this one (counterfoil serve)."
        )
    if not quiet:
        url = f"http://{settings.host}:{settings.port}"
        click.echo("\nServe it: counterfoil serve\n")
        click.echo(things_to_try(url, settings, written.first_customer))
    if written.figures.differences:
        raise SystemExit(1)


def demo_if_empty(settings: Settings, charges: int) -> DemoCustomer | None:
    """Write the demo into an empty ledger and print its report.

    Return the customer to look at; None in a ledger that holds something else.
    """
    from interfaces.cli.demo.writing import Wish

    wish = Wish(DEFAULT_SEED, DEFAULT_MONTHS, charges, DEFAULT_CUSTOMERS, _now())
    written = _write(settings, wish, quiet=False)
    if written is not None:
        return written.first_customer
    with opened(settings=settings, quiet=True) as runtime:
        return _demo_customer(runtime)


def _demo_customer(runtime: Runtime) -> DemoCustomer | None:
    """Return the demo's first customer, where the ledger has it."""
    from random import Random

    from interfaces.cli.demo.customers import customers_of

    (customer,) = customers_of(Random(DEFAULT_SEED), 1, 1, DEFAULT_CHARGES)
    customer_id = runtime.reader.customer_id(runtime.tenant_id, customer.reference)
    found = runtime.reader.customers(runtime.tenant_id, [customer_id])
    return customer if found else None


def _write(settings: Settings, wish: Wish, *, quiet: bool) -> Written | None:
    from application.clock import SetClock
    from interfaces.cli.demo.report import figures_text
    from interfaces.cli.demo.writing import speeds_text, write

    clock = SetClock(wish.span.starts)
    with opened(clock=clock, settings=settings, quiet=quiet) as runtime:
        if not _is_empty(runtime):
            return None
        try:
            written = write(runtime, clock, wish, quiet=quiet)
        except KeyboardInterrupt:
            click.echo(
                f"Stopped half-way. To begin anew, remove {settings.data_dir} first.", err=True
            )
            raise
    click.echo(figures_text(written.figures))
    if not quiet:
        click.echo(speeds_text(written))
    return written


def _is_empty(runtime: Runtime) -> bool:
    newest = runtime.reader.events(runtime.tenant_id, limit=1)
    return all(event.topic.startswith("tenant.") for event in newest)


def _now() -> datetime:
    from application.clock import SystemClock

    return SystemClock().now()
