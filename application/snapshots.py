"""Snapshots of wallets, written off the write path.

A wallet is kept when the events since its last snapshot outweigh that snapshot, so that
their cost is a constant share of the writing, and a load never folds more than it keeps.
"""

from __future__ import annotations

import queue
import threading
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from application.storage.recorder import LedgerRecorder, Rows
from application.storage.streams import SNAPSHOT_TOPIC, insert_snapshot, snapshot_of
from application.work import Batch

LIGHTEST_SNAPSHOT = 16 * 1_024
MEAN_EVENT_WEIGHT = 300
MOST_WEIGHED = 200_000

logger = structlog.get_logger()


class Snapshots:
    """Weighs wallets after each commit; writes those that are due in a thread of its own."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder
        self._statement = insert_snapshot(recorder.shard)
        self._since: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=1_000)
        self._writer = threading.Thread(target=self._write, name="snapshots", daemon=True)

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        if self._writer.is_alive():
            self._queue.put(None)
            self._writer.join()

    def weigh(self, batch: Batch, rows: Rows, tails: dict[str, int]) -> None:
        """Count what a committed batch added to its wallets; keep those that are due.

        tails: how many events were folded to load a wallet.
        """
        if len(self._since) > MOST_WEIGHED:
            # A wallet that is forgotten is only kept somewhat later.
            self._since.clear()
            self._last.clear()
        for wallet_id, events in tails.items():
            self._since[wallet_id] = events * MEAN_EVENT_WEIGHT
        for place, stream in enumerate(rows.originators):
            wallet = batch.wallets.get(stream)
            if wallet is None:
                continue
            since = self._since.get(stream, 0) + len(rows.states[place])
            self._since[stream] = since
            if (
                since > max(self._last.get(stream, 0), LIGHTEST_SNAPSHOT)
                and wallet.version == rows.versions[place]
            ):
                self._keep(
                    rows.tenants[place],
                    stream,
                    wallet.version,
                    wallet.recorded_at,
                    snapshot_of(wallet),
                )

    def _keep(
        self, tenant_id: str, wallet_id: str, version: int, at: datetime, state: bytes
    ) -> None:
        self._since[wallet_id] = 0
        self._last[wallet_id] = len(state)
        row = {
            "tenant": tenant_id,
            "id": wallet_id,
            "version": version,
            "topic": SNAPSHOT_TOPIC,
            "state": state,
            "at": at,
        }
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            # It is due again after as much more.
            logger.info("snapshot left out")

    def _write(self) -> None:
        while (row := self._queue.get()) is not None:
            try:
                with self._recorder.connection() as connection, connection.transaction():
                    connection.execute(self._statement, row)
            except (psycopg.Error, PoolTimeout) as error:
                logger.warning("snapshot not written", error=type(error).__name__)
