"""How customers are made, and their wallets set."""

from __future__ import annotations

from application.commands.answers import CustomerAnswer, DueWorkAnswer, WalletAnswer
from application.commands.requests import (
    CreateCustomer,
    FreezeWallet,
    RunDueWork,
    SetOverageLimit,
    SetWalletMode,
    UnfreezeWallet,
    UpdateCustomer,
)
from application.work import Work
from domain import identity
from domain.aggregate import create
from domain.claims import difference
from domain.customers.customer import Customer, CustomerCreated, CustomerUpdated
from domain.refusals import IdempotencyConflict, NotFound
from domain.wallet import spend_control
from domain.wallet.events import WalletOpened
from domain.wallet.wallet import Wallet


def create_customer(work: Work, command: CreateCustomer) -> CustomerAnswer:
    """Make a customer and its wallet. Raises IdempotencyConflict naming what differs."""
    customer_id = identity.customer_id(work.tenant_id, command.external_id)
    before = work.stream(Customer, customer_id)
    private = {
        "name": command.name,
        "email": command.email,
        "metadata": command.metadata or None,
    }
    if before is not None:
        first = before.created
        was = {**first.private, "timezone": first.timezone, "mode": first.mode}
        now = {**private, "timezone": command.timezone, "mode": command.mode}
        differs = difference(was, now)
        if differs is not None:
            raise IdempotencyConflict(key=command.external_id, field=differs)
        return CustomerAnswer(customer_id, replayed=True)
    at = work.now
    wallet_id = identity.wallet_id(work.tenant_id, customer_id)
    created = CustomerCreated(
        customer_id,
        1,
        at,
        command.external_id,
        wallet_id,
        command.timezone,
        command.mode,
        private,
    )
    create(Customer, created, work.log)
    opened = WalletOpened(wallet_id, 1, at, customer_id, command.mode, command.timezone)
    work.batch.admit(create(Wallet, opened, work.log))
    return CustomerAnswer(customer_id)


def update_customer(work: Work, command: UpdateCustomer) -> CustomerAnswer:
    """Change what is said of a customer. The same again writes nothing. Raises NotFound."""
    customer = work.stream(Customer, work.customer_id(command.customer))
    if customer is None:
        raise NotFound(what="customer", key=command.customer)
    timezone = customer.timezone if command.timezone is None else command.timezone
    private = {**customer.private, **command.private}
    if (timezone, private) != (customer.timezone, customer.private):
        wallet = work.wallet(customer.id)
        at = max(wallet.time(work.now), customer.recorded_at)
        customer.record(CustomerUpdated(customer.id, customer.version + 1, at, timezone, private))
        spend_control.set_timezone(wallet, timezone, at)
    return CustomerAnswer(customer.id)


def set_wallet_mode(work: Work, command: SetWalletMode) -> WalletAnswer:
    wallet = work.wallet(command.customer)
    spend_control.set_mode(wallet, command.mode, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def set_overage_limit(work: Work, command: SetOverageLimit) -> WalletAnswer:
    asset = work.asset(command.asset)
    wallet = work.wallet(command.customer)
    units = asset.units(command.limit, "limit") if command.limit is not None else None
    spend_control.set_limit(wallet, asset, units, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def freeze_wallet(work: Work, command: FreezeWallet) -> WalletAnswer:
    wallet = work.wallet(command.customer)
    spend_control.freeze(wallet, command.reason, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def unfreeze_wallet(work: Work, command: UnfreezeWallet) -> WalletAnswer:
    wallet = work.wallet(command.customer)
    spend_control.unfreeze(wallet, wallet.time(work.now))
    return WalletAnswer(wallet.id, wallet.customer_id)


def run_due_work(work: Work, command: RunDueWork) -> DueWorkAnswer:
    wallet = work.wallet_by_id(command.wallet_id)
    done = True
    if command.until is not None:
        catalog = work.catalog if wallet.enrolments else None
        wallet.fall_due(command.until, catalog=catalog, quoting=work.quote, pausing=command.pausing)
        done = not wallet.due or wallet.due[0][0] > command.until
    requests = [
        watch.request_id
        for watch in wallet.watches.values()
        if watch.request_id is not None and watch.request_status == "REQUESTED"
    ]
    return DueWorkAnswer(wallet.id, tuple(requests), done)
