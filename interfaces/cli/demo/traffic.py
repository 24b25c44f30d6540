"""When requests come: busier by day than by night, on weekdays, and month by month."""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from interfaces.cli.demo.customers import DemoCustomer, cumulative_weights

MICROSECONDS = 1_000_000
HOUR = 3_600 * MICROSECONDS
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY_HOUR = (4, 3, 2, 2, 2, 3, 5, 9, 13, 16, 17, 16, 15, 17, 19, 20, 19, 17, 14, 12, 10, 8, 7, 5)
_BY_WEEKDAY = (100, 108, 110, 106, 92, 40, 34)
_GROWTH_PERCENT = 150


@dataclass(frozen=True, slots=True)
class Span:
    """The demo's time; all in whole hours, UTC. Times inside are microseconds since 1970."""

    starts: datetime
    ends: datetime

    @property
    def start(self) -> int:
        return microseconds_of(self.starts)

    @property
    def end(self) -> int:
        return microseconds_of(self.ends)

    @property
    def days(self) -> int:
        return max(1, (self.ends - self.starts).days)

    def day(self, percent: int, at_hour: int = 0, at_minute: int = 0) -> int:
        """Return a moment of the day that lies at `percent` of the span."""
        midnight = self.start - self.start % DAY
        day = self.days * percent // 100
        return midnight + day * DAY + at_hour * HOUR + at_minute * 60 * MICROSECONDS


def span_of(ends: datetime, months: int) -> Span:
    """Return the months before the last full hour at `ends`."""
    last = ends.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    months_before = last.year * 12 + last.month - 1 - months
    year, month = divmod(months_before, 12)
    day = min(last.day, monthrange(year, month + 1)[1])
    return Span(last.replace(year=year, month=month + 1, day=day), last)


def microseconds_of(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def arrivals(
    random: Random, span: Span, customers: Sequence[DemoCustomer], count: int
) -> Iterator[tuple[int, DemoCustomer]]:
    """Draw when each of `count` requests comes and whose it is, in order of time."""
    weights = cumulative_weights(customers)
    total = weights[-1]
    joined = [span.start + customer.joins_on * DAY for customer in customers]
    for hour, requests in enumerate(_requests_by_hour(random, span, count)):
        begins = span.start + hour * HOUR
        for at in sorted(begins + (random.getrandbits(40) * HOUR >> 40) for _ in range(requests)):
            index = bisect_right(weights, random.getrandbits(40) * total >> 40)
            # What falls to one who has not joined yet falls to the largest.
            yield at, customers[index if joined[index] < at else 0]


def _requests_by_hour(random: Random, span: Span, count: int) -> list[int]:
    hours = (span.end - span.start) // HOUR
    sums: list[int] = []
    total = 0
    for hour in range(hours):
        at = span.starts + timedelta(hours=hour)
        growth = 100 + _GROWTH_PERCENT * hour // hours
        total += _BY_HOUR[at.hour] * _BY_WEEKDAY[at.weekday()] * growth
        sums.append(total)
    requests = [0] * hours
    for _ in range(count):
        requests[bisect_right(sums, random.getrandbits(40) * total >> 40)] += 1
    return requests
