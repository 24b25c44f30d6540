"""POST /graphql over a real socket: the order of its doors, and what each says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from interfaces.http.graphql_http import GRAPHQL_RESPONSE, LARGEST_BODY
from interfaces.http.health import Readiness
from tests.interfaces.http.small_api import ADMIN_KEY, INGEST_KEY, PRIVATE, Keys, served
from tests.interfaces.http.test_complexity import doubling

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}
AS_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        served() as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTHORIZED) as client,
    ):
        yield client


def post(client: httpx.Client, query: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    return client.post("/graphql", json={"query": query, **more}, headers=headers)


def error_of(response: httpx.Response) -> dict[str, Any]:
    (error,) = response.json()["errors"]
    assert isinstance(error, dict)
    return error


def code_of(response: httpx.Response) -> str:
    return str(error_of(response)["extensions"]["code"])


# --- answers -------------------------------------------------------------------------


def test_a_query_is_answered(client: httpx.Client) -> None:
    response = post(client, "{ now }")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"data": {"now": "2026-01-31T09:30:00Z"}}


def test_variables_and_the_operations_name_count(client: httpx.Client) -> None:
    text = "query one { now } query two($t: String!) { echo(text: $t) }"

    response = post(client, text, variables={"t": "Ω"}, operationName="two")

    assert response.json() == {"data": {"echo": "Ω"}}


def test_extensions_of_a_request_are_taken_and_ignored(client: httpx.Client) -> None:
    assert post(client, "{ now }", extensions={"trace": 1}).status_code == 200


@pytest.mark.parametrize(
    "accept,media_type,status",
    [
        ("*/*", "application/json", 200),
        ("application/json", "application/json", 200),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE, 400),
        (f"{GRAPHQL_RESPONSE}, application/json;q=0.9", GRAPHQL_RESPONSE, 400),
    ],
)
def test_what_was_not_executed_is_a_400_in_the_newer_media_type(
    client: httpx.Client, accept: str, media_type: str, status: int
) -> None:
    response = post(client, "{ nope }", headers={"Accept": accept})

    assert response.status_code == status
    assert response.headers["content-type"].startswith(media_type)
    assert "data" not in response.json()


def test_what_was_executed_is_a_200_in_both(client: httpx.Client) -> None:
    response = post(client, "{ now forbidden }", headers={"Accept": GRAPHQL_RESPONSE})

    assert response.status_code == 200
    assert response.json()["data"] == {"now": "2026-01-31T09:30:00Z", "forbidden": None}
    assert code_of(response) == "FORBIDDEN"


def test_ids_of_requests_go_in_and_out(client: httpx.Client) -> None:
    given = post(client, "{ requestId }", headers={"X-Request-Id": "trace-1.a:b_c"})
    made = post(client, "{ requestId }")

    assert given.headers["x-request-id"] == "trace-1.a:b_c"
    assert given.json() == {"data": {"requestId": "trace-1.a:b_c"}}
    assert len(made.headers["x-request-id"]) == 32
    assert made.json() == {"data": {"requestId": made.headers["x-request-id"]}}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a;b", "<script>", "é", "-leading"])
def test_an_id_that_is_none_is_replaced(client: httpx.Client, given: str) -> None:
    response = post(client, "{ requestId }", headers=[(b"X-Request-Id", given.encode())])

    assert len(response.headers["x-request-id"]) == 32


def test_positions_go_out_and_come_back(client: httpx.Client) -> None:
    # given
    written = post(client, '{ echo(text: "x") }')
    position = written.headers["counterfoil-position"]
    # when
    read = post(client, "{ minPosition }", headers={"Counterfoil-Position": position})
    # then
    assert read.json() == {"data": {"minPosition": 42}}
    assert read.headers["counterfoil-position"] == position
    assert "counterfoil-position" not in post(client, "{ now }").headers


@pytest.mark.parametrize("given", ["42", "p1-", "p1-xyz", "p1-ffffffffffffffff", "p2-2a"])
def test_a_position_that_was_not_given_out_is_refused(client: httpx.Client, given: str) -> None:
    response = post(client, "{ now }", headers={"Counterfoil-Position": given})

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


# --- keys ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization,told",
    [
        (None, "a key is needed"),
        ("", "a key is needed"),
        ("Basic YTpi", "only bearer keys"),
        ("Bearer", "not known"),
        ("Bearer wrong", "not known"),
        ("Bearer a-key-that-nobody-has", "not known"),
        (f"Bearer {ADMIN_KEY[:-1]}", "cut or mistyped"),
        (f"Bearer {ADMIN_KEY}x", "cut or mistyped"),
        (f"Bearer {'x' * 5_000}", "not known"),
        ("Bearer é" + "x" * 20, "not known"),
    ],
)
def test_without_a_key_nothing_is_read(
    client: httpx.Client, authorization: str | None, told: str
) -> None:
    # given
    headers = [] if authorization is None else [(b"Authorization", authorization.encode())]
    request = client.build_request("POST", "/graphql", content=b"not even JSON")
    request.headers = httpx.Headers([*headers, (b"Host", b"x"), (b"Content-Length", b"13")])
    # when
    response = client.send(request)
    # then
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert code_of(response) == "UNAUTHENTICATED"
    assert told in error_of(response)["message"]
    assert ADMIN_KEY not in response.text


def test_the_schemes_name_has_no_case(client: httpx.Client) -> None:
    assert post(client, "{ now }", headers={"Authorization": f"bEARER  {ADMIN_KEY}"}).is_success


def test_a_revoked_key_is_known_no_longer() -> None:
    keys = Keys()
    with (
        served(keys=keys) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTHORIZED) as client,
    ):
        assert post(client, "{ now }").status_code == 200
        keys.revoke(ADMIN_KEY)
        assert post(client, "{ now }").status_code == 401


# --- bodies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/graphql"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
def test_other_content_is_a_415(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post("/graphql", content=b'{"query": "{ now }"}', headers=headers)

    assert response.status_code == 415
    assert code_of(response) == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", 'Application/JSON; charset="UTF-8"', "application/json;charset=utf-8"],
)
def test_json_in_utf_8_is_taken(client: httpx.Client, content_type: str) -> None:
    response = client.post(
        "/graphql", content=b'{"query": "{ now }"}', headers={"Content-Type": content_type}
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"5",
        b'"{ now }"',
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": ["{ now }"]}',
        b'{"query": "{ now }", "variables": []}',
        b'{"query": "{ now }", "variables": "x"}',
        b'{"query": "{ now }", "operationName": {}}',
        b'{"query": "{ now }", "query": "{ now }"}',
        b'{"query": "{ now }", "variables": {"a": NaN}}',
        b'{"query": "{ now }", "variables": {"a": "\\ud800"}}',
        b'{"query": "\xff"}',
        b"[" * 100_000,
        b'{"query": "{ now }", "variables": ' + b'{"a":' * 70 + b"1" + b"}" * 71,
        b'{"query": "{ now }", "variables": {"a": ' + b"9" * 5_000 + b"}}",
        b"query=%7Bnow%7D",
    ],
)
def test_what_is_no_request_is_a_400(client: httpx.Client, body: bytes) -> None:
    response = client.post("/graphql", content=body, headers=AS_JSON)

    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"
    assert error_of(response)["message"].startswith("the body: ")


def test_batches_are_not_served(client: httpx.Client) -> None:
    response = client.post("/graphql", json=[{"query": "{ now }"}, {"query": "{ now }"}])

    assert response.status_code == 400
    assert "one operation a request" in error_of(response)["message"]


def test_a_body_of_the_largest_size_is_taken(client: httpx.Client) -> None:
    body = json.dumps({"query": "{ now }", "variables": {"pad": ""}}).encode()
    padding = b"x" * (LARGEST_BODY - len(body))

    response = client.post(
        "/graphql", content=body.replace(b'""', b'"' + padding + b'"'), headers=AS_JSON
    )

    assert response.status_code == 200


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 10_000_000])
def test_a_larger_body_is_a_413_and_the_connection_goes_on(client: httpx.Client, size: int) -> None:
    whole = client.post("/graphql", content=b" " * size, headers=AS_JSON)
    in_chunks = client.post(
        "/graphql", content=iter([b" " * 65_536] * (size // 65_536 + 1)), headers=AS_JSON
    )

    for response in (whole, in_chunks):
        assert response.status_code == 413
        assert code_of(response) == "BODY_TOO_LARGE"
    assert post(client, "{ now }").status_code == 200


# --- methods and paths ---------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_is_executed_but_by_post(client: httpx.Client, method: str) -> None:
    response = client.request(method, "/graphql", params={"query": "mutation { slowRecord }"})

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


def test_a_browser_gets_a_page_that_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    response = client.get(
        "/graphql?query={now}", headers={"Accept": "text/html,application/xhtml+xml"}
    )

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "2026-01-31" not in response.text
    assert "://" not in response.text


@pytest.mark.parametrize("path", ["/", "/graphql/", "/nope", "/graphql/assets/../app.py"])
def test_other_paths_lead_nowhere(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert code_of(response) == "NOT_FOUND"


@pytest.mark.parametrize("path", ["%2e%2e/app.py", "..%2fapp.py", "%2e%2e%2fgraphiql.py"])
def test_assets_are_files_of_their_directory_alone(client: httpx.Client, path: str) -> None:
    assert client.get("/graphql/assets/page.js").status_code == 200
    assert client.get(f"/graphql/assets/{path}").status_code == 404


# --- health --------------------------------------------------------------------------


def test_health_needs_no_key(client: httpx.Client) -> None:
    alive = httpx.get(client.base_url.join("/healthz"))
    ready = httpx.get(client.base_url.join("/readyz"))

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "message": "", "checks": {"database": "ok"}}


def test_a_server_that_cannot_serve_says_why() -> None:
    async def recovering() -> Readiness:
        return Readiness(ready=False, phase="recovering", message="replaying 3 files")

    async def failing() -> Readiness:
        raise LookupError(PRIVATE)

    for check, status, message in (
        (recovering, "recovering", "replaying 3 files"),
        (failing, "failing", "the database cannot be asked; see the log"),
    ):
        with served(check_readiness=check) as port:
            response = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert response.status_code == 503
        assert (response.json()["status"], response.json()["message"]) == (status, message)


# --- the gate and errors -------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        doubling(18),
        doubling(30, leaf="...{}"),
        "{ " + "now " * 1_001 + "}",
        "{ " + "now " * 60_000 + "}",
        "{ " + " ".join(f"a{n}: now" for n in range(101)) + " }",
        "{ " + "people{nodes{name}} " * 130 + "}",
        "{" + "a{" * 190 + "a" + "}" * 191,
        "#" * 1_500 + "\n" + "#\n" * 1_001 + "{ now }",
        "{ people(first: 1000) { nodes { friends(first: 1000) { nodes { name } } } } }",
        "query(" + " ".join(f"$v{n}: Int" for n in range(50_000 // 5)) + ") { now }",
    ],
    ids=lambda text: f"{len(text)}-{text[:12]}",
)
def test_bombs_are_refused(client: httpx.Client, query: str) -> None:
    assert code_of(post(client, query)) == "QUERY_TOO_COMPLEX"


def test_what_is_no_graphql_says_where(client: httpx.Client) -> None:
    error = error_of(post(client, "{ now "))

    assert error["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}
    assert error["locations"] == [{"line": 1, "column": 7}]


def test_names_are_proposed_to_those_who_may_ask_for_the_schema(client: httpx.Client) -> None:
    ingest = {"Authorization": f"Bearer {INGEST_KEY}"}

    mine = error_of(post(client, "{ noww }"))["message"]
    theirs = error_of(post(client, "{ noww }", headers=ingest))["message"]

    assert mine == "Cannot query field 'noww' on type 'Query'. Did you mean 'now'?"
    assert theirs == "Cannot query field 'noww' on type 'Query'."


def test_the_schema_is_told_to_some_keys_only(client: httpx.Client) -> None:
    ingest = {"Authorization": f"Bearer {INGEST_KEY}"}
    text = "{ __schema { queryType { name } } }"

    assert post(client, text).json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
    assert code_of(post(client, text, headers=ingest)) == "FORBIDDEN"


@pytest.mark.parametrize("query", ["{ broken }", "{ noJson }"])
def test_of_our_own_faults_an_id_gets_out_and_nothing_else(
    client: httpx.Client, query: str
) -> None:
    response = post(client, query, headers={"X-Request-Id": "trace-7"})

    assert response.status_code == 200
    error = error_of(response)
    assert error["message"] == "internal error, request trace-7"
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "trace-7"}
    assert PRIVATE not in response.text


def test_an_outcome_that_is_unknown_is_told(client: httpx.Client) -> None:
    assert code_of(post(client, "mutation { record }")) == "OUTCOME_UNKNOWN"


def test_a_deadline_ends_what_takes_too_long() -> None:
    with (
        served(deadline_seconds=0.05) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTHORIZED) as client,
    ):
        assert code_of(post(client, "{ slow }")) == "QUERY_TOO_COMPLEX"
        assert code_of(post(client, "mutation { slowRecord }")) == "OUTCOME_UNKNOWN"
        # A sandbox's clock may take its time.
        advanced = post(client, "mutation { advanceClock(seconds: 0.2) }")
        assert advanced.json() == {"data": {"advanceClock": "advanced"}}


# --- the log -------------------------------------------------------------------------


def test_each_request_is_one_line_without_what_was_sent(client: httpx.Client) -> None:
    # given
    structlog.reset_defaults()
    # when
    with capture_logs() as lines:
        client.post(
            f"/graphql?card={PRIVATE}",
            json={"query": f'{{ echo(text: "{PRIVATE}") }}', "variables": {"x": PRIVATE}},
            headers={"X-Request-Id": "trace-8"},
        )
        client.get(f"/{PRIVATE}")
    # then
    answered, lost = (line for line in lines if line["event"] == "request")
    assert answered.pop("ms") >= 0
    assert answered == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "request_id": "trace-8",
        "key": "cf_live_0123",
    }
    assert (lost["path"], lost["status"], lost["key"]) == ("other", 404, None)
    assert PRIVATE not in repr(lines)
    assert ADMIN_KEY not in repr(lines)
