"""What the ledger tells of itself in figures, for Prometheus.

Labels are closed sets: outcomes, routes, read models. Nothing names a tenant, a customer or a
key. What several worker processes count is added up where PROMETHEUS_MULTIPROC_DIR says that
there are several.
"""

from __future__ import annotations

import os
import threading
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout

from application.commands.answers import ChargeAnswer, HoldAnswer
from application.commands.requests import AuthorizeUsage, CaptureUsage, RecordUsage
from application.errors import OutcomeUnknown
from application.ledger import Item, Outcome
from application.storage.recorder import Rows
from domain.wallet.events import HoldLapsed, HoldPlaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from application.ledger import Ledger
    from projections.engine import Health

WORKERS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_USAGE_COMMANDS = {RecordUsage: "record", AuthorizeUsage: "authorize", CaptureUsage: "capture"}


class Metrics:
    """The figures of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._charges = Counter(
            "counterfoil_charges",
            "Usage commands answered: how, or the problem's code when refused.",
            ("command", "outcome"),
            registry=registry,
        )
        self._commit_commands = Histogram(
            "counterfoil_commit_commands",
            "Commands that shared one commit.",
            buckets=_SIZES,
            registry=registry,
        )
        self._unpriced = Counter(
            "counterfoil_unpriced_charges",
            "Charges with a line that no price matched.",
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "counterfoil_commit_seconds",
            "From the writers' lock until the commit is certain.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._decide_seconds = Histogram(
            "counterfoil_decide_seconds",
            "Deciding the commands of one commit.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._events = Counter(
            "counterfoil_events_committed", "Events appended to the log.", registry=registry
        )
        self._waiting = Gauge(
            "counterfoil_queue_commands",
            "Commands that wait for the writer, as its last batch began or ended.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._cache_lookups = Counter(
            "counterfoil_wallet_cache_lookups",
            "Wallets looked for in the writer's memory.",
            ("result",),
            registry=registry,
        )
        self._cache_bytes = Gauge(
            "counterfoil_wallet_cache_bytes",
            "Memory of the wallets that the writer keeps, as estimated.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._holds_placed = Counter("counterfoil_holds_placed", "Holds placed.", registry=registry)
        self._holds_lapsed = Counter(
            "counterfoil_holds_lapsed", "Holds that lapsed without a capture.", registry=registry
        )
        self._requests = Counter(
            "counterfoil_http_requests",
            "Requests by what they asked for and how they were answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "counterfoil_http_request_seconds",
            "From a request's headers until its answer is sent.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._ingested = Counter(
            "counterfoil_ingest_events",
            "Events of POST /v1/usage, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "counterfoil_projection_batch_seconds",
            "Folding and saving one batch of the log.",
            ("projection",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._ledger: Ledger | None = None
        self._looking = threading.Lock()
        self._seen_hits = 0
        self._seen_misses = 0
        self._database: list[Collector] = []

    # What is watched

    def watch_writer(self, ledger: Ledger) -> None:
        """Count what a writer does; called by its own threads."""
        self._ledger = ledger
        ledger.on_stage.append(self._stage)
        ledger.on_settled.append(self._settled)
        ledger.on_commit.append(self._committed)

    def watch_database(
        self, health: Callable[[], Iterable[Health]], open_holds: Callable[[], int]
    ) -> None:
        """Look at each reading how far read models are and how many holds are open."""
        collector = _DatabaseCollector(health, open_holds)
        self._database.append(collector)
        self.registry.register(collector)

    def observe_request(self, method: str, route: str, status: int | None, seconds: float) -> None:
        self._requests.labels(method, route, "none" if status is None else str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def observe_batch(self, projection: str, rows: int, seconds: float) -> None:  # noqa: ARG002
        self._batch_seconds.labels(projection).observe(seconds)

    def count_ingested(self, outcomes: Iterable[str]) -> None:
        for outcome, count in Tally(outcomes).items():
            self._ingested.labels(outcome).inc(count)

    # What is told

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text format; with workers, those of all of them."""
        if self._ledger is not None:
            # A writer that waits for its database tells nothing, and its queue grows.
            self._look_at_writer()
        directory = os.environ.get(WORKERS_DIRECTORY)
        if directory is None:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
        for collector in self._database:
            registry.register(collector)
        return generate_latest(registry)

    # Inside

    def _stage(self, stage: str, items: Sequence[Item], seconds: float) -> None:
        if stage == "decide":
            self._decide_seconds.observe(seconds)
        else:
            self._commit_seconds.observe(seconds)
            self._commit_commands.observe(len(items))
        self._look_at_writer()

    def _settled(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        found: dict[tuple[type, str], int] = {}
        unpriced = 0
        for (_, command), outcome in zip(items, outcomes, strict=True):
            kind = type(command)
            if kind in _USAGE_COMMANDS:
                told = kind, _kind(outcome)
                found[told] = found.get(told, 0) + 1
            unpriced += _is_unpriced(outcome) and not getattr(command, "dry", False)
        for (kind, status), count in found.items():
            self._charges.labels(_USAGE_COMMANDS[kind], status.lower()).inc(count)
        if unpriced:
            self._unpriced.inc(unpriced)
        self._look_at_writer()

    def _committed(self, rows: Rows, positions: Sequence[int]) -> None:
        self._events.inc(len(positions))
        placed = rows.topics.count(HoldPlaced.TOPIC)
        if placed:
            self._holds_placed.inc(placed)
        lapsed = rows.topics.count(HoldLapsed.TOPIC)
        if lapsed:
            self._holds_lapsed.inc(lapsed)

    def _look_at_writer(self) -> None:
        assert self._ledger is not None
        cache = self._ledger.cache
        with self._looking:
            self._waiting.set(self._ledger.waiting)
            self._cache_bytes.set(cache.bytes)
            hits, misses = cache.hits, cache.misses
            self._cache_lookups.labels("hit").inc(max(0, hits - self._seen_hits))
            self._cache_lookups.labels("miss").inc(max(0, misses - self._seen_misses))
            self._seen_hits, self._seen_misses = hits, misses


def _is_unpriced(outcome: Outcome) -> bool:
    answer = outcome.answer
    if type(answer) is not ChargeAnswer or not answer.told.lines or answer.replayed:
        return False
    return any(line.price is None for line in answer.told.lines)


class _DatabaseCollector(Collector):
    """Asks the database at each reading; what cannot be asked is left out."""

    def __init__(
        self, health: Callable[[], Iterable[Health]], open_holds: Callable[[], int]
    ) -> None:
        self._health = health
        self._open_holds = open_holds

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return database_families()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        reached, position, events, seconds, stopped, stopped_at, holds = database_families()
        try:
            found = list(self._health())
            holds.add_metric((), self._open_holds())
        except (psycopg.Error, PoolTimeout):
            reached.add_metric((), 0)
            return [reached]
        reached.add_metric((), 1)
        for each in found:
            name = (each.projection,)
            position.add_metric(name, each.position)
            events.add_metric(name, each.behind_events)
            seconds.add_metric(name, each.behind_seconds)
            stopped.add_metric(name, each.stopped is not None)
            if each.stopped is not None:
                stopped_at.add_metric(name, each.stopped.position)
        return [reached, position, events, seconds, stopped, stopped_at, holds]


def database_families() -> list[GaugeMetricFamily]:
    """Return what is asked of the database at each reading, still without figures."""
    names = ("projection",)
    return [
        GaugeMetricFamily("counterfoil_database_up", "1: the database answers."),
        GaugeMetricFamily(
            "counterfoil_projection_position", "A read model's place in the log.", labels=names
        ),
        GaugeMetricFamily(
            "counterfoil_projection_lag_events",
            "At most so many events a read model is behind the log.",
            labels=names,
        ),
        GaugeMetricFamily(
            "counterfoil_projection_lag_seconds",
            "How long a read model has had something left to fold.",
            labels=names,
        ),
        GaugeMetricFamily(
            "counterfoil_projection_stopped",
            "1: a read model has met an event that it cannot fold.",
            labels=names,
        ),
        GaugeMetricFamily(
            "counterfoil_projection_stopped_position",
            "Position of the event that a read model cannot fold; none where none has stopped.",
            labels=names,
        ),
        GaugeMetricFamily("counterfoil_holds_open", "Holds that are open."),
    ]


def _kind(outcome: Outcome) -> str:
    """Return what became of a command, in letters of either case."""
    if outcome.refusal is not None:
        return outcome.refusal.code
    answer = outcome.answer
    if answer is None:
        return "unknown" if isinstance(outcome.error, OutcomeUnknown) else "error"
    if not isinstance(answer, (ChargeAnswer, HoldAnswer)):
        return "answered"
    if answer.replayed:
        return "replayed"
    told = answer.told if isinstance(answer, ChargeAnswer) else answer.charge
    return told.status
