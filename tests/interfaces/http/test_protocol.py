"""The protocol below ASGI, byte by byte over raw sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from interfaces.http import protocol as protocol_module
from interfaces.http.protocol import LARGEST_HEADERS, StrictHttpProtocol
from tests.interfaces.http.small_api import ADMIN_KEY, served

KEY = f"Authorization: Bearer {ADMIN_KEY}\r\n".encode()
BODY = b'{"query":"{ now }"}'
HEAD = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEY
CHUNKED = b"13\r\n" + BODY + b"\r\n0\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Impatient(StrictHttpProtocol):
    headers_seconds: ClassVar[float] = 0.3
    body_seconds: ClassVar[float] = 0.3


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as port:
        yield port


@pytest.fixture(scope="module")
def impatient() -> Iterator[int]:
    with served(protocol=Impatient) as port:
        yield port


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def answer(connection: socket.socket) -> bytes:
    """Read one response and not a byte of the next; empty when the connection ended."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        octet = connection.recv(1)
        if not octet:
            return text
        text += octet
    lengths = [line for line in text.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].split(b":")[1])
    while missing > 0:
        part = connection.recv(missing)
        assert part, "cut off"
        text += part
        missing -= len(part)
    return text


def everything(connection: socket.socket) -> bytes:
    """Read until the server ends the connection."""
    text = b""
    while part := connection.recv(65_536):
        text += part
    return text


def status(text: bytes) -> int:
    return int(text.split(b" ", 2)[1])


# --- one request, one meaning --------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 19\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: Chunked\r\n\r\n" + CHUNKED,
        b"\r\n" + HEAD + b"Content-Length: 19\r\n\r\n" + BODY,
    ],
)
def test_a_plain_request_is_answered(port: int, request_bytes: bytes) -> None:
    with opened(port) as connection:
        connection.sendall(request_bytes)
        first = answer(connection)
        connection.sendall(GET)

        assert (status(first), status(answer(connection))) == (200, 200)


