"""Wallets kept in the writer's memory. A cache: everything is right without it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from domain.wallet.wallet import Wallet

MIB = 1024 * 1024
DEFAULT_BYTES = 512 * MIB
EVENTS_UNTIL_WEIGHED = 10  # by so few events a wallet does not grow much

# What CPython 3.11 takes on 64 bits, with ids and keys; a test holds them to what is measured.
_WALLET_BYTES = 2_000
_ACCOUNT_BYTES = 1_600
_GRANT_BYTES = 1_100
_HOLD_BYTES = 1_400
_BUDGET_BYTES = 900
_RANGE_BYTES = 150
_ENROLMENT_BYTES = 4_000
_SPAN_BYTES = 1_000
_OVERRIDE_BYTES = 2_000
_ROW_BYTES = 600
_TOTAL_BYTES = 1_000
_PAYERS_BYTES = 300
_PAID_BYTES = 250


class WalletCache:
    """The most recently used wallets, within so many bytes of memory, as estimated.

    With 0 bytes none is kept. Used by one thread; figures may be read by any.
    """

    def __init__(self, most_bytes: int = DEFAULT_BYTES) -> None:
        self.most_bytes = most_bytes
        self._wallets: OrderedDict[str, tuple[Wallet, int, int]] = OrderedDict()
        self.bytes = 0
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
            wallet_id = wallet.id
            before = kept.get(wallet_id)
            if before is None or before[0] is not wallet or wallet.version >= before[2]:
                size = estimated_bytes(wallet)
                kept[wallet_id] = (wallet, size, wallet.version + EVENTS_UNTIL_WEIGHED)
                self.bytes += size - (before[1] if before is not None else 0)
            kept.move_to_end(wallet_id)
        while self.bytes > self.most_bytes and kept:
            _, (_, size, _) = kept.popitem(last=False)
            self.bytes -= size

    def drop(self, wallet_id: str) -> None:
        entry = self._wallets.pop(wallet_id, None)
        if entry is not None:
            self.bytes -= entry[1]


def estimated_bytes(wallet: Wallet) -> int:
    """Return what a wallet takes in memory, from how many things are in it alone."""
    size = _WALLET_BYTES + _HOLD_BYTES * len(wallet.holds)
    size += _BUDGET_BYTES * len(wallet.budgets.by_id)
    for account in wallet.accounts.values():
        size += _ACCOUNT_BYTES + _GRANT_BYTES * len(account.grants)
        size += _RANGE_BYTES * (len(account.owed) + len(account.invoiced))
    for enrolment in wallet.enrolments.values():
        size += _ENROLMENT_BYTES + _SPAN_BYTES * len(enrolment.spans)
        for price in enrolment.terms.overrides:
            size += _OVERRIDE_BYTES + _ROW_BYTES * len(price.rows)
    size += _TOTAL_BYTES * len(wallet.totals.by_key)
    for payers in wallet.totals.payers.values():
        size += (
            _PAYERS_BYTES + _PAID_BYTES * len(payers.grants) + _RANGE_BYTES * len(payers.overage)
        )
    return size
