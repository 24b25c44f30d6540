"""What a request is logged as: its route, never what its path might hold."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from interfaces.http.request_log import RequestLog


def test_a_path_with_parameters_is_logged_as_its_route_says_it() -> None:
    # given
    seen: list[tuple[str, str]] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    log = RequestLog(
        app,
        ["/v1/usage", "/v1/invoices/{invoice_id}.pdf"],
        lambda method, route, _status, _seconds: seen.append((method, route)),
    )
    # when
    for path in ("/v1/usage", "/v1/invoices/7f.pdf", "/v1/invoices/7f", "/v1/invoices/7/f.pdf"):
        asyncio.run(
            log({"type": "http", "path": path, "headers": [], "method": "GET"}, receive, send)
        )
    # then
    assert seen == [
        ("GET", "/v1/usage"),
        ("GET", "/v1/invoices/{invoice_id}.pdf"),
        ("GET", "other"),
        ("GET", "other"),
    ]
