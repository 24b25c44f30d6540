"""A client that costs little: bytes made beforehand, answers hardly read, in a process of its own.

One thread waits for all connections at once; each sends its next request when it has the
answer to its last. On two cores the client takes a part of what it measures: `cpu_us` says
how much.
"""

from __future__ import annotations

import multiprocessing
import resource
import selectors
import socket
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

KEY = "a-key-for-the-benchmarks"
JSON = "application/json"


@dataclass(slots=True)
class Driven:
    """What a round of requests took. cpu_us: of the client, a request."""

    latencies_ms: list[float]
    seconds: float
    cpu_us: float

    @property
    def rate(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    began: float = 0.0
    received: bytearray = field(default_factory=bytearray)


class Client:
    """Drives one server from a process of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def drive(self, clients: int, messages: Sequence[bytes]) -> Driven:
        """Send all messages from so many connections. Raises AssertionError on any error."""
        return self._process.submit(drive, self._port, clients, messages).result()


def post(path: str, body: bytes, media_type: str = JSON) -> bytes:
    """Return a request as it goes over the wire."""
    return (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), KEY.encode(), media_type.encode(), len(body), body)
    )


def drive(port: int, clients: int, messages: Sequence[bytes]) -> Driven:
    waiting = list(reversed(messages))
    latencies: list[float] = []
    poll = selectors.DefaultSelector()
    connections = [_connected(port) for _ in range(min(clients, len(waiting)))]
    cpu = _cpu_seconds()
    began = perf_counter()
    for connection in connections:
        poll.register(connection.sock, selectors.EVENT_READ, connection)
        _send(connection, waiting.pop())
    while poll.get_map():
        for key, _ in poll.select():
            connection = key.data
            received = connection.sock.recv(262_144)
            assert received, "the server hung up"
            connection.received += received
            if not _is_whole(connection.received):
                continue
            latencies.append(1_000 * (perf_counter() - connection.began))
            _check(connection.received)
            connection.received.clear()
            if waiting:
                _send(connection, waiting.pop())
            else:
                poll.unregister(connection.sock)
                connection.sock.close()
    seconds = perf_counter() - began
    poll.close()
    return Driven(latencies, seconds, 1e6 * (_cpu_seconds() - cpu) / len(messages))


def _connected(port: int) -> _Connection:
    """Return a connection that has been answered once: opening one is not what is measured."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    received = bytearray()
    while not _is_whole(received):
        received += sock.recv(4_096)
    return _Connection(sock)


def _send(connection: _Connection, message: bytes) -> None:
    connection.began = perf_counter()
    connection.sock.sendall(message)


def _is_whole(received: bytearray) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = received.find(b"content-length: ", 0, end + 2)
    length = int(received[at + 16 : received.index(b"\r\n", at)])
    return len(received) >= end + 4 + length


def _check(received: bytearray) -> None:
    assert received.startswith(b"HTTP/1.1 200"), received
    assert b'"errors"' not in received, received
    assert b'"code"' not in received, received


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
