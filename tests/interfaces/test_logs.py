"""Logs: allowed keys only, and nothing that a client sent."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from anyio import to_thread

from application.storage.embedded import EmbeddedServerError
from interfaces.http.health import Readiness
from interfaces.logs import configure_logging
from tests.interfaces.http.small_api import ADMIN_KEY, PRIVATE, served

CANARY = "4111-1111-1111-1111"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_line_is_json_of_allowed_keys(log: io.StringIO) -> None:
    structlog.get_logger().info("request", status=200, authorization=CANARY, variables=CANARY)

    (line,) = lines(log)
    assert line.pop("at").endswith("Z")
    assert line == {"level": "info", "event": "request", "status": 200}


def test_lines_go_to_the_standard_error_of_the_moment(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a logger that was used before standard error was given another place
    configure_logging("info")
    logger = structlog.get_logger()
    logger.info("before")
    # when
    elsewhere = io.StringIO()
    monkeypatch.setattr("sys.stderr", elsewhere)
    logger.info("after")
    # then
    assert [line["event"] for line in lines(elsewhere)] == ["after"]


def test_lines_below_the_level_are_left_out(log: io.StringIO) -> None:
    structlog.get_logger().debug("chatter")

    assert log.getvalue() == ""


def test_of_an_exception_come_type_and_place_but_no_words(log: io.StringIO) -> None:
    # given
    def fail() -> None:
        try:
            int(CANARY)
        except ValueError as failure:
            raise LookupError(CANARY) from failure

    # when
    try:
        fail()
    except LookupError:
        structlog.get_logger().exception("operation failed")
    # then
    (line,) = lines(log)
    assert CANARY not in log.getvalue()
    outer, inner = line["exception"]
    assert outer["type"] == "builtins.LookupError"
    assert inner["type"] == "builtins.ValueError"
    assert outer["stack"][-1].startswith("interfaces/test_logs.py:")
    assert outer["stack"][-1].endswith(".fail")


def test_of_postgresql_come_state_and_constraint(log: io.StringIO) -> None:
    failure = psycopg.errors.UniqueViolation(f"Key (email)=({CANARY}) already exists")

    structlog.get_logger().error("write failed", exc_info=failure)

    (line,) = lines(log)
    assert CANARY not in log.getvalue()
    assert line["exception"][0]["type"] == "psycopg.errors.UniqueViolation"
    assert line["exception"][0]["sqlstate"] == "23505"


def test_our_own_words_on_the_embedded_server_are_kept(log: io.StringIO) -> None:
    failure = EmbeddedServerError("it cannot start", "Free some disk.", log_tail=CANARY)

    structlog.get_logger().error("no database", exc_info=failure)

    (line,) = lines(log)
    assert line["exception"][0]["says"] == "it cannot start. Free some disk."
    assert CANARY not in log.getvalue()


def test_libraries_are_heard_without_their_arguments(log: io.StringIO) -> None:
    # given
    logger = logging.getLogger("psycopg.pool")
    # when
    logger.warning("error connecting in %r: %s", "app", CANARY)
    formatted = f"Task exception was never retrieved\nfuture: {CANARY}"
    logging.getLogger("asyncio").error(formatted)
    # then
    assert CANARY not in log.getvalue()
    assert [(line["logger"], line["event"]) for line in lines(log)] == [
        ("psycopg.pool", "error connecting in %r: %s"),
        ("asyncio", "Task exception was never retrieved"),
    ]


def test_of_an_unknown_library_only_the_name_is_kept(log: io.StringIO) -> None:
    formatted = f"parsed {CANARY}"
    logging.getLogger("somebody.else").warning(formatted)

    (line,) = lines(log)
    assert (line["logger"], line["event"]) == ("somebody.else", "a library logged")


@pytest.mark.parametrize("silent", ["uvicorn.access", "strawberry.execution"])
def test_loggers_that_print_what_clients_send_are_silent(log: io.StringIO, silent: str) -> None:
    logging.getLogger(silent).error("GET /?key=%s", CANARY)

    assert log.getvalue() == ""


def test_every_line_of_a_request_carries_its_id_and_nothing_that_was_sent(
    log: io.StringIO,
) -> None:
    # given
    sent = {
        "query": f'query Q{CANARY.replace("-", "")} {{ broken echo(text: "{CANARY}") }}',
        "variables": {"secret": CANARY},
    }
    headers = {
        "Authorization": f"Bearer {ADMIN_KEY}",
        "X-Request-Id": "from-the-client.1",
        "Cookie": CANARY,
        "Counterfoil-Secret": CANARY,
    }
    # when
    with served() as port:
        url = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{url}/graphql?card={CANARY}", json=sent, headers=headers)
        httpx.get(f"{url}/{CANARY}", headers={"X-Request-Id": "from-the-client.1"})
    # then
    assert answer.headers["X-Request-Id"] == "from-the-client.1"
    written = [line for line in lines(log) if line.get("logger") != "httpx"]
    assert [line["event"] for line in written] == ["operation failed", "request", "request"]
    assert {line["request_id"] for line in written} == {"from-the-client.1"}
    for secret in (CANARY, CANARY.replace("-", ""), ADMIN_KEY, PRIVATE):
        assert secret not in log.getvalue()


def test_lines_of_workers_on_its_way_carry_the_id_of_the_request(log: io.StringIO) -> None:
    # given a check of readiness that logs in a thread of its own
    async def check() -> Readiness:
        def look() -> Readiness:
            structlog.get_logger().warning("looked")
            return Readiness(ready=True, phase="ready")

        return await to_thread.run_sync(look)

    # when
    with served(check_readiness=check) as port:
        for request_id in ("first", "second"):
            httpx.get(f"http://127.0.0.1:{port}/readyz", headers={"X-Request-Id": request_id})
    # then
    written = [line for line in lines(log) if line.get("logger") != "httpx"]
    assert [(line["event"], line["request_id"]) for line in written] == [
        ("looked", "first"),
        ("request", "first"),
        ("looked", "second"),
        ("request", "second"),
    ]
