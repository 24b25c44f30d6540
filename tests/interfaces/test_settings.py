"""Settings: what the environment may say, and what is said of what it may not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interfaces.settings import PREFIX, Settings, SettingsError, load_settings, variable_of

SECRET = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nothing_set_is_an_embedded_ledger_in_the_working_directory(tmp_path: Path) -> None:
    settings = load_settings()

    assert settings.database_url is None
    assert settings.data_dir == tmp_path / ".counterfoil"
    assert (settings.host, settings.port, settings.pg_version) == ("127.0.0.1", 8000, 18)
    assert (settings.sandbox, settings.log_level) == (False, "info")


def test_every_setting_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given
    given = {
        "DATABASE_URL": "postgresql://owner:word@db:5432/ledger",
        "DATA_DIR": str(tmp_path / "elsewhere"),
        "ADMIN_KEY": "a-key-of-16-chars",
        "SECRET": SECRET,
        "SANDBOX": "1",
        "TEST_CLOCK": "2026-01-31T10:30:00+01:00",
        "PAYMENTS": "fake",
        "LOG_LEVEL": "WARNING",
        "PG_VERSION": "16",
        "METRICS_KEY": "a-key-of-16-chars",
        "OTLP_ENDPOINT": "http://collector:4318",
        "ROLLUP_PROPERTIES": "model, region",
        "WALLET_CACHE_MB": "64",
        "HOST": "::1",
        "PORT": "0",
        "LOG_URL": "postgresql://log@db/ledger",
        "APP_URL": "postgresql://app@db/ledger",
        "PROJ_URL": "host=db user=proj dbname=ledger",
    }
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name, value)
    # when
    settings = load_settings()
    # then
    assert set(given) == {field.upper() for field in Settings.model_fields}
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == given["DATABASE_URL"]
    assert settings.data_dir == tmp_path / "elsewhere"
    assert settings.sandbox is True
    assert settings.test_clock == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert settings.payments == "fake"
    assert settings.log_level == "warning"
    assert (settings.pg_version, settings.host, settings.port) == (16, "::1", 0)
    assert settings.rollup_properties == ("model", "region")
    assert settings.wallet_cache_mb == 64


@pytest.mark.parametrize(
    "name,value,told",
    [
        ("DATABASE_URL", "mysql+x://nowhere", "must be a connection of PostgreSQL"),
        ("ADMIN_KEY", "fifteen-letters", "must have 16 to 256 characters"),
        ("ADMIN_KEY", "with a blank in it", "must be printable ASCII"),
        ("ADMIN_KEY", "schlüssel-schlüssel", "must be printable ASCII"),
        ("SECRET", "c2hvcnQ=", "must be 32 bytes in base64"),
        ("SECRET", SECRET + "!", "must be 32 bytes in base64"),
        ("METRICS_KEY", "fifteen-letters", "must have 16 to 256 characters"),
        ("OTLP_ENDPOINT", "otel:4317", "must be the address of a collector"),
        ("SANDBOX", "perhaps", "valid boolean"),
        ("LOG_LEVEL", "chatty", "'debug', 'info', 'warning' or 'error'"),
        ("PG_VERSION", "17", "16 or 18"),
        ("ROLLUP_PROPERTIES", "a,b,c,d,e,f,g,h,i", "must be at most 8 names"),
        ("PORT", "65536", "less than or equal to 65535"),
        ("PORT", "http", "valid integer"),
    ],
)
def test_a_bad_value_names_its_variable_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    # given
    monkeypatch.setenv(PREFIX + name, value)
    # when
    with pytest.raises(SettingsError) as failure:
        load_settings()
    # then
    (problem,) = failure.value.problems
    assert problem.startswith(f"{PREFIX}{name}: ")
    assert told in problem
    assert value not in problem


@pytest.mark.parametrize(
    "clock", ["2026-01-31", "2026-01-31T09:30:00", "1769851800", "2026-02-30T09:30:00Z"]
)
def test_a_test_clock_is_a_time_with_its_zone(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    monkeypatch.setenv(PREFIX + "SANDBOX", "1")
    monkeypatch.setenv(PREFIX + "TEST_CLOCK", clock)

    with pytest.raises(SettingsError, match=r"^COUNTERFOIL_TEST_CLOCK: must be a"):
        load_settings()


def test_a_test_clock_needs_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "TEST_CLOCK", "2026-01-31T09:30:00Z")

    with pytest.raises(SettingsError, match="needs COUNTERFOIL_SANDBOX=1"):
        load_settings()


def test_urls_of_roles_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "postgresql://owner@db/ledger")
    monkeypatch.setenv(PREFIX + "APP_URL", "postgresql://app@db/ledger")

    with pytest.raises(SettingsError, match="give all three"):
        load_settings()


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "PORT", "http")
    monkeypatch.setenv(PREFIX + "SECRET", "short")

    with pytest.raises(SettingsError) as failure:
        load_settings()
    assert len(failure.value.problems) == 2


def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "DATABSE_URL", "postgresql://owner@db/ledger")

    with pytest.raises(SettingsError, match=r"DATABSE_URL: no such setting; .*DATABASE_URL is"):
        load_settings()


def test_what_kubernetes_sets_for_a_service_is_not_meant_for_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PREFIX + "PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv(PREFIX + "PORT_8000_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv(PREFIX + "SERVICE_HOST", "10.0.0.1")

    assert load_settings().port == 8000


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "")

    assert load_settings().database_url is None


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "ADMIN_KEY", "a-key-of-16-chars")
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "postgresql://owner:passw0rd@db/ledger")

    shown = repr(load_settings())

    assert "a-key-of-16-chars" not in shown
    assert "passw0rd" not in shown


def test_every_setting_says_what_it_is_for() -> None:
    for field, info in Settings.model_fields.items():
        assert info.description, variable_of(field)
