"""Reading streams: events by id, wallets by their snapshot and what came since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import Cursor
from psycopg.sql import SQL, Composed, Identifier

from application.codec import EventCodec
from application.storage import arrays
from application.storage.shard import Shard
from domain.aggregate import Event
from domain.wallet.events import OverageSettled
from domain.wallet.standing import WalletState
from domain.wallet.wallet import Wallet

RATED_TOPICS = (
    "wallet.usage_debited",
    "wallet.usage_observed",
    "wallet.usage_credited",
    "wallet.hold_captured",
    "wallet.charge_reversed",
    "wallet.overage_settled",
)
SNAPSHOT_TOPIC = "wallet.snapshot"

_decode_state = msgspec.json.Decoder(WalletState).decode
_encode_state = msgspec.json.Encoder().encode


class StreamReader:
    """Queries of one shard's log, on a cursor of tuples whose connection takes columns.

    All are bound to a tenant, whatever the cursor's role may see; as text, so that the tenant's
    index is never taken for the stream's.
    """

    def __init__(self, shard: Shard, codec: EventCodec) -> None:
        self._codec = codec
        names = {"schema": Identifier(shard.schema)}
        self._events = SQL(
            "SELECT originator_id::text, originator_version, topic, state FROM {schema}.events"
            " WHERE originator_id = ANY(%b::uuid[]) AND tenant::text = %s"
            " ORDER BY originator_id, originator_version"
        ).format(**names)
        self._since = SQL(
            "SELECT e.originator_id::text, e.originator_version, e.topic, e.state"
            " FROM unnest(%b::uuid[], %b::bigint[]) AS wanted (id, version)"
            " JOIN {schema}.events e ON e.originator_id = wanted.id"
            " AND e.originator_version > wanted.version"
            " WHERE e.tenant::text = %s AND (%s::timestamptz IS NULL OR e.recorded_at <= %s)"
            " ORDER BY e.originator_id, e.originator_version"
        ).format(**names)
        self._snapshots = SQL(
            "SELECT wanted.id::text, s.originator_version, s.recorded_at, s.state"
            " FROM unnest(%b::uuid[]) AS wanted (id) CROSS JOIN LATERAL ("
            " SELECT originator_version, recorded_at, state FROM {schema}.snapshots"
            " WHERE tenant = %s AND originator_id = wanted.id"
            " AND (%s::timestamptz IS NULL OR recorded_at <= %s)"
            " ORDER BY originator_version DESC LIMIT 1) s"
        ).format(**names)
        self._versions = SQL(
            "SELECT wanted.id::text, (SELECT max(originator_version) FROM {schema}.events e"
            " WHERE e.originator_id = wanted.id) FROM unnest(%b::uuid[]) AS wanted (id)"
        ).format(**names)
        self._latest = SQL(
            "SELECT e.originator_id::text, e.originator_version, e.topic, e.state"
            " FROM unnest(%b::uuid[]) AS wanted (id) CROSS JOIN LATERAL ("
            " SELECT originator_id, originator_version, topic, state FROM {schema}.events"
            " WHERE originator_id = wanted.id AND tenant::text = %s"
            " ORDER BY originator_version DESC LIMIT 1) e"
        ).format(**names)
        self._repayments = SQL(
            "SELECT originator_version, state FROM {schema}.events"
            " WHERE originator_id = %s AND tenant::text = %s AND topic = 'wallet.overage_settled'"
            " ORDER BY originator_version"
        ).format(**names)

        self._rated = SQL(
            "SELECT originator_id::text, originator_version, topic, state FROM {schema}.events"
            " WHERE originator_id = %s AND tenant::text = %s AND recorded_at >= %s"
            " AND topic = ANY(%s) ORDER BY originator_version"
        ).format(**names)

    def events(
        self, cursor: Cursor[Any], tenant_id: str, ids: Sequence[str]
    ) -> dict[str, list[Event]]:
        """Return the events of each stream that has any."""
        cursor.execute(self._events, (arrays.uuids(ids), tenant_id), prepare=True)
        return self._by_stream(cursor)

    def versions(self, cursor: Cursor[Any], ids: Sequence[str]) -> dict[str, int]:
        """Return the latest version of each stream that has any."""
        cursor.execute(self._versions, (arrays.uuids(ids),), prepare=True)
        return {stream: version for stream, version in cursor.fetchall() if version is not None}

    def wallets(
        self,
        cursor: Cursor[Any],
        tenant_id: str,
        ids: Sequence[str],
        at: datetime | None = None,
        tails: dict[str, int] | None = None,
    ) -> dict[str, Wallet]:
        """Return the wallets that exist, as recorded; by `at`, or the latest.

        Flat in history: the newest snapshot, and the events since; their number goes to
        `tails`.
        """
        if not ids:
            return {}
        wallets: dict[str, Wallet] = {}
        cursor.execute(self._snapshots, (arrays.uuids(ids), tenant_id, at, at), prepare=True)
        for wallet_id, version, recorded_at, state in cursor.fetchall():
            wallets[wallet_id] = Wallet.restored(
                wallet_id, version, recorded_at, _decode_state(state)
            )
        versions = [wallets[each].version if each in wallets else 0 for each in ids]
        cursor.execute(
            self._since,
            (arrays.uuids(ids), arrays.numbers(versions), tenant_id, at, at),
            prepare=True,
        )
        for wallet_id, events in self._by_stream(cursor).items():
            if tails is not None:
                tails[wallet_id] = len(events)
            wallet = wallets.get(wallet_id)
            if wallet is None:
                folded = Wallet.fold(events)
                assert folded is not None
                wallets[wallet_id] = folded
            else:
                for event in events:
                    event.mutate(wallet)
        return wallets

    def latest(self, cursor: Cursor[Any], tenant_id: str, ids: Sequence[str]) -> dict[str, Event]:
        """Return the last event of each stream that has any."""
        cursor.execute(self._latest, (arrays.uuids(ids), tenant_id), prepare=True)
        return {stream: events[-1] for stream, events in self._by_stream(cursor).items()}

    def rated_since(
        self, cursor: Cursor[Any], tenant_id: str, wallet_id: str, since: datetime
    ) -> list[Event]:
        """Return the events of a wallet since a time that may have moved its totals."""
        cursor.execute(self._rated, (wallet_id, tenant_id, since, list(RATED_TOPICS)))
        return self._by_stream(cursor).get(wallet_id, [])

    def repayments(
        self, cursor: Cursor[Any], tenant_id: str, wallet_id: str
    ) -> list[OverageSettled]:
        """Return how grants repaid a wallet's overage, in order."""
        cursor.execute(self._repayments, (wallet_id, tenant_id))
        return [
            self._codec.decode("wallet.overage_settled", state, wallet_id, version)  # type: ignore[misc]
            for version, state in cursor.fetchall()
        ]

    def _by_stream(self, cursor: Cursor[Any]) -> dict[str, list[Event]]:
        streams: dict[str, list[Event]] = {}
        decode = self._codec.decode
        for stream, version, topic, state in cursor.fetchall():
            event = decode(topic, state, stream, version)
            if stream in streams:
                streams[stream].append(event)
            else:
                streams[stream] = [event]
        return streams


def snapshot_of(wallet: Wallet) -> bytes:
    """Return a wallet's state as a snapshot keeps it."""
    return _encode_state(wallet.state())


def insert_snapshots(shard: Shard) -> Composed:
    """Keep snapshots, one a wallet and day at most; of the same day only the newest stays.

    Parameters, as columns: tenant, wallet id, version, topic, state, recorded_at.
    """
    return SQL(
        "WITH due AS (SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::bigint[], %b::text[],"
        " %b::bytea[], %b::timestamptz[]) AS due (tenant, id, version, topic, state, at)),"
        " kept AS (INSERT INTO {schema}.snapshots"
        " (tenant, originator_id, originator_version, topic, state, recorded_at)"
        " SELECT * FROM due ON CONFLICT DO NOTHING)"
        " DELETE FROM {schema}.snapshots AS older USING due"
        " WHERE older.tenant = due.tenant AND older.originator_id = due.id"
        " AND older.originator_version < due.version"
        " AND older.recorded_at >= date_trunc('day', due.at, 'UTC')"
    ).format(schema=Identifier(shard.schema))
