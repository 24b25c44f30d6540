"""A server with a test clock, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from application.storage.database import Login
from tests.scenarios.server import Client, serving, settings_for

START = datetime(2026, 1, 10, 10, tzinfo=UTC)


@pytest.fixture
def client(database: Login, tmp_path: Path) -> Iterator[Client]:
    """A sandbox at 2026-01-10T10:00:00Z with the asset CREDIT and the customer acme."""
    settings = settings_for(database, tmp_path, sandbox=True, test_clock=START)
    with serving(settings) as (client, _):
        client.define_credit()
        client.customer()
        yield client
