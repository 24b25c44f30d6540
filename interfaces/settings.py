"""Settings: what the environment may say, each under the prefix COUNTERFOIL_."""

from __future__ import annotations

import difflib
import os
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "COUNTERFOIL_"
SECRET_BYTES = 32
SHORTEST_KEY, LONGEST_KEY = 16, 256
DEFAULT_PORT = 8000
MOST_ROLLUP_PROPERTIES = 8

_HEADER_TEXT = re.compile(r"[\x21-\x7e]+", re.ASCII)
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_HTTP_URL = re.compile(r"https?://[\x21-\x7e]+", re.ASCII)
_NOT_A_NAME = re.compile(r"[\x00-\x1f\x7f]|.{201}")
_SERVICE_LINK = re.compile(r"(tcp|udp)://", re.ASCII)


class SettingsError(Exception):
    """One line for each setting that is wrong: its variable, and what it takes. No values."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _connection(value: SecretStr) -> SecretStr:
    try:
        conninfo_to_dict(value.get_secret_value())
    except psycopg.ProgrammingError:
        raise ValueError(
            "must be a connection of PostgreSQL: postgresql://user:password@host:5432/database"
        ) from None
    return value


def _key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not SHORTEST_KEY <= len(text) <= LONGEST_KEY:
        raise ValueError(f"must have {SHORTEST_KEY} to {LONGEST_KEY} characters")
    if not _HEADER_TEXT.fullmatch(text):
        raise ValueError("must be printable ASCII without blanks: it travels in a header")
    return value


def _secret(value: SecretStr) -> SecretStr:
    try:
        octets = b64decode(value.get_secret_value(), validate=True)
    except (NotBase64, ValueError):
        octets = b""
    if len(octets) != SECRET_BYTES:
        raise ValueError(f"must be {SECRET_BYTES} bytes in base64: openssl rand -base64 32")
    return value


def _moment(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-01-31T09:30:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a day and an hour that exist") from None


def _directory(value: Path) -> Path:
    directory = value.expanduser().absolute()
    if directory.exists() and not directory.is_dir():
        raise ValueError("must be a directory")
    return directory


def _http_url(value: str) -> str:
    if not _HTTP_URL.fullmatch(value):
        raise ValueError("must be the address of a collector, such as http://collector:4318")
    return value


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _rolled_up(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MOST_ROLLUP_PROPERTIES or any(map(_NOT_A_NAME.search, value)):
        raise ValueError(
            f"must be at most {MOST_ROLLUP_PROPERTIES} names, of up to 200 printable characters, "
            "with commas between"
        )
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _port(value: object) -> object:
    # Kubernetes sets COUNTERFOIL_PORT=tcp://... for a Service named counterfoil.
    is_service_link = isinstance(value, str) and _SERVICE_LINK.match(value)
    return DEFAULT_PORT if is_service_link else value


Connection = Annotated[SecretStr, AfterValidator(_connection)]


class Settings(BaseSettings):
    """Read from the environment alone; an empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: Connection | None = Field(
        default=None,
        description="The PostgreSQL (16 or newer) that holds the ledger, as its owner or a "
        "superuser: postgresql://user:password@host:5432/database. None: an embedded server "
        "with its files in DATA_DIR.",
    )
    data_dir: Annotated[Path, AfterValidator(_directory)] = Field(
        default=Path(".counterfoil"),
        validate_default=True,
        description="Where the embedded database, keys and passwords are kept. "
        "Default: ./.counterfoil",
    )
    admin_key: Annotated[SecretStr, AfterValidator(_key)] | None = Field(
        default=None,
        description="The administrator's API key of the first tenant, 16 characters or more. "
        "None: one is made and kept in DATA_DIR/admin-key.",
    )
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        description="32 random bytes in base64, from which other secrets derive; every server "
        "of a ledger needs the same. None: made and kept in DATA_DIR/secret.",
    )
    sandbox: bool = Field(
        default=False,
        description="1: the first tenant is a sandbox, with a clock of its own that "
        "advanceClock sets.",
    )
    test_clock: Annotated[datetime, BeforeValidator(_moment)] | None = Field(
        default=None,
        description="Where a sandbox's clock starts, such as 2026-01-31T09:30:00Z. "
        "None: at the time of the machine.",
    )
    payments: Annotated[Literal["none", "fake"], BeforeValidator(_lower)] = Field(
        default="none",
        description="Who charges for top-ups: none (an adapter of yours, by reportTopUp), or "
        "fake, a provider that charges nothing, for sandboxes.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        Field(
            default="info", description="The least of what is logged: debug, info, warning, error."
        )
    )
    pg_version: Annotated[Literal[16, 18], BeforeValidator(_whole)] = Field(
        default=18,
        description="The major version of an embedded database that is still to be made: 16 or 18.",
    )
    host: str = Field(default="127.0.0.1", description="The address that `serve` listens on.")
    port: Annotated[int, BeforeValidator(_port)] = Field(
        default=DEFAULT_PORT,
        ge=0,
        le=65_535,
        description="The port that `serve` listens on; 0 takes a free one.",
    )
    wallet_cache_mb: int = Field(
        default=512,
        ge=0,
        le=1_000_000,
        description="Memory for wallets that are kept for the next command, in MiB, of each "
        "process that answers requests. A wallet takes some 4 KB and 1 KB more a live grant, open "
        "hold or budget; one that is not kept is read from the log, which is slower and as right. "
        "0: none are kept.",
    )
    rollup_properties: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_rolled_up)
    ] = Field(
        default=(),
        description="Properties of usage events by which sums of usage are kept, so that "
        "usageSeries by them is fast: model,region; at most 8. Holds for tenants that have no "
        "charge yet, for others from the next `counterfoil rebuild charges` on.",
    )
    metrics_key: Annotated[SecretStr, AfterValidator(_key)] | None = Field(
        default=None,
        description="What a reader of /metrics has to send as Authorization: Bearer <key>, 16 "
        "characters or more. None: whoever reaches the port may read them; they name no tenant "
        "and no customer, but tell the ledger's total volume.",
    )
    otlp_endpoint: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        description="The OpenTelemetry collector that traces are sent to, by OTLP over HTTP: "
        "http://collector:4318. None: OTEL_EXPORTER_OTLP_ENDPOINT, if that is set. Needs the "
        "extra: pip install 'counterfoil[otel]'.",
    )
    log_url: Connection | None = Field(
        default=None,
        description="The connection of the log's writer, where DATABASE_URL may not make roles. "
        "Goes together with APP_URL and PROJ_URL.",
    )
    app_url: Connection | None = Field(
        default=None,
        description="The connection of queries, where DATABASE_URL may not make roles.",
    )
    proj_url: Connection | None = Field(
        default=None,
        description="The connection of projections, where DATABASE_URL may not make roles.",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Settings:
        if self.test_clock is not None and not self.sandbox:
            raise ValueError(f"{PREFIX}TEST_CLOCK: needs {PREFIX}SANDBOX=1")
        if self.payments == "fake" and not self.sandbox:
            raise ValueError(f"{PREFIX}PAYMENTS: fake needs {PREFIX}SANDBOX=1")
        given = [url is not None for url in (self.log_url, self.app_url, self.proj_url)]
        if any(given) and not (all(given) and self.database_url is not None):
            raise ValueError(
                f"{PREFIX}LOG_URL, {PREFIX}APP_URL, {PREFIX}PROJ_URL: "
                f"give all three, and {PREFIX}DATABASE_URL"
            )
        return self


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError for values that do not do, and for a variable that is so like a
    setting that it must be meant as one: a mistyped DATABASE_URL would start an empty ledger.
    """
    problems = list(_mistyped(os.environ))
    try:
        settings = Settings()
    except ValidationError as failure:
        raise SettingsError([*problems, *_in_words(failure)]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _in_words(failure: ValidationError) -> Iterable[str]:
    for error in failure.errors(include_url=False, include_context=False, include_input=False):
        message = error["msg"].removeprefix("Value error, ")
        yield f"{variable_of(str(error['loc'][0]))}: {message}" if error["loc"] else message


def _mistyped(names: Iterable[str]) -> Iterable[str]:
    known = {field.upper() for field in Settings.model_fields}
    for name in sorted(names):
        setting = name.removeprefix(PREFIX)
        if setting == name or setting in known:
            continue
        alike = difflib.get_close_matches(setting, known, n=1, cutoff=0.8)
        if alike:
            yield f"{name}: no such setting; {PREFIX}{alike[0]} is"
