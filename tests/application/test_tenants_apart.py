"""Roles and row security: who may do what, and see whose rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from application.codec import EventCodec
from application.commands.requests import (
    AdjustWallet,
    AuthorizeUsage,
    CaptureUsage,
    Command,
    ExtendGrant,
    ExtendHold,
    FreezeWallet,
    IssueGrant,
    Money,
    RecordUsage,
    RefundCharge,
    RefundGrant,
    ReleaseHold,
    RunDueWork,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    VoidGrant,
)
from application.commands.spend_requests import SetBudgetTemplate
from application.ledger import Ledger
from application.storage.database import Connection, Login, Pool, Role
from application.storage.roles import RefusesToServe, check_isolation
from domain import identity
from domain.refusals import NotFound
from domain.wallet.derived_budgets import derived_budget_id
from projections.engine import ProjectionEngine
from projections.models import read_models
from tests.application.engine import Engine, hold, prepared, running, usage

pytestmark = pytest.mark.storage

SCHEMAS = ["ledger_00", "counterfoil"]


# What a role may do


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_00.events SET state = ''",
        "DELETE FROM ledger_00.events",
        "TRUNCATE ledger_00.events",
        "ALTER TABLE ledger_00.events DISABLE ROW LEVEL SECURITY",
        "DROP TABLE ledger_00.events",
        "CREATE TABLE ledger_00.more (a int)",
        "UPDATE counterfoil.migrations SET sha256 = ''",
    ],
)
@pytest.mark.parametrize("role", ["log", "app", "proj"])
def test_nobody_changes_the_log(logins: dict[Role, Login], role: Role, statement: str) -> None:
    with (
        logins[role].connect() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("role", ["app", "proj"])
def test_only_the_writer_appends(logins: dict[Role, Login], role: Role) -> None:
    with (
        logins[role].connect() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(
            "INSERT INTO ledger_00.events VALUES (gen_random_uuid(), gen_random_uuid(), 1,"
            " 'tenant.opened', '{}', now(), '', '')"
        )


@pytest.mark.parametrize("role", ["log", "app", "proj"])
def test_no_role_becomes_another(logins: dict[Role, Login], role: Role) -> None:
    owner = logins["owner"].arguments["user"]
    with (
        logins[role].connect() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SET ROLE {owner}")


def test_queries_write_nowhere(logins: dict[Role, Login]) -> None:
    with logins["app"].connect(autocommit=True) as connection:
        for table in _tables(connection):
            for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                row = connection.execute(
                    "SELECT has_table_privilege(%s, %s)", (table, privilege)
                ).fetchone()
                assert row == (False,), (table, privilege)


# Whose rows a query sees


def _tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'ledger_00' AND c.relkind IN ('r', 'v') ORDER BY 1"
    )
    return [str(table) for (table,) in rows]


def _tenants_in(connection: Connection, table: str) -> set[str]:
    rows = connection.execute(f"SELECT DISTINCT tenant::text FROM {table}".encode())
    return {str(tenant) for (tenant,) in rows}


@pytest.fixture(scope="module")
def two_tenants(
    logins: dict[Role, Login],
) -> Iterator[tuple[Engine, Engine]]:
    """Two companies with the same names for everything, shown in every read model."""
    for tenant in ("left", "right"):
        with running(logins, tenant=tenant) as engine:
            engine.funded("100")
            engine.done(hold("h1", "10"), usage("e1", "5"))
            for number in range(90):  # so many that a snapshot is kept
                engine.done(usage(f"p{number}", "0.1"))
    with running(logins, tenant="left") as left, running(logins, tenant="right") as right:
        proj = Pool(logins["proj"], "proj", 2)
        proj.open()
        ProjectionEngine(proj, EventCodec().decode_all, read_models()).catch_up()
        proj.close()
        yield left, right


def test_a_query_sees_one_tenant_in_every_table(two_tenants: tuple[Engine, Engine]) -> None:
    left, right = two_tenants
    seen: set[str] = set()
    for engine in (left, right):
        with engine.pool.transaction(engine.tenant_id) as connection:
            tables = [table for table in _tables(connection) if "positions" not in table]
            for table in tables:
                tenants = _tenants_in(connection, table)
                assert tenants <= {engine.tenant_id}, table
                seen |= {table} if tenants else set()
    shown = {"events", "log", "snapshots", "charges", "grants", "holds", "accounts"}
    assert {f"ledger_00.{table}" for table in shown} <= seen


def test_without_a_tenant_a_query_sees_nothing(two_tenants: tuple[Engine, Engine]) -> None:
    left, _ = two_tenants
    with left.pool.connection() as connection:
        for table in _tables(connection):
            if "positions" not in table:
                assert _tenants_in(connection, table) == set(), table


@pytest.mark.parametrize("tenant", ["", "' OR true --", "00000000-0000-0000-0000-000000000000"])
def test_a_tenant_that_is_none_sees_nothing(
    two_tenants: tuple[Engine, Engine], tenant: str
) -> None:
    left, _ = two_tenants
    with left.pool.transaction(tenant) as connection:
        assert _tenants_in(connection, "ledger_00.events") == set()


@pytest.mark.parametrize("local", [True, False])
def test_a_setting_does_not_reach_the_next_borrower(
    two_tenants: tuple[Engine, Engine], logins: dict[Role, Login], local: bool
) -> None:
    left, _ = two_tenants
    pool = Pool(logins["app"], "app", 1)
    pool.open()
    with pool.connection() as connection:
        connection.execute("SELECT set_config('app.tenant', %s, %s)", (left.tenant_id, local))
        assert _tenants_in(connection, "ledger_00.events") == {left.tenant_id}
        first = connection.info.backend_pid
    with pool.connection() as connection:
        assert connection.info.backend_pid == first
        assert _tenants_in(connection, "ledger_00.events") == set()
    pool.close()


def test_another_tenant_s_things_are_not_there(two_tenants: tuple[Engine, Engine]) -> None:
    left, right = two_tenants
    wallet = left.wallet()
    hold_id, charge_id = next(
        (held.hold_id, held.charge_id) for held in left.wallet().holds.values()
    )
    grant_id = next(iter(wallet.accounts["CREDIT"].grants))
    reader, tenant = right.reader, right.tenant_id
    assert reader.wallets(tenant, [wallet.id]) == {}
    assert reader.wallet_as_of(tenant, wallet.id, left.clock.now()) is None
    assert reader.customers(tenant, [wallet.customer_id]) == {}
    assert reader.grants(tenant, [grant_id]) == {}
    assert reader.charges(tenant, [charge_id]) == {}
    assert reader.hold_pointers(tenant, [hold_id]) == {}
    assert reader.events(tenant, aggregate_id=wallet.id) == []
    assert reader.grants(left.tenant_id, [grant_id]) != {}


def _credit(customer: str) -> dict[str, Any]:
    return {"customer": customer, "asset": "CREDIT", "amount": "1"}


# customer, grant, charge, hold of the other tenant -> what is tried with them
_TRIES: list[Callable[[str, str, str, str], Command]] = [
    lambda c, g, u, h: VoidGrant(g, "mine now"),
    lambda c, g, u, h: RefundGrant(g, "mine now"),
    lambda c, g, u, h: ExtendGrant(g, None, "mine now"),
    lambda c, g, u, h: RefundCharge(u, "mine now", "k1"),
    lambda c, g, u, h: CaptureUsage(h, "1"),
    lambda c, g, u, h: CaptureUsage(h, "1", event_id="e9"),
    lambda c, g, u, h: ExtendHold(h, 9_999),
    lambda c, g, u, h: ReleaseHold(h),
    lambda c, g, u, h: RecordUsage("e9", meter="tokens", **_credit(c)),
    lambda c, g, u, h: AuthorizeUsage("e9", meter="tokens", **_credit(c)),
    lambda c, g, u, h: IssueGrant("k9", source="PROMOTIONAL", **_credit(c)),
    lambda c, g, u, h: AdjustWallet("k9", reason="GIFT", **_credit(c)),
    lambda c, g, u, h: SetOverageLimit(c, "CREDIT", "5"),
    lambda c, g, u, h: SetWalletMode(c, "SHADOW"),
    lambda c, g, u, h: FreezeWallet(c, "mine now"),
    lambda c, g, u, h: UnfreezeWallet(c),
]


def test_one_tenant_cannot_touch_the_other_s(logins: dict[Role, Login], tenant: str) -> None:
    """Through one writer, in whose memory the other's wallet is."""
    # given
    with running(logins, tenant=tenant) as engine:
        engine.funded("100")
        (charged, held) = engine.done(usage("e1", "4"), hold("h1", "10"))
        version = engine.wallet().version
        grant_id = charged.charge.allocations[0][0]
        customer_id = charged.charge.customer_id
        hold_id = held.charge.hold_id
        mine = Engine(logins, engine.clock, f"{tenant}-other")
        mine.ledger.start()
        mine.funded("1", "mine")
        tries = [each(customer_id, grant_id, charged.charge.id, hold_id) for each in _TRIES]
        # when
        outcomes = engine.ledger.execute(mine.caller, [*tries, RunDueWork(engine.wallet_id())])
        # then
        mine.ledger.stop()
        mine.datastore.close()
        assert [type(outcome.refusal) for outcome in outcomes] == [NotFound] * len(outcomes)
        assert engine.available() == 86
        assert engine.wallet().version == version


