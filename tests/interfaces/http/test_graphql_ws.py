"""graphql-transport-ws over a real socket: the protocol, and the same gate behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from interfaces.http.graphql_ws import SUBPROTOCOL, SocketLimits
from tests.interfaces.http.small_api import (
    ADMIN_KEY,
    EVENTS,
    INGEST_KEY,
    PRIVATE,
    Keys,
    eventually,
    served,
)
from tests.interfaces.http.test_complexity import doubling

ACK = {"type": "connection_ack"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as port:
        yield port


@pytest.fixture(autouse=True)
def no_events() -> None:
    EVENTS.clear()


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def receive(self) -> dict[str, Any]:
        message = json.loads(self.socket.recv(timeout=10))
        assert isinstance(message, dict)
        return message

    def start(self, key: str = ADMIN_KEY) -> None:
        self.send(type="connection_init", payload={"authorization": f"Bearer {key}"})
        assert self.receive() == ACK

    def subscribe(self, query: str, operation_id: str = "1", **more: Any) -> None:
        self.send(type="subscribe", id=operation_id, payload={"query": query, **more})

    def closed(self) -> tuple[int | None, str]:
        with pytest.raises(ConnectionClosed):
            self.socket.recv(timeout=10)
        return self.socket.close_code, self.socket.close_reason or ""


@contextmanager
def connected(
    port: int, key: str | None = None, subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
) -> Iterator[Client]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with connect(
        f"ws://127.0.0.1:{port}/graphql",
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        additional_headers=headers,
        proxy=None,
    ) as socket:
        yield Client(socket)


# --- connecting ----------------------------------------------------------------------


def test_the_key_comes_with_connection_init(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("{ now }")

        assert client.socket.subprotocol == SUBPROTOCOL
        assert client.receive()["payload"] == {"data": {"now": "2026-01-31T09:30:00Z"}}


def test_or_with_the_upgrades_header(port: int) -> None:
    with connected(port, ADMIN_KEY) as client:
        client.send(type="connection_init")

        assert client.receive() == ACK


def test_a_wrong_key_in_the_header_is_a_401(port: int) -> None:
    with pytest.raises(InvalidStatus) as refusal, connected(port, "a-key-that-nobody-has"):
        pass
    assert refusal.value.response.status_code == 401
    assert b"UNAUTHENTICATED" in refusal.value.response.body


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"authorization": None},
        {"authorization": 7},
        {"authorization": ADMIN_KEY},
        {"authorization": "Bearer a-key-that-nobody-has"},
    ],
)
def test_a_wrong_key_in_connection_init_closes(port: int, payload: Any) -> None:
    with connected(port) as client:
        client.send(type="connection_init", payload=payload)

        assert client.closed()[0] == 4401


def test_a_wrong_key_in_connection_init_counts_also_when_the_header_had_a_right_one(
    port: int,
) -> None:
    with connected(port, ADMIN_KEY) as client:
        client.send(type="connection_init", payload={"Authorization": "Bearer wrong-wrong-wrong"})

        assert client.closed()[0] == 4401


@pytest.mark.parametrize("subprotocols", [(), ("graphql-ws",), ("soap",)])
def test_other_subprotocols_are_not_spoken(port: int, subprotocols: tuple[str, ...]) -> None:
    with connected(port, subprotocols=subprotocols) as client:
        assert client.closed()[0] == 4406


def test_nothing_is_executed_before_connection_init(port: int) -> None:
    with connected(port, ADMIN_KEY) as client:
        client.subscribe("subscription { forever }")

        assert client.closed()[0] == 4401
    assert EVENTS == []


def test_a_second_connection_init_closes(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.send(type="connection_init")

        assert client.closed()[0] == 4429


def test_who_says_nothing_is_let_go_of() -> None:
    with (
        served(socket_limits=SocketLimits(init_seconds=0.05)) as port,
        connected(port) as client,
    ):
        assert client.closed() == (4408, "Connection initialisation timeout")


def test_who_only_pings_is_let_go_of_too() -> None:
    with (
        served(socket_limits=SocketLimits(init_seconds=0.2)) as port,
        connected(port) as client,
    ):
        client.send(type="ping")
        assert client.receive() == {"type": "pong"}
        assert client.closed()[0] == 4408


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"type": "start", "id": "1", "payload": {"query": "{ now }"}}',
        '{"type": "subscribe", "payload": {"query": "{ now }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ now }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ now }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ now }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "id": "2", "payload": {"query": "{ now }"}}',
        '{"type": "complete"}',
        '{"type": "ping", "payload": ' + "[" * 100 + "]" * 100 + "}",
    ],
)
def test_what_is_no_message_closes(port: int, text: str) -> None:
    with connected(port) as client:
        client.start()
        client.socket.send(text)

        assert client.closed()[0] == 4400


def test_messages_are_text(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.socket.send(b'{"type": "ping"}')

        assert client.closed() == (4400, "messages are text")


def test_a_message_that_is_too_large_closes(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.send(type="ping", payload={"pad": "x" * 300_000})

        assert client.closed()[0] == 1009


def test_a_key_opens_so_many_connections() -> None:
    with served(socket_limits=SocketLimits(connections=2)) as port:
        with connected(port) as first, connected(port) as second, connected(port) as third:
            first.start()
            second.start()
            third.send(type="connection_init", payload={"authorization": f"Bearer {ADMIN_KEY}"})
            assert third.closed()[0] == 1013
            # Another key has its own.
            with connected(port) as other:
                other.start(INGEST_KEY)

        def free() -> bool:
            with connected(port) as again:
                again.send(type="connection_init", payload={"authorization": f"Bearer {ADMIN_KEY}"})
                try:
                    return again.receive() == ACK
                except ConnectionClosed:
                    return False

        eventually(free)


# --- operations ----------------------------------------------------------------------


def test_a_subscription_has_many_answers_and_an_end(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("subscription($n: Int!) { ticks(count: $n) }", variables={"n": 2})

        assert [client.receive() for _ in range(3)] == [
            {"id": "1", "type": "next", "payload": {"data": {"ticks": 0}}},
            {"id": "1", "type": "next", "payload": {"data": {"ticks": 1}}},
            {"id": "1", "type": "complete"},
        ]


def test_an_id_is_free_again_after_its_end(port: int) -> None:
    with connected(port) as client:
        client.start()
        for _ in range(3):
            client.subscribe("{ now }")
            assert client.receive()["type"] == "next"
            assert client.receive() == {"id": "1", "type": "complete"}


def test_an_id_in_use_closes(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("subscription { forever }")
        assert client.receive()["type"] == "next"
        client.subscribe("{ now }")

        assert client.closed()[0] == 4409
    eventually(lambda: EVENTS == ["opened", "closed"])


def test_complete_ends_a_subscription_and_frees_its_id(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("subscription { forever }")
        assert client.receive()["type"] == "next"
        client.send(type="complete", id="1")
        client.subscribe("{ now }")

        assert client.receive()["payload"] == {"data": {"now": "2026-01-31T09:30:00Z"}}
        eventually(lambda: EVENTS == ["opened", "closed"])


def test_a_lost_connection_ends_its_subscriptions(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("subscription { forever }")
        assert client.receive()["type"] == "next"

    eventually(lambda: EVENTS == ["opened", "closed"])


def test_so_many_operations_run_at_once() -> None:
    with served(socket_limits=SocketLimits(operations=2)) as port, connected(port) as client:
        client.start()
        for operation_id in ("1", "2"):
            client.subscribe("subscription { forever }", operation_id)
            assert client.receive()["type"] == "next"
        client.subscribe("{ now }", "3")

        refusal = client.receive()
        assert (refusal["id"], refusal["type"]) == ("3", "error")
        assert refusal["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}


def test_pings_are_answered(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.send(type="pong")
        client.send(type="ping", payload={"any": "thing"})

        assert client.receive() == {"type": "pong"}


def test_positions_go_both_ways(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe('{ echo(text: "x") }')
        position = client.receive()["payload"]["extensions"]["position"]
        client.receive()
        client.subscribe("{ minPosition }", extensions={"position": position})

        payload = client.receive()["payload"]
        assert payload == {"data": {"minPosition": 42}, "extensions": {"position": position}}


def test_a_position_that_was_not_given_out_is_refused(port: int) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe("{ now }", extensions={"position": "42"})

        assert client.receive()["payload"][0]["extensions"] == {"code": "BAD_REQUEST"}


# --- the same gate -------------------------------------------------------------------


def refused(port: int, query: str, key: str = ADMIN_KEY) -> dict[str, Any]:
    with connected(port) as client:
        client.start(key)
        client.subscribe(query)
        refusal = client.receive()
    assert (refusal["id"], refusal["type"]) == ("1", "error")
    (error,) = refusal["payload"]
    assert isinstance(error, dict)
    return error


@pytest.mark.parametrize(
    "query,code",
    [
        (doubling(18), "QUERY_TOO_COMPLEX"),
        ("{ " + "now " * 1_001 + "}", "QUERY_TOO_COMPLEX"),
        ("mutation { " + " ".join(f"a{n}: record" for n in range(101)) + " }", "QUERY_TOO_COMPLEX"),
        ("subscription { ticks(count: 1) " + "@skip(if: false) " * 51 + "}", "QUERY_TOO_COMPLEX"),
        ("{ " + "people{nodes{name}} " * 130 + "}", "QUERY_TOO_COMPLEX"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ now", "GRAPHQL_PARSE_FAILED"),
        ("query a { now } query b { now }", "BAD_USER_INPUT"),
    ],
    ids=lambda text: text[:20],
)
def test_every_operation_passes_the_gate(port: int, query: str, code: str) -> None:
    assert refused(port, query)["extensions"] == {"code": code}


def test_the_schema_and_its_names_are_kept_from_some_keys(port: int) -> None:
    schema = refused(port, "{ __schema { queryType { name } } }", INGEST_KEY)
    proposed = refused(port, "{ noww }", INGEST_KEY)

    assert schema["extensions"] == {"code": "FORBIDDEN"}
    assert proposed["message"] == "Cannot query field 'noww' on type 'Query'."


@pytest.mark.parametrize("query", ["{ broken }", "subscription { broken }"])
def test_of_our_own_faults_an_id_gets_out_and_nothing_else(port: int, query: str) -> None:
    with connected(port) as client:
        client.start()
        client.subscribe(query)
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] != "complete":
            messages.append(client.receive())

    (error,) = next(m["payload"]["errors"] for m in messages if "errors" in m.get("payload", {}))
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["message"] == f"internal error, request {error['extensions']['requestId']}"
    assert PRIVATE not in json.dumps(messages)


def test_a_deadline_ends_queries_and_mutations_but_no_subscription() -> None:
    with served(deadline_seconds=0.05) as port, connected(port) as client:
        client.start()
        client.subscribe("subscription { forever }", "lasting")
        assert client.receive()["type"] == "next"
        client.subscribe("mutation { slowRecord }", "slow")

        refusal = client.receive()
        assert (refusal["id"], refusal["type"]) == ("slow", "error")
        assert refusal["payload"][0]["extensions"] == {"code": "OUTCOME_UNKNOWN"}
        assert EVENTS == ["opened"]


def test_a_revoked_key_ends_its_connection() -> None:
    keys = Keys()
    with served(keys=keys) as port, connected(port) as client:
        client.start()
        keys.revoke(ADMIN_KEY)
        client.subscribe("{ now }")

        assert client.closed()[0] == 4401


def test_ids_of_requests_tell_operations_apart(port: int) -> None:
    with connect(
        f"ws://127.0.0.1:{port}/graphql",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers={"X-Request-Id": "trace-9"},
        proxy=None,
    ) as socket:
        client = Client(socket)
        client.start()
        told = []
        for _ in range(2):
            client.subscribe("{ requestId }")
            told.append(client.receive()["payload"]["data"]["requestId"])
            client.receive()

    assert told == ["trace-9-1", "trace-9-2"]


def test_a_connection_is_one_line_in_the_log(port: int) -> None:
    structlog.reset_defaults()
    with capture_logs() as lines:
        with connected(port) as client:
            client.start()
            client.send(type="no such type", card=PRIVATE)
            client.closed()
        eventually(lambda: any(line["event"] == "request" for line in lines))

    (line,) = lines
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/graphql", 4400)
    assert line["key"] == "cf_live_0123"
    assert PRIVATE not in repr(lines)
