"""Exported files, kept for a day: who comes for one soon does not have it made again.

A file that is not there is made anew, to the same bytes; so servers of one ledger need not
share the directory.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import msgspec

from application.codec import EventCodec
from application.storage.shard import FIRST_SHARD
from domain.identity import accounting_id
from domain.refusals import InvalidInput, Overloaded
from domain.revenue.accounting import AccountMapped
from interfaces.exports.accounts import AccountNames
from interfaces.exports.making import Made, make
from interfaces.exports.request import ExportRequest
from interfaces.exports.source import Source
from projections.books_at import books_at
from projections.export_documents import ExportDocuments
from projections.export_queries import ExportQueries
from projections.tables import Location

if TYPE_CHECKING:
    from interfaces.runtime import Runtime

KEPT = timedelta(days=1)
AT_ONCE = 2
LONGEST_WAIT_SECONDS = 8.0
RETRY_AFTER_MS = 2_000
MODELS = ("journal", "customers", "charges", "invoices", "balances")

_making = threading.BoundedSemaphore(AT_ONCE)


class Shelf:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._directory = runtime.settings.data_dir / "exports"

    def take(self, tenant_id: str, request: ExportRequest) -> tuple[Path, Made]:
        """Return a file and what it is; made, if it is not there.

        Raises InvalidInput (not a position of the log yet), Overloaded (read models are behind,
        or too many are being made).
        """
        directory = self._directory / tenant_id
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear(directory)
        said = json.dumps([tenant_id, request.said()], sort_keys=True)
        path = directory / hashlib.sha256(said.encode()).hexdigest()
        told = path.with_suffix(".json")
        if path.exists() and told.exists():
            return path, msgspec.json.decode(told.read_bytes(), type=Made)
        with self._turn(), NamedTemporaryFile("w+b", dir=directory, delete=False) as file:
            try:
                made = make(request, source_of(self._runtime, tenant_id, request), file)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        with NamedTemporaryFile("wb", dir=directory, delete=False) as file:
            file.write(msgspec.json.encode(made))
        Path(file.name).replace(told)
        return path, made

    def _clear(self, directory: Path) -> None:
        oldest = (self._runtime.clock.now() - KEPT).timestamp()
        # What a file is said to be goes first, so that it is never said of a file that is gone.
        for path in sorted(directory.iterdir(), key=lambda each: each.suffix != ".json"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
            except FileNotFoundError:
                continue

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not _making.acquire(blocking=False):
            raise Overloaded(retry_after_ms=RETRY_AFTER_MS)
        try:
            yield
        finally:
            _making.release()


def source_of(runtime: Runtime, tenant_id: str, request: ExportRequest) -> Source:
    """Return the books up to the request's position, once the read models have passed it.

    Raises InvalidInput, Overloaded.
    """
    last = last_position(runtime, tenant_id)
    if request.position > last:
        raise InvalidInput(field="position", reason=f"the log ends at {last}")
    if not runtime.engine.wait_for(request.position, LONGEST_WAIT_SECONDS, MODELS):
        raise Overloaded(retry_after_ms=RETRY_AFTER_MS)
    documents = ExportDocuments(runtime.transaction, EventCodec().decode_all)
    return Source(
        tenant_id,
        request.position,
        request.months,
        runtime.read_models,
        ExportQueries(runtime.transaction),
        documents,
        account_names(documents, tenant_id, request.position),
        runtime.read_models.functional_currency(tenant_id),
        runtime.reader.tenant(tenant_id).timezone,
        cache(partial(_scale, runtime, tenant_id)),
        partial(
            books_at,
            runtime.projection_pool,
            EventCodec().decode_all,
            Location(FIRST_SHARD.schema),
            tenant_id,
            request.position,
        ),
    )


def last_position(runtime: Runtime, tenant_id: str) -> int:
    """Return where a tenant's log ends."""
    return runtime.reader.events(tenant_id, limit=1)[0].position


def account_names(documents: ExportDocuments, tenant_id: str, position: int) -> AccountNames:
    """Return what the tenant called its accounts at a position."""
    mapping = {}
    for _, _, event in documents.stream(tenant_id, [accounting_id(tenant_id)], position):
        if isinstance(event, AccountMapped):
            mapping[event.key] = (event.code, event.name)
    return AccountNames(mapping)


def _scale(runtime: Runtime, tenant_id: str, key: str) -> int:
    asset = runtime.reader.asset(tenant_id, key)
    assert asset is not None, key
    return asset.scale
