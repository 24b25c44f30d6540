"""Wallets kept in the writer's memory. A cache: everything is right without it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from domain.wallet.wallet import Wallet

# A grant or hold is some 1.5 KB of memory, an empty wallet some 4 KB.
_WALLET_WEIGHT = 3


class WalletCache:
    """The most recently used wallets, bounded by the open grants and holds in them."""

    def __init__(self, capacity: int = 500_000) -> None:
        self._capacity = capacity
        self._weight = 0
        self._wallets: OrderedDict[str, tuple[Wallet, int]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._wallets)

    def get(self, wallet_id: str) -> Wallet | None:
        entry = self._wallets.get(wallet_id)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        return entry[0]

    def keep(self, wallets: Iterable[Wallet]) -> None:
        """Keep wallets as committed; the least recently used make room."""
        kept = self._wallets
        for wallet in wallets:
            before = kept.pop(wallet.id, None)
            weight = _weight(wallet)
            kept[wallet.id] = (wallet, weight)
            self._weight += weight - (before[1] if before is not None else 0)
        while self._weight > self._capacity and self._wallets:
            _, (_, weight) = self._wallets.popitem(last=False)
            self._weight -= weight

    def drop(self, wallet_id: str) -> None:
        entry = self._wallets.pop(wallet_id, None)
        if entry is not None:
            self._weight -= entry[1]


def _weight(wallet: Wallet) -> int:
    weight = _WALLET_WEIGHT + len(wallet.holds)
    for account in wallet.accounts.values():
        weight += len(account.grants)
    return weight
