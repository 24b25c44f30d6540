"""`counterfoil fetch-graphiql`: the files of the query editor, from npm, checked by hash."""

from __future__ import annotations

import click

from interfaces.cli.failures import Unreachable


@click.command("fetch-graphiql")
def fetch_graphiql() -> None:
    """Get GraphiQL, the query editor at /graphql, from npm.

    Its files are pinned by version and hash and served from here, never from a CDN. Needs
    npm; without it all else works, and the page says so.

    \b
    Example:
      counterfoil fetch-graphiql
    """
    from interfaces.http.graphiql import fetch_graphiql as fetch

    outcome = fetch()
    if not outcome.fetched:
        raise Unreachable(outcome.message)
    click.echo(outcome.message)
