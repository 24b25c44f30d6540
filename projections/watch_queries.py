"""What lists of notifications and top-ups answer, from the read models."""

from __future__ import annotations

import re
from datetime import datetime
from typing import LiteralString

from psycopg.sql import SQL

from projections.notifications import NOTIFICATIONS, NotificationRow
from projections.pages import Page, cursor, place
from projections.tenant_rows import TenantRows

_NEWEST = 2**63 - 1
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_STATUS_AT: LiteralString = (
    "CASE WHEN status IN ('REQUESTED', 'ACTION_REQUIRED') AND times_out_at <= %(now)s"
    " THEN 'TIMED_OUT' ELSE status END"
)


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class WatchQueries(TenantRows):
    """Part of `ReadModels`."""

    def notification_page(
        self,
        tenant_id: str,
        customer_id: str | None,
        kind: str | None,
        first: int,
        after: str | None = None,
    ) -> Page[NotificationRow]:
        """Return what was told, newest first. Raises BadCursor."""
        if customer_id is not None and not _is_id(customer_id):
            return Page([], None, has_next=False)  # no customer has such an id
        position, at = place("notifications", 2, after) if after is not None else (_NEWEST, 0)
        where = "tenant = %(tenant)s AND (position, place) < (%(position)s, %(place)s)"
        if customer_id is not None:
            where += " AND customer_id = %(customer)s"
        if kind is not None:
            where += " AND kind = %(kind)s"
        found = self._rows(
            tenant_id,
            "SELECT {columns} FROM {notifications} WHERE {where}"
            " ORDER BY position DESC, place DESC LIMIT %(limit)s",
            {
                "position": position, "place": at, "customer": customer_id, "kind": kind,
                "limit": first + 1,
            },
            where=SQL(where),
            columns=NOTIFICATIONS.selected(),
        )  # fmt: skip
        rows = [NOTIFICATIONS.row_of(row) for row in found[:first]]
        end = cursor("notifications", rows[-1].position, rows[-1].place) if rows else None
        return Page(rows, end, len(found) > first)

    def notification(self, tenant_id: str, notification_id: str) -> NotificationRow | None:
        found = self._rows(
            tenant_id,
            "SELECT {columns} FROM {notifications}"
            " WHERE tenant = %(tenant)s AND notification_id = %(id)s",
            {"id": notification_id},
            columns=NOTIFICATIONS.selected(),
        )
        return NOTIFICATIONS.row_of(found[0]) if found else None

    def top_up_page(
        self,
        tenant_id: str,
        customer_id: str | None,
        status: str | None,
        now: datetime,
        first: int,
        after: str | None = None,
    ) -> Page[str]:
        """Return ids of requests for top-ups, newest first. status: as it is `now`.

        Raises BadCursor.
        """
        if customer_id is not None and not _is_id(customer_id):
            return Page([], None, has_next=False)
        before = _NEWEST if after is None else place("topups", 1, after)[0]
        where = "tenant = %(tenant)s AND position < %(before)s"
        if customer_id is not None:
            where += " AND customer_id = %(customer)s"
        if status is not None:
            where += f" AND {_STATUS_AT} = %(status)s"
        rows = self._rows(
            tenant_id,
            "SELECT request_id::text, position FROM {top_ups} WHERE {where}"
            " ORDER BY position DESC LIMIT %(limit)s",
            {
                "before": before, "customer": customer_id, "status": status, "now": now,
                "limit": first + 1,
            },
            where=SQL(where),
        )  # fmt: skip
        shown = rows[:first]
        end = cursor("topups", int(shown[-1][1])) if shown else None
        return Page([str(row[0]) for row in shown], end, len(rows) > first)

    def unsettled_top_ups(self, tenant_id: str, since: datetime, limit: int) -> list[str]:
        """Return ids of requests of which something may still be heard, the oldest first."""
        rows = self._rows(
            tenant_id,
            "SELECT request_id::text FROM {top_ups} WHERE tenant = %(tenant)s"
            " AND status IN ('REQUESTED', 'ACTION_REQUIRED', 'TIMED_OUT')"
            " AND requested_at >= %(since)s ORDER BY requested_at, request_id LIMIT %(limit)s",
            {"since": since, "limit": limit},
        )
        return [str(request_id) for (request_id,) in rows]
