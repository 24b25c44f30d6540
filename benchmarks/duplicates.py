"""What one client that sends only duplicates costs the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from application.caller import Caller
from application.commands.requests import RecordUsage
from benchmarks.ground import fund, ledger, middle, seconds_of, usage
from benchmarks.report import Figure, promise, rounds
from interfaces.runtime import Runtime

ROUNDS = 5
SENDERS = 3
WALLETS = 1_000
BATCH = 100


def measure(charges: int) -> list[Figure]:
    """Measure `charges` a round of three senders, alone and beside one that repeats itself."""
    with ledger() as runtime:
        fund(runtime, WALLETS)
        again = [usage(f"again-{number}", number) for number in range(BATCH)]
        _send(runtime, "repeater", again)
        alone: list[float] = []
        beside: list[float] = []
        repeated: list[float] = []
        _charges_a_second(runtime, "warm", charges)
        for round_ in range(ROUNDS):
            alone.append(_charges_a_second(runtime, f"alone-{round_}", charges))
            with _Repeater(runtime, again) as repeater:
                rate = _charges_a_second(runtime, f"beside-{round_}", charges)
            beside.append(rate)
            repeated.append(repeater.sent * rate / charges)
    ratios = [with_it / without for with_it, without in zip(beside, alone, strict=True)]
    ratio = middle(ratios)
    return [
        {
            "what": "Three senders, alone and beside one that sends only duplicates",
            "charges a command": BATCH,
            "charges/s alone": round(middle(alone)),
            "charges/s beside it": round(middle(beside)),
            "duplicates/s": round(middle(repeated)),
            "ratio": round(ratio, 3),
            "ratios": rounds(ratios),
            **promise("at least 0.7", kept=ratio >= 0.7),
        }
    ]


def _charges_a_second(runtime: Runtime, name: str, charges: int) -> float:
    batches = [
        [usage(f"{name}-{number}", number % WALLETS) for number in range(start, start + BATCH)]
        for start in range(0, charges, BATCH)
    ]

    def run() -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(lambda batch: _send(runtime, "sender", batch), batches))

    return charges / seconds_of(run)


def _send(runtime: Runtime, actor: str, batch: list[RecordUsage]) -> None:
    caller = Caller(runtime.tenant_id, actor, "benchmark")
    for outcome in runtime.ledger.execute(caller, batch):
        assert outcome.answer is not None, outcome.refusal or outcome.error


class _Repeater:
    """Sends the same again until the block ends. sent: how many events."""

    def __init__(self, runtime: Runtime, batch: list[RecordUsage]) -> None:
        self.sent = 0
        self._send = partial(_send, runtime, "repeater", batch)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Repeater:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._send()
            self.sent += BATCH