def test_what_shares_a_commit_is_written_as_its_own_tenant_s(
    logins: dict[Role, Login], tenant: str
) -> None:
    """Charges and template budgets of two tenants whose turns alternate in one batch."""

    async def send(shared: Ledger, *turns: tuple[Engine, Command]) -> list[int]:
        sent = [asyncio.create_task(shared.submit(each.caller, command)) for each, command in turns]
        await asyncio.sleep(0)
        assert shared.waiting == len(turns)
        shared.start()
        return [(await each).position for each in sent]

    with (
        running(logins, tenant=tenant) as one,
        running(logins, tenant=f"{tenant}-other") as other,
    ):
        # given
        templates = []
        for engine in (one, other):
            engine.funded("100")
            (answer,) = engine.done(SetBudgetTemplate("agent-*", "CREDIT", "9", "DAY"))
            templates.append(answer.template.template_id)
        shared = Ledger(one.recorder, one.clock)
        # when
        turns = [
            (one, usage("a", "1", subject="agent-1")),
            (other, usage("a", "2", subject="agent-1")),
            (one, usage("b", "3", subject="agent-1")),
        ]
        positions = asyncio.run(send(shared, *turns))
        shared.stop()
        # then: one commit, whose rows each tenant sees as its own alone
        assert len(set(positions)) == 1
        for engine, template_id, available in zip((one, other), templates, (96, 98), strict=True):
            wallet_id = engine.wallet_id()
            budget_id = derived_budget_id(wallet_id, template_id, "agent-1")
            for stream_id in (wallet_id, budget_id):
                seen = engine.reader.events(engine.tenant_id, aggregate_id=stream_id, limit=100)
                assert len(seen) == len(engine.topics(stream_id)) > 0
            assert engine.topics(wallet_id)[-1] == "wallet.usage_debited"
            assert set(engine.topics(budget_id)) == {"budget.counted"}
            assert engine.available() == available


