"""A wallet as the tables of `balances` tell it, for figures at a time of one's choosing.

What falls due by then is applied by the domain's own function (`Wallet.as_of`), so that
the runner, a decision and a reader never differ.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from domain.calendar.months import Months
from domain.wallet.account import AccountState
from domain.wallet.burndown import OpenGrant
from domain.wallet.events import WalletMode
from domain.wallet.holds import OpenHold
from domain.wallet.standing import WalletState
from domain.wallet.wallet import Wallet
from projections.balances import (
    ACCOUNTS,
    GRANTS,
    HOLDS,
    WALLETS,
    AccountRow,
    GrantRow,
    HoldRow,
    terms_of,
)
from projections.database import Connection
from projections.subscriptions import subscribed
from projections.tables import Location

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def wallet_of(
    connection: Connection, location: Location, tenant: str, wallet_id: str
) -> Wallet | None:
    """Return the wallet as recorded, to be asked as of a time; None if there is none.

    Only figures are to be asked of it: versions and the ranges of overage are not kept.
    """
    rows = WALLETS.load(connection, location, [(tenant, wallet_id)])
    if not rows:
        return None
    accounts = ACCOUNTS.load(connection, location, [(tenant, wallet_id)])
    grants = connection.execute(
        location.query(
            "SELECT {columns} FROM {grants} WHERE tenant = %s AND wallet_id = %s AND remaining > 0",
            columns=GRANTS.selected(),
        ),
        (tenant, wallet_id),
    )
    open_grants = [_open_grant(GRANTS.row_of(grant)) for grant in grants]
    holds = connection.execute(
        location.query(
            "SELECT {columns} FROM {holds}"
            " WHERE tenant = %s AND wallet_id = %s AND status = 'OPEN'",
            columns=HOLDS.selected(),
        ),
        (tenant, wallet_id),
    )
    enrolments, allotments = subscribed(connection, location, tenant, wallet_id)
    state = WalletState(
        rows[0].customer_id,
        cast(WalletMode, rows[0].mode),
        rows[0].frozen,
        tuple(_account_state(account, open_grants) for account in accounts),
        tuple(_open_hold(HOLDS.row_of(hold)) for hold in holds),
        "UTC",
        Months("UTC"),
        enrolments=enrolments,
        allotments=allotments,
    )
    return Wallet.restored(wallet_id, 1, _LONG_AGO, state)


def _account_state(account: AccountRow, grants: list[OpenGrant]) -> AccountState:
    owed = ((account.incurred - account.owed, account.incurred),) if account.owed else ()
    return AccountState(
        account.asset, account.scale, account.granted, account.burned, account.expired,
        account.revoked, account.held, account.uncovered_held, account.incurred, owed,
        (), account.overage_limit,
        tuple(grant for grant in grants if grant.terms.asset == account.asset),
    )  # fmt: skip


def _open_grant(grant: GrantRow) -> OpenGrant:
    return OpenGrant(
        terms_of(grant), grant.remaining, grant.held, grant.burned, grant.expired, grant.revoked,
        grant.status, 1, grant.notice_at is None,
    )  # fmt: skip


def _open_hold(hold: HoldRow) -> OpenHold:
    return OpenHold(
        hold.hold_id, hold.charge_id, hold.asset, hold.meter, hold.held, hold.uncovered,
        hold.shadow, hold.expires_at, 1, dict(hold.pinned),
    )  # fmt: skip
