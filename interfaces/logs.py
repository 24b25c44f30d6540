"""Logs: one JSON object a line on stderr, of allowed keys only.

What a client sent never gets here: no headers, bodies, GraphQL texts, variables or query
strings, and no texts of exceptions, since those of PostgreSQL and of parsers quote values. Of
an exception come its type, its place in the code, and PostgreSQL's state and constraint.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import msgspec
import psycopg
import structlog

from application.storage.embedded import EmbeddedServerError

ALLOWED_KEYS = frozenset(
    {
        "at",
        "level",
        "event",
        "logger",
        # a request
        "method",
        "path",
        "status",
        "ms",
        "request_id",
        "key",
        "operations",
        # the server and its workers
        "address",
        "batch",
        "command",
        "commands",
        "error",
        "events",
        "job",
        "lag",
        "migration",
        "phase",
        "pid",
        "position",
        "projection",
        "remedy",
        "seconds",
        "tenant",
        "topic",
        "version",
        "exception",
    }
)

_FIRST_KEYS = frozenset({"at", "level", "event"})

# What other libraries say of themselves. Of the rest only the logger's name is known.
_TRUSTED_LOGGERS = ("asyncio", "psycopg.pool", "uvicorn")
_LONGEST_MESSAGE = 200
_DEEPEST_STACK = 40
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_Event = MutableMapping[str, Any]


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send our log and that of the libraries to `stream` (stderr), from `level` up.

    level: debug, info, warning or error.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            _described_exception,
            _allowed_only,
            _json_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        # Looked up at each line: a program may give its standard error another place.
        logger_factory=lambda *_: structlog.WriteLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryLog()]
    root.setLevel(max(_LEVELS[level], logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "psycopg", "psycopg.pool"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
        library.setLevel(max(_LEVELS[level], logging.WARNING))
    for silent in ("uvicorn.access", "strawberry.execution"):
        logging.getLogger(silent).handlers = []
        logging.getLogger(silent).propagate = False


class _LibraryLog(logging.Handler):
    """Passes on what libraries log through `logging`: their fixed texts, no arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        trusted = record.name.startswith(_TRUSTED_LOGGERS)
        # The arguments hold the values; asyncio puts them into the lines after the first.
        text = (
            str(record.msg).split("\n", 1)[0][:_LONGEST_MESSAGE] if trusted else "a library logged"
        )
        structlog.get_logger().log(
            record.levelno, text, logger=record.name, exc_info=record.exc_info
        )


def _described_exception(_logger: Any, _method: str, event: _Event) -> _Event:
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    elif exc_info and not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = _chain(exc_info[1])
    return event


def _chain(error: BaseException) -> list[dict[str, Any]]:
    """Return the exception and what it came of, the last first."""
    described: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(described) < 5:
        described.append(_description(current))
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return described


def _description(error: BaseException) -> dict[str, Any]:
    description: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, EmbeddedServerError):
        # Our own words; its log_tail is PostgreSQL's, with values.
        description["says"] = f"{error.failed}. {error.remedy}"
    if isinstance(error, psycopg.Error):
        description["sqlstate"] = error.sqlstate
        description["constraint"] = error.diag.constraint_name
    stack: list[str] = []
    trace = error.__traceback__
    while trace is not None and len(stack) < _DEEPEST_STACK:
        code = trace.tb_frame.f_code
        place = Path(code.co_filename)
        stack.append(f"{place.parent.name}/{place.name}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    description["stack"] = stack
    return description


def _allowed_only(_logger: Any, _method: str, event: _Event) -> _Event:
    ordered = sorted(event, key=lambda key: key not in _FIRST_KEYS)
    return {key: event[key] for key in ordered if key in ALLOWED_KEYS}


def _json_line(_logger: Any, _method: str, event: _Event) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