def test_the_same_names_mean_different_things(two_tenants: tuple[Engine, Engine]) -> None:
    left, right = two_tenants
    paid = Money("1", "USD")
    for engine in (left, right):
        (answer,) = engine.done(
            IssueGrant("pay", "ext:acme", "CREDIT", "7", paid=paid, reference="pi_same")
        )
        assert not answer.replayed
    assert left.wallet_id() != right.wallet_id()
    assert identity.charge_id(left.tenant_id, "default", "e1") != identity.charge_id(
        right.tenant_id, "default", "e1"
    )


# What a server demands of its database


def test_a_server_refuses_to_serve_as_owner(database: Login, own_logins: dict[Role, Login]) -> None:
    for login, why in ((database, "superuser"), (own_logins["owner"], "owns")):
        with login.connect() as connection, pytest.raises(RefusesToServe, match=why):
            check_isolation(connection, SCHEMAS)
    for role in ("log", "app", "proj"):
        with own_logins[role].connect() as connection:
            check_isolation(connection, SCHEMAS)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger_00.snapshots NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE ledger_00.snapshots DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE ledger_00.later (tenant uuid)",
    ],
)
def test_a_server_refuses_a_table_without_forced_row_security(
    database: Login, statement: str
) -> None:
    logins = prepared(database)
    with database.connect(autocommit=True) as connection:
        connection.execute(statement.encode())
    with logins["app"].connect() as connection, pytest.raises(RefusesToServe, match="forced"):
        check_isolation(connection, SCHEMAS)


def test_a_server_refuses_a_role_that_bypasses_row_security(database: Login) -> None:
    logins = prepared(database)
    with database.connect(autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {logins['app'].arguments['user']} BYPASSRLS")
    with logins["app"].connect() as connection, pytest.raises(RefusesToServe, match="bypasses"):
        check_isolation(connection, SCHEMAS)
