"""Exports: a report as a file behind a link."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry
from anyio import to_thread

from domain.refusals import Refusal
from interfaces.exports.links import MANIFEST, path_and_query
from interfaces.exports.request import ExportRequest
from interfaces.exports.shelf import Shelf
from interfaces.graphql.commands import refused
from interfaces.graphql.context import Info, RequestContext
from interfaces.graphql.fields import answering
from interfaces.graphql.inputs import said
from interfaces.graphql.problems import InvalidInput, Overloaded
from interfaces.graphql.scalars import Long


@strawberry.enum
class ExportReport(Enum):
    JOURNAL = "JOURNAL"
    REVENUE_SCHEDULE = "REVENUE_SCHEDULE"
    ROLLFORWARD = "ROLLFORWARD"
    TRIAL_BALANCE = "TRIAL_BALANCE"
    WATERFALL = "WATERFALL"
    RPO = "RPO"
    REVENUE = "REVENUE"
    BREAKAGE = "BREAKAGE"
    LATE_ENTRIES = "LATE_ENTRIES"
    AGEING = "AGEING"
    TIE_OUT = "TIE_OUT"
    POLICIES = "POLICIES"
    CLOSE_CERTIFICATE = "CLOSE_CERTIFICATE"
    CHARGES = "CHARGES"
    INVOICES = "INVOICES"


@strawberry.enum(description="CSV and PARQUET: every report. The others: the JOURNAL.")
class ExportFormat(Enum):
    CSV = "CSV"
    PARQUET = "PARQUET"
    NETSUITE_CSV = "NETSUITE_CSV"
    QUICKBOOKS_CSV = "QUICKBOOKS_CSV"
    XERO_CSV = "XERO_CSV"
    HLEDGER = "HLEDGER"
    LEDGER = "LEDGER"
    BEANCOUNT = "BEANCOUNT"


@strawberry.enum(description="Of the JOURNAL: each entry, or one a day or month.")
class ExportDetail(Enum):
    FULL = "FULL"
    DAILY = "DAILY"
    MONTHLY = "MONTHLY"


@strawberry.type(description="The same report of the same position is the same, to the byte.")
class ExportFile:
    url: str = strawberry.field(description="Opens the file for an hour.")
    manifest_url: str = strawberry.field(description="Likewise, what the file is, as JSON.")
    sha256: str
    position: Long = strawberry.field(description="Of the log, up to which things count.")
    rows: Long = strawberry.field(description="Of a journal, lines of entries.")


ExportResult = Annotated[ExportFile | InvalidInput | Overloaded, strawberry.union("ExportResult")]


@strawberry.type
class ExportMutations:
    @answering(ExportResult, "`position`: of the log; the last one, unless it is said.")
    async def export(
        self,
        info: Info,
        *,
        report: ExportReport,
        format: ExportFormat,
        from_month: str,
        to_month: str,
        detail: ExportDetail = ExportDetail.FULL,
        position: Long | None = strawberry.UNSET,
    ) -> object:
        context = info.context
        at = said(position)
        if at is None:
            at = Long(max(await context.loaders.newest_position(), context.min_position))
        request = ExportRequest(
            report.value, format.value, from_month, to_month, detail.value, int(at)
        )
        try:
            request.check()
            return await _made(context, request)
        except Refusal as refusal:
            return refused(info, refusal)


async def _made(context: RequestContext, request: ExportRequest) -> ExportFile:
    runtime, tenant_id = context.runtime, context.caller.tenant_id
    _, made = await to_thread.run_sync(Shelf(runtime).take, tenant_id, request)
    path, asked = path_and_query(request, made)
    now = runtime.clock.now()
    return ExportFile(
        url=runtime.links.signed(path, tenant_id, asked, now),
        manifest_url=runtime.links.signed(f"{path}{MANIFEST}", tenant_id, asked, now),
        sha256=made.sha256,
        position=Long(request.position),
        rows=Long(made.rows),
    )
