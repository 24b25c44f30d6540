"""The web application: which path leads where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Lifespan

from interfaces.http.body_limit import BodyLimit
from interfaces.http.errors import error_body
from interfaces.http.graphiql import ASSETS_PATH, STATIC
from interfaces.http.graphql_http import LARGEST_BODY, GraphqlEndpoint
from interfaces.http.graphql_ws import GraphqlSocket, SocketLimits
from interfaces.http.health import CheckReadiness, healthz, readyz
from interfaces.http.operations import Operations
from interfaces.http.request_log import ObserveRequest, RequestLog
from interfaces.http.responses import json_response
from interfaces.keys.keyring import Keyring

_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


def create_app(
    operations: Operations,
    keyring: Keyring,
    check_readiness: CheckReadiness,
    *,
    lifespan: Lifespan[Starlette] | None = None,
    socket_limits: SocketLimits | None = None,
    more_routes: Sequence[BaseRoute] = (),
    observe: ObserveRequest | None = None,
    around: Callable[[ASGIApp], ASGIApp] | None = None,
) -> Starlette:
    """Return the application.

    lifespan: opens what the operations need and closes it after the last request.
    observe: told of each request once it is over. around: wraps what is behind the log.
    """
    routes: list[BaseRoute] = [
        Route("/graphql", BodyLimit(GraphqlEndpoint(operations, keyring), LARGEST_BODY)),
        WebSocketRoute("/graphql", GraphqlSocket(operations, keyring, socket_limits)),
        Mount(ASSETS_PATH, StaticFiles(directory=STATIC, check_dir=False)),
        *_probes(check_readiness),
        *more_routes,
    ]
    return _app(routes, observe, lifespan, around)


def create_probe_app(
    check_readiness: CheckReadiness, more_routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """Return the application of a process without API: how it is, and nothing else."""
    return _app([*_probes(check_readiness), *more_routes])


def _probes(check_readiness: CheckReadiness) -> list[BaseRoute]:
    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz(check_readiness), methods=["GET"]),
    ]


def _app(
    routes: Sequence[BaseRoute],
    observe: ObserveRequest | None = None,
    lifespan: Lifespan[Starlette] | None = None,
    around: Callable[[ASGIApp], ASGIApp] | None = None,
) -> Starlette:
    paths = [route.path for route in routes if isinstance(route, Route)]
    middleware = [Middleware(RequestLog, paths=paths, observe=observe)]
    if around is not None:
        middleware.append(Middleware(around))
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # it would lead to whatever Host the client named
    return app


async def _as_json(_request: Request, failure: Any) -> Response:
    code = _CODES.get(failure.status_code, "BAD_REQUEST")
    return json_response(error_body(code, failure.detail), failure.status_code, failure.headers)
