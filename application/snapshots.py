"""Snapshots of wallets, written off the write path.

A wallet is kept when the events since its last snapshot outweigh that snapshot, so that
their cost is a constant share of the writing, and a load never folds more than it keeps.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from application.batch import Batch
from application.storage import arrays
from application.storage.recorder import LedgerRecorder, Rows
from application.storage.streams import SNAPSHOT_TOPIC, insert_snapshots, snapshot_of

LIGHTEST_SNAPSHOT = 16 * 1_024
MEAN_EVENT_WEIGHT = 300
MOST_WEIGHED = 200_000
MOST_TOGETHER = 100
GATHERING_SECONDS = 0.05

logger = structlog.get_logger()

Due = dict[str, Any]
"""A wallet's snapshot, as its row."""


class Snapshots:
    """Weighs wallets as a batch is decided; writes those that are due once it is committed,
    in a thread of its own.
    """

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder
        self._statement = insert_snapshots(recorder.shard)
        self._since: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._queue: queue.Queue[Due | None] = queue.Queue(maxsize=1_000)
        self._writer = threading.Thread(target=self._write, name="snapshots", daemon=True)

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        if self._writer.is_alive():
            self._queue.put(None)
            self._writer.join()

    def weigh(self, batch: Batch, rows: Rows, tails: dict[str, int]) -> list[Due]:
        """Count what a batch adds to its wallets; return those that are due.

        tails: how many events were folded to load a wallet.
        """
        if len(self._since) > MOST_WEIGHED:
            # A wallet that is forgotten is only kept somewhat later.
            self._since.clear()
            self._last.clear()
        for wallet_id, events in tails.items():
            self._since[wallet_id] = events * MEAN_EVENT_WEIGHT
        due: list[Due] = []
        wallets = batch.wallets
        for place, stream in enumerate(rows.originators):
            wallet = wallets.get(stream)
            if wallet is None:
                continue
            since = self._since.get(stream, 0) + len(rows.states[place])
            self._since[stream] = since
            if (
                since > LIGHTEST_SNAPSHOT
                and since > self._last.get(stream, 0)
                and wallet.version == rows.versions[place]
            ):
                state = snapshot_of(wallet)
                self._since[stream] = 0
                self._last[stream] = len(state)
                due.append(
                    {
                        "tenant": rows.tenants[place],
                        "id": stream,
                        "version": wallet.version,
                        "topic": SNAPSHOT_TOPIC,
                        "state": state,
                        "at": wallet.recorded_at,
                    }
                )
        return due

    def keep(self, due: Sequence[Due]) -> None:
        """Write snapshots of wallets whose batch is committed, soon."""
        left_out = 0
        for row in due:
            try:
                self._queue.put_nowait(row)
            except queue.Full:
                # It is due again after as much more.
                left_out += 1
        if left_out:
            logger.info("snapshots left out", wallets=left_out)

    def _write(self) -> None:
        while rows := self._gathered():
            # Of those of one wallet and day only the newest would stay.
            due = {(row["id"], row["at"].date()): row for row in rows}
            try:
                with self._recorder.connection() as connection, connection.transaction():
                    # One that a crash takes is due again: nobody waits for the disk.
                    connection.execute("SET LOCAL synchronous_commit = off")
                    connection.execute(self._statement, _columns(list(due.values())))
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("snapshots not written", error=type(error).__name__)

    def _gathered(self) -> list[Due]:
        """Wait for the next, and take what comes right after it; nothing once it is to end."""
        rows: list[Due] = []
        row = self._queue.get()
        while row is not None:
            rows.append(row)
            if len(rows) == MOST_TOGETHER:
                return rows
            try:
                row = self._queue.get(timeout=GATHERING_SECONDS)
            except queue.Empty:
                return rows
        if rows:
            self._queue.put(None)  # for the next look
        return rows


def _columns(due: Sequence[Due]) -> tuple[arrays.Column, ...]:
    return (
        arrays.uuids([row["tenant"] for row in due]),
        arrays.uuids([row["id"] for row in due]),
        arrays.numbers([row["version"] for row in due]),
        arrays.texts([row["topic"] for row in due]),
        arrays.octets([row["state"] for row in due]),
        arrays.times([row["at"] for row in due]),
    )