@pytest.mark.parametrize(
    "request_bytes",
    [
        # two framings: a proxy may trust the one that we do not
        HEAD + b"Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 29\r\n\r\n" + CHUNKED,
        HEAD + b"Content-Length: 19\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 19, 19\r\n\r\n" + BODY,
        HEAD + b"Content-Length: +19\r\n\r\n" + BODY,
        HEAD + b"Content-Length : 19\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0x" + CHUNKED,
        # bare line feeds
        (HEAD + b"Content-Length: 19\r\n\r\n").replace(b"\r\n", b"\n") + BODY,
        HEAD + b"Content-Length: 19\n\r\n" + BODY,
        HEAD + b"Content-Length: 19\r\n\n" + BODY,
        HEAD + b"X: a\nY: b\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED.replace(b"\r\n", b"\n"),
        # headers that readers disagree on
        HEAD + b"X: a\r\n folded\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD + b"X: a\x00b\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD + b"X: a\rY: b\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD + b"Host: y\r\nContent-Length: 19\r\n\r\n" + BODY,
        HEAD.replace(b"Host: x\r\n", b"") + b"Content-Length: 19\r\n\r\n" + BODY,
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_an_ambiguous_request_is_refused_and_so_is_what_hides_behind_it(
    port: int, request_bytes: bytes
) -> None:
    with opened(port) as connection:
        connection.sendall(request_bytes + GET)
        text = everything(connection)

    assert status(text) == 400
    assert text.count(b"HTTP/1.1 ") == 1
    assert b"2026-01-31" not in text


def test_requests_one_after_another_are_answered_in_order(port: int) -> None:
    with opened(port) as connection:
        connection.sendall(
            HEAD + b"Content-Length: 19\r\n\r\n" + BODY + GET + HEAD + b"Content-Length: 0\r\n\r\n"
        )
        answers = [answer(connection) for _ in range(3)]

    assert [status(text) for text in answers] == [200, 200, 400]


# --- sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"X: " + b"x" * 100, b"X: " + b"x" * 20_000])
def test_headers_without_end_are_refused(port: int, line: bytes) -> None:
    with opened(port) as connection:
        connection.sendall(HEAD)
        try:
            for _ in range(5 * LARGEST_HEADERS // len(line)):
                connection.sendall(line + b"\r\n")
                time.sleep(0.0001)  # as separate packets, not as one
            text = everything(connection)
        except (BrokenPipeError, ConnectionResetError):
            return  # it was cut off while it still sent
    assert status(text) == 431


def test_one_header_without_end_is_refused(port: int) -> None:
    with opened(port) as connection:
        connection.sendall(HEAD + b"X: ")
        try:
            for _ in range(1_000):
                connection.sendall(b"x" * 4_096)
            text = everything(connection)
        except (BrokenPipeError, ConnectionResetError):
            return
    assert status(text) == 431


def test_a_body_of_an_answered_request_is_not_read_for_ever(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_module, "LARGEST_DISCARDED", 1_000_000)
    head = HEAD.replace(KEY, b"") + b"Content-Length: 1000000000\r\n\r\n"
    sent = 0
    with opened(port) as connection:
        connection.sendall(head)
        assert status(answer(connection)) == 401
        try:
            while sent < 100_000_000:
                connection.sendall(b" " * 65_536)
                sent += 65_536
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert 1_000_000 <= sent < 20_000_000


# --- deadlines -----------------------------------------------------------------------


def test_a_silent_connection_is_ended(impatient: int) -> None:
    with opened(impatient) as connection:
        assert everything(connection) == b""


def test_a_connection_that_sends_only_empty_lines_is_ended(impatient: int) -> None:
    with opened(impatient) as connection:
        assert dripped(connection, b"\r\n" * 1_000) == b""


def test_headers_that_drip_are_ended(impatient: int) -> None:
    with opened(impatient) as connection:
        text = dripped(connection, HEAD + b"X: " + b"x" * 1_000)

    assert status(text) == 408


def test_headers_that_drip_after_another_request_are_ended(impatient: int) -> None:
    with opened(impatient) as connection:
        connection.sendall(GET)
        assert status(answer(connection)) == 200
        assert status(dripped(connection, HEAD + b"X: " + b"x" * 1_000)) == 408


@pytest.mark.parametrize(
    "head", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"]
)
def test_a_body_that_drips_is_ended(impatient: int, head: bytes) -> None:
    with opened(impatient) as connection:
        connection.sendall(HEAD + head)
        text = dripped(connection, b" " * 1_000)

    assert status(text) == 408


def test_a_body_that_drips_behind_its_answer_is_ended(impatient: int) -> None:
    with opened(impatient) as connection:
        connection.sendall(HEAD.replace(KEY, b"") + b"Content-Length: 1000\r\n\r\n")
        assert status(answer(connection)) == 401
        assert dripped(connection, b" " * 1_000) == b""


def test_a_request_that_comes_in_parts_but_in_time_is_answered(impatient: int) -> None:
    request = HEAD + b"Content-Length: 19\r\n\r\n" + BODY
    with opened(impatient) as connection:
        for start in range(0, len(request), 40):
            connection.sendall(request[start : start + 40])
            time.sleep(0.001)  # as separate packets, not as one

        assert status(answer(connection)) == 200


def test_an_answer_may_take_longer_than_the_request_had(impatient: int) -> None:
    body = b'{"query":"mutation { advanceClock(seconds: 0.7) }"}'
    with opened(impatient) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        assert status(answer(connection)) == 200


def dripped(connection: socket.socket, octets: bytes) -> bytes:
    """Send byte by byte, slowly, until the server ends it; what it said."""
    connection.settimeout(0.02)
    said = b""
    began = time.monotonic()
    for octet in octets:
        try:
            connection.sendall(bytes([octet]))
            part = connection.recv(65_536)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
        if not part:
            break
        said += part
    else:
        pytest.fail("it was never ended")
    # As long as one deadline, not one for each byte.
    assert time.monotonic() - began < 5
    return said


# --- numbers -------------------------------------------------------------------------


def test_there_are_only_so_many_connections() -> None:
    with served(most_connections=3) as port:
        connections = [opened(port) for _ in range(3)]
        try:
            connections[-1].sendall(GET)
            assert status(answer(connections[-1])) == 503
            connections.pop(0).close()
            connections.pop(0).close()
            connections[0].close()
            connections[0] = opened(port)
            connections[0].sendall(GET)
            assert status(answer(connections[0])) == 200
        finally:
            for connection in connections:
                connection.close()
