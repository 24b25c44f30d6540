"""One worker process: started by the supervisor, ends when told so or when that is gone.

python -P -m interfaces.processes.worker '{"role": ..., "listener": ..., "lifeline": ...}'
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading

from interfaces.cli.failures import in_words
from interfaces.logs import configure_logging
from interfaces.processes.roles import serve_role
from interfaces.settings import load_settings


def main(told: str) -> int:
    """Serve; return the exit code."""
    given = json.loads(told)
    lifeline = socket.socket(fileno=given["lifeline"])
    # Children of ours shall not keep it open.
    lifeline.set_inheritable(False)
    listener = None
    if given["listener"] is not None:
        listener = socket.socket(fileno=given["listener"])
        listener.set_inheritable(False)

    def watch() -> None:
        lifeline.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        threading.Thread(target=watch, name="lifeline", daemon=True).start()
        serve_role(
            settings,
            given["role"],
            listener,
            lambda: _say_ready(lifeline),
            answer_while_opening=not given["replaces"],
        )
    except Exception as failure:
        known = in_words(failure)
        if known is None:
            raise
        known.show()
        return known.exit_code
    return 0


def _say_ready(lifeline: socket.socket) -> None:
    lifeline.sendall(b"r")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
