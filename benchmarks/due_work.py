"""How long a test clock takes over months in which something falls due every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter

from application.commands.requests import AdvanceClock, AuthorizeUsage, IssueGrant
from benchmarks.ground import execute, fund, ledger
from benchmarks.report import Figure, promise

CUSTOMERS = 40
START = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = timedelta(days=1)


def measure(days: int) -> list[Figure]:
    """Advance over grants of a day each and holds of a week, of 40 customers."""
    with ledger(test_clock=START) as runtime:
        fund(runtime, CUSTOMERS)
        for customer in range(CUSTOMERS):
            execute(runtime, [_grant(customer, day) for day in range(days)])
            execute(runtime, [_hold(customer, week) for week in range(days // 7)])
        last = runtime.reader.events(runtime.tenant_id, limit=1)[0].position
        began = perf_counter()
        execute(runtime, [AdvanceClock(START + days * A_DAY)])
        took = perf_counter() - began
        events = runtime.reader.events(runtime.tenant_id, limit=1)[0].position - last
    return [
        {
            "what": "advanceClock, 40 customers, a grant of each a day",
            "days": days,
            "events": events,
            "seconds": round(took, 2),
            "events/s": round(events / took),
            **promise("below 5 s", kept=took < 5),
        }
    ]


def _grant(customer: int, day: int) -> IssueGrant:
    return IssueGrant(
        f"daily-{customer}-{day}",
        f"ext:c{customer}",
        "CREDIT",
        "10",
        "PROMOTIONAL",
        effective_at=START + day * A_DAY,
        expires_at=START + (day + 1) * A_DAY,
    )


def _hold(customer: int, week: int) -> AuthorizeUsage:
    return AuthorizeUsage(
        f"hold-{customer}-{week}",
        f"ext:c{customer}",
        "tokens",
        amount="1",
        asset="CREDIT",
        ttl_seconds=(week + 1) * 7 * 86_400,
    )
