"""Writes the references that follow from the code: events, settings, commands.

    python -m interfaces.reference

A test holds each file to be what this writes. The gallery of problems is written by its own
test, since it shows real answers.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path

import click

from domain.aggregate import Event
from domain.streams import EVENT_CLASSES
from interfaces.cli.main import cli as command_line
from interfaces.finance_guide import finance
from interfaces.settings import Settings, variable_of

DOCS = Path(__file__).parent.parent / "docs"

_STREAMS = {
    "tenant": "the company that runs its billing on the ledger",
    "asset": "a custom asset and its exchange rates",
    "customer": "who the tenant charges",
    "catalog": "what is measured and what it costs; its version is the number that pricing checks",
    "read_model": "a read model that has stopped, told to a tenant",
    "claim": "what must be unique and is no aggregate: idempotency keys, payment references",
    "wallet": "the consistency boundary for spending; balances fold this stream and nothing else",
    "budget": "a budget: where it is kept, and what a derived one has spent",
    "top_up": "a request to charge for credits, and what became of it",
    "sighting": "a value that UNIQUE has met in a cycle; the value itself is nowhere",
    "grant": "the life of a credit grant; invoices and journals fold this, never the wallet's",
    "grant_payment": "the payment of a grant on account, which comes in once",
    "bundle": "a purchase: the grants that share its price",
    "accounting": "a tenant's accounting policies, functional currency and names for accounts",
    "period": "an accounting month: the days that ended in it, and its close",
    "subscription": "a subscription, with its cycles, their fees and credits",
    "charge": "the life of a usage charge, or of the authorisation before it",
    "hold": "where a hold is kept",
    "seller": "who sells, as documents show it",
    "billing": "how a customer is billed, and the order of its documents",
    "numbers": "a gapless series: the n-th event of the stream takes number n",
    "invoice": "the life of an invoice; the journal folds this",
    "credit_note": "the reduction of an invoice",
}


def events() -> str:
    """The event catalogue, by stream."""
    lines = [
        "# Events",
        "",
        "Every event of the log, by the name under which it is kept for good. State is UTF-8 JSON",
        "with the fields in this order; stream, version, position, actor and request stand in",
        "columns of their own. `timestamp` is when the event was recorded. Units are smallest",
        "units of the event's asset. Written by `python -m interfaces.reference`.",
    ]
    stream = ""
    for event_class in EVENT_CLASSES:
        topic = str(event_class.__dict__["TOPIC"])
        if topic.partition(".")[0] != stream:
            stream = topic.partition(".")[0]
            lines += ["", f"## {stream}", "", f"{_STREAMS[stream].capitalize()}."]
        lines += ["", f"### `{topic}`", "", _described(event_class), ""]
        lines += ["| field | type |", "|---|---|"]
        lines += [
            f"| `{field.name}` | `{_type(field)}` |"
            for field in dataclasses.fields(event_class)
            if field.name not in ("originator_id", "originator_version")
        ]
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every variable of the environment."""
    lines = [
        "# Settings",
        "",
        "All come from the environment. None is needed to begin.",
        "Written by `python -m interfaces.reference`.",
        "",
        "| variable | meaning |",
        "|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{variable_of(name)}` | {field.description} |")
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command of the command line, as its --help says it."""
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 done, 1 refused or a difference found, 2 usage, 3 unreachable. Written by",
        "`python -m interfaces.reference`.",
    ]
    context = command_line.make_context(
        "counterfoil", [], resilient_parsing=True, terminal_width=96
    )
    for name in command_line.list_commands(context):
        command = command_line.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=96)
        lines += ["", f"## {name}", "", "```", command.get_help(inner).rstrip(), "```"]
        if isinstance(command, click.Group):
            for below, each in sorted(command.commands.items()):
                under = click.Context(each, info_name=below, parent=inner, terminal_width=96)
                lines += ["", f"### {name} {below}", ""]
                lines += ["```", each.get_help(under).rstrip(), "```"]
    return "\n".join(lines) + "\n"


WRITERS: dict[str, Callable[[], str]] = {
    "events.md": events,
    "settings.md": settings,
    "commands.md": commands,
    "finance.md": finance,
}


def _described(event_class: type[Event]) -> str:
    text = inspect.getdoc(event_class) or ""
    first = event_class.__dict__["TOPIC"].partition(".")[2].replace("_", " ").capitalize()
    own = "__doc__" in event_class.__dict__ and not text.startswith(f"{event_class.__name__}(")
    return text if own else f"{first}."


def _type(field: dataclasses.Field[object]) -> str:
    return str(field.type).replace("|", "\\|")


def write() -> None:
    for name, writer in WRITERS.items():
        (DOCS / name).write_text(writer(), "utf-8")


if __name__ == "__main__":
    write()
