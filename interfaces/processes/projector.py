"""A process that folds for another one, and tells it what; it ends when that one is gone.

python -P -m interfaces.processes.projector FILE_DESCRIPTOR
"""

from __future__ import annotations

import signal
import socket
import sys
import threading

import msgspec

from interfaces.cli.failures import in_words
from interfaces.interpreter import tune_interpreter
from interfaces.logs import configure_logging
from interfaces.processes.folding import READY
from interfaces.runtime import Runtime
from interfaces.settings import load_settings


def main(descriptor: int) -> int:
    """Fold until the line is closed, or a signal says stop; return the exit code."""
    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def watch() -> None:
        line.recv(1)
        stop.set()

    def tell(*batch: object) -> None:
        try:
            line.sendall(msgspec.json.encode(batch) + b"\n")
        except OSError:
            stop.set()

    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        threading.Thread(target=watch, name="line", daemon=True).start()
        with Runtime.open(settings, tasks=()) as runtime:
            tune_interpreter()
            runtime.engine.on_batch.append(tell)
            line.sendall(READY + b"\n")
            runtime.engine.run(stop)
    except Exception as failure:
        known = in_words(failure)
        if known is None:
            raise
        known.show()
        return known.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
