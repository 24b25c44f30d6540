"""A proxy before PostgreSQL that cuts the connection around a COMMIT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

Cut = Literal["before the commit", "after the commit", "killed at the commit"]


class CuttingProxy:
    """Listens on a socket of its own. `cut_next`: what happens to the next COMMIT of a writer;
    `away_after_cut`: with it all connections end, and new ones are refused. kill: ends the
    writer's session in the server.
    """

    def __init__(self, directory: Path, server_socket: Path, kill: Callable[[], None]) -> None:
        self.directory = directory
        self.kill = kill
        self.cut_next: Cut | None = None
        self.away_after_cut = False
        self.cuts = 0
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
        if b"COMMIT" not in request or self.cut_next is None:
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
        self._locked = False

    def forward_requests(self) -> None:
        with suppress(OSError):
            while request := self._client.recv(65_536):
                # Snapshots commit too, but never under the writers' lock.
                self._locked = self._locked or b"pg_advisory_xact_lock" in request
                cut = self._proxy.take_cut(request) if self._locked else None
                if b"COMMIT" in request:
                    self._locked = False
                if cut == "before the commit":
                    self._proxy.go_away(self)
                    break
                if cut == "killed at the commit":
                    self._proxy.kill()
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

    def end(self) -> None:
        for each in (self._client, self._server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def through(proxy: CuttingProxy, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a login's arguments by way of the proxy."""
    return {**arguments, "host": str(proxy.directory), "port": 5432}
