"""A proxy before PostgreSQL that cuts the connection around a writer's commit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

Cut = Literal[
    "before the commit", "after the commit", "killed at the commit", "long before the commit"
]
LATE_SECONDS = 0.3


class CuttingProxy:
    """Listens on a socket of its own. `cut_next`: what happens to the next rows of a writer,
    which are one message; `away_after_cut`: with it all connections end, and new ones are
    refused. kill: ends the writer's session in the server. sent_late: set once the server has
    answered, or ended upon, what it was sent long after.
    """

    def __init__(self, directory: Path, server_socket: Path, kill: Callable[[], None]) -> None:
        self.directory = directory
        self.kill = kill
        self.cut_next: Cut | None = None
        self.away_after_cut = False
        self.cuts = 0
        self.sent_late = threading.Event()
        self._pairs: list[_Pair] = []
        self._server_socket = server_socket
        self._away = threading.Event()
        self._door = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def come_back(self) -> None:
        self._away.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._door:
                if self._away.is_set():
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server_socket))
                pair = _Pair(self, client, server)
                self._pairs.append(pair)
            threading.Thread(target=pair.forward_requests, daemon=True).start()
            threading.Thread(target=pair.forward_answers, daemon=True).start()

    def take_cut(self, request: bytes) -> Cut | None:
        if not request.startswith(b"B") or b"append" not in request[:32] or self.cut_next is None:
            return None
        cut, self.cut_next = self.cut_next, None
        self.cuts += 1
        return cut

    def go_away(self, last: _Pair) -> None:
        """End all but the pair that was cut: who sees that one end finds no other to ask."""
        if self.away_after_cut:
            with self._door:
                self._away.set()
                for pair in self._pairs:
                    if pair is not last:
                        pair.end()


class _Pair:
    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._swallow = threading.Event()
        self._late = False

    def forward_requests(self) -> None:
        with suppress(OSError):
            while request := self._client.recv(65_536):
                cut = self._proxy.take_cut(request)
                if cut == "before the commit":
                    self._proxy.go_away(self)
                    break
                if cut == "killed at the commit":
                    self._proxy.kill()
                if cut == "long before the commit":
                    # The server hears of the rows once their sender has given the link up.
                    self._swallow.set()
                    self._late = True
                    _end(self._client)
                    time.sleep(LATE_SECONDS)
                    self._server.sendall(request)
                    return
                if cut == "after the commit":
                    self._swallow.set()
                self._server.sendall(request)
        self.end()

    def forward_answers(self) -> None:
        with suppress(OSError):
            while answer := self._server.recv(65_536):
                if self._swallow.is_set():
                    self._proxy.go_away(self)
                    break
                self._client.sendall(answer)
        self.end()
        if self._late:
            self._proxy.sent_late.set()

    def end(self) -> None:
        for each in (self._client, self._server):
            _end(each)


def _end(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()


def through(proxy: CuttingProxy, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a login's arguments by way of the proxy."""
    return {**arguments, "host": str(proxy.directory), "port": 5432}
