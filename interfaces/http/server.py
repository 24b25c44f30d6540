"""The web server: uvicorn, run in the calling thread until it is told to stop.

SIGTERM or SIGINT: no new connections; what was accepted is finished; then `serve` returns.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from interfaces.http.protocol import StrictHttpProtocol
from interfaces.http.starting import Opened, Progress, StartingApp

MOST_CONNECTIONS = 1_000
IDLE_SECONDS = 5
GRACE_SECONDS = 30
LARGEST_MESSAGE = 256 * 1024
BACKLOG = 2_048

Listening = Callable[[str], None]


class AddressUnavailable(Exception):
    """The address cannot be listened on: it is in use, is not ours, or needs a right."""


class LedgerServer(uvicorn.Server):
    """Ends in peace: uvicorn's own raises the signal again once it is done, and exits -15."""

    def __init__(self, config: uvicorn.Config, listening: Listening | None = None) -> None:
        super().__init__(config)
        self._listening = listening

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    def stop(self) -> None:
        """Finish what was accepted, then return from `run`."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._listening is not None and sockets:
            self._listening(url_of(sockets[0]))


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    listening: Listening | None = None,
    protocol: type[StrictHttpProtocol] = StrictHttpProtocol,
    most_connections: int = MOST_CONNECTIONS,
) -> None:
    """Serve until a signal says stop; port 0 takes a free one.

    listening: told the URL once requests are answered. Raises AddressUnavailable.
    """
    server_for(app, listening=listening, protocol=protocol, most_connections=most_connections).run(
        sockets=[listen(host, port)]
    )


def serve_while_opening(
    open_app: Callable[[Progress], Opened],
    listener: socket.socket,
    *,
    listening: Listening | None = None,
) -> None:
    """Serve from the start, the ledger from when `open_app` has returned it.

    `listening` is told the URL before `open_app` is called. Raises whatever `open_app` raised:
    then the server has stopped.
    """
    starting = StartingApp(open_app)

    def begin(url: str) -> None:
        if listening is not None:
            listening(url)
        starting.begin()

    server = server_for(starting, listening=begin)
    starting.stop_server = server.stop
    server.run(sockets=[listener])
    if starting.failure is not None:
        raise starting.failure


def server_for(
    app: ASGIApp,
    *,
    listening: Listening | None = None,
    protocol: type[StrictHttpProtocol] = StrictHttpProtocol,
    most_connections: int = MOST_CONNECTIONS,
) -> LedgerServer:
    """Return the server, not yet running: `run` blocks, `stop` ends it."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,  # it prints query strings; interfaces/http/request_log.py does not
        proxy_headers=False,
        server_header=False,
        limit_concurrency=most_connections,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return LedgerServer(config, listening)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises AddressUnavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as failure:
        raise AddressUnavailable(
            f"cannot listen on {host} port {port}: {failure.strerror}"
        ) from failure


def listen_for_each(host: str, port: int, workers: int) -> list[socket.socket]:
    """Return a listening socket for each of several processes, all of one address.

    Where the kernel shares connections out among several sockets (Linux), each has its own; else
    all have the same. Whoever holds them all loses no connection when one process ends. Raises
    AddressUnavailable, also where only another program's sockets could be shared.
    """
    first = listen(host, port)
    if not sys.platform.startswith("linux"):
        return [first, *(first.dup() for _ in range(workers - 1))]
    address = first.getsockname()
    first.close()  # taken alone, it has shown that nobody else listens there
    listeners: list[socket.socket] = []
    for _ in range(workers):
        listener = socket.socket(first.family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if first.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listeners.append(listener)
    return listeners


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
