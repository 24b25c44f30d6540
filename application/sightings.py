"""Which values UNIQUE has met, as a batch loads them and leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from domain.aggregate import Event
from domain.rating.rate import Sight
from domain.rating.running_total import TotalKey
from domain.wallet.sightings import ValueForgotten, ValueSeen, sighting_id

Told = TypeVar("Told", ValueSeen, ValueForgotten)


class LatestEvents(Protocol):
    def latest(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Event]: ...


class Sightings:
    """The last event of each value's stream; None for one that was never seen.

    Loaded anew by each batch, with one query for all that it rates. Whoever writes one holds
    the wallet, so an old answer ends as a unique violation and the batch is decided again.
    """

    def __init__(self, log: LatestEvents, secret: bytes) -> None:
        self._log = log
        self._secret = secret
        self._known: dict[str, dict[str, Event | None]] = {}

    def prefetch(self, tenant_id: str, wanted: Iterable[tuple[str, TotalKey, str]]) -> None:
        """Load the sights of (wallet id, cycle's key, value) in one go."""
        missing: dict[str, str] = {}
        for wallet_id, key, value in wanted:
            sighting = sighting_id(wallet_id, key, value, self._secret)
            if sighting not in self._known.setdefault(wallet_id, {}):
                missing[sighting] = wallet_id
        found = self._log.latest(tenant_id, list(missing)) if missing else {}
        for sighting, wallet_id in missing.items():
            self._known[wallet_id][sighting] = found.get(sighting)

    def unseen(self, tenant_id: str, wallet_id: str, key: TotalKey, value: str) -> bool:
        return not isinstance(self._last(tenant_id, wallet_id, key, value), ValueSeen)

    def tell(
        self,
        event_class: type[Told],
        tenant_id: str,
        wallet_id: str,
        sight: Sight,
        charge_id: str,
        at: datetime,
    ) -> Told:
        """Return the event that a value was seen first, or that it counts as new again."""
        last = self._last(tenant_id, wallet_id, sight.key, sight.value)
        sighting = sighting_id(wallet_id, sight.key, sight.value, self._secret)
        version = last.originator_version + 1 if last is not None else 1
        event = event_class(sighting, version, at, wallet_id, charge_id)
        self._known[wallet_id][sighting] = event
        return event

    def forget(self, wallet_id: str) -> None:
        """Let go of what was loaded for a wallet that others have moved."""
        self._known.pop(wallet_id, None)

    def _last(self, tenant_id: str, wallet_id: str, key: TotalKey, value: str) -> Event | None:
        self.prefetch(tenant_id, [(wallet_id, key, value)])
        return self._known[wallet_id][sighting_id(wallet_id, key, value, self._secret)]
