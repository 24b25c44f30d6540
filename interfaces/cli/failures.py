"""What goes wrong, in words and as an exit code: no traceback for what a user can mend.

0 done   1 refused, or a difference was found   2 wrong usage or settings   3 unreachable
"""

from __future__ import annotations

import click


class Refused(click.ClickException):
    """The ledger said no, or found a difference."""

    exit_code = 1


class WrongUsage(click.ClickException):
    """Arguments or settings cannot be meant like this."""

    exit_code = 2


class Unreachable(click.ClickException):
    """The database does not answer."""

    exit_code = 3


def in_words(failure: Exception) -> click.ClickException | None:
    """Return what to tell the user; None for a fault of our own, which keeps its traceback."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from application.errors import OutcomeUnknown
    from application.storage.embedded import EmbeddedServerError
    from application.storage.migrate import MigrationChanged, MigrationsPending
    from application.storage.roles import RefusesToServe, RolesMissing
    from domain.refusals import Refusal
    from interfaces.keys.private_file import PrivateFileError
    from interfaces.settings import SettingsError

    match failure:
        case SettingsError() | PrivateFileError() | RolesMissing():
            return WrongUsage(str(failure))
        case EmbeddedServerError():
            return Unreachable(str(failure))
        case psycopg.errors.UndefinedTable() | psycopg.errors.InvalidSchemaName():
            return Refused("The database lacks a table of this version: counterfoil migrate")
        case psycopg.OperationalError() | PoolTimeout():
            return Unreachable(f"The database cannot be reached: {_first_line(failure)}")
        case OutcomeUnknown():
            return Unreachable("The database went away at the commit: run the same again.")
        case MigrationsPending():
            return Refused(f"The database is behind this version ({failure}): counterfoil migrate")
        case MigrationChanged():
            return Refused(f"Migration {failure} was applied and reads otherwise today.")
        case RefusesToServe():
            return Refused(f"Tenants would not be kept apart: {failure}.")
        case Refusal():
            return Refused(f"{failure.code}: {failure}")
        case OSError(filename=str(filename)):
            return Refused(f"{filename}: {failure.strerror}")
        case _:
            return _of_the_address(failure)


def _of_the_address(failure: Exception) -> click.ClickException | None:
    from interfaces.http.server import AddressUnavailable

    if isinstance(failure, AddressUnavailable):
        return Refused(f"{failure}. Choose another by --port, or 0 for a free one.")
    return None


def _first_line(failure: Exception) -> str:
    return str(failure).strip().partition("\n")[0]
