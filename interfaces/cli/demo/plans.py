"""Two plans beside the packs: seats, credits that roll over, a plan changed in mid-cycle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from application.codec import EventCodec
from application.commands.catalog_requests import (
    DraftProductVersion,
    IncludedGrantSaid,
    PriceSaid,
    PublishProductVersion,
)
from application.commands.requests import Command
from application.commands.subscription_requests import (
    CancelSubscription,
    ChangeSubscription,
    Subscribe,
)
from application.reading import Reader
from domain import identity
from domain.catalog.price import PriceModel
from domain.subscriptions.enrolment import FeeCollection
from domain.subscriptions.events import FEE_EVENTS, CycleStarted, PlanChanged, credits_of
from interfaces.cli.demo.catalog import CREDIT
from interfaces.cli.demo.lumen import MINUTE, Lumen

TEAM, STUDIO = "team", "studio"
# Who has a plan, by the customer's index.
GROWS, SAVES, LEAVES = 1, 12, 21
MOST_EVENTS_OF_ONE = 1_000


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """Fees in units of USD, credits in units of CREDIT. seats: of those that run at the end;
    changed: changes of product in mid-cycle.
    """

    subscriptions: int = 0
    seats: int = 0
    cycles: int = 0
    changed: int = 0
    fee_units: int = 0
    credited_units: int = 0
    included_units: int = 0
    rolled_units: int = 0


def tell(lumen: Lumen) -> None:
    """Publish the plans, and let a few customers have them."""
    at = lumen.span.day(4, 8)
    for product, commands in ((TEAM, _team()), (STUDIO, _studio())):
        lumen.send_at(at, commands)
        lumen.send_at(at + MINUTE, PublishProductVersion(product, 1))
    _one_that_grows(lumen)
    if len(lumen.customers) > SAVES:
        _subscribe(lumen, SAVES, lumen.span.day(6, 10), seats=2)
    if len(lumen.customers) > LEAVES:
        _subscribe(lumen, LEAVES, lumen.span.day(8, 14), seats=1)
        leaving = CancelSubscription(_id(lumen, LEAVES))
        lumen.send_at(lumen.span.day(58, 11), leaving)


def _one_that_grows(lumen: Lumen) -> None:
    """Three seats, then five; in mid-cycle a larger plan; one seat fewer in the end."""
    if len(lumen.customers) <= GROWS:
        return
    _subscribe(lumen, GROWS, lumen.span.day(5, 9), seats=3)
    change = partial(ChangeSubscription, _id(lumen, GROWS))
    lumen.send_at(lumen.span.day(31, 15), change(TEAM, quantity=5))
    lumen.send_at(lumen.span.day(53, 16), change(STUDIO))
    lumen.send_at(lumen.span.day(76, 10), change(STUDIO, quantity=4))


def _subscribe(
    lumen: Lumen, index: int, at: int, seats: int, collection: FeeCollection = "INVOICE"
) -> None:
    command = Subscribe(
        _key(index), lumen.customers[index].reference, TEAM, quantity=seats, collection=collection
    )
    lumen.send_at(at, command)


def _key(index: int) -> str:
    return f"plan-{index}"


def _id(lumen: Lumen, index: int) -> str:
    return identity.subscription_id(lumen.tenant_id, _key(index))


def _team() -> Command:
    """20 USD and 8 a seat; 500 credits a seat, of which 800 may go on into the next month."""
    included = IncludedGrantSaid(CREDIT, "500", rollover=True, rollover_limit="800")
    return DraftProductVersion(TEAM, _fees("20", "8"), "Team", includes=(included,))


def _studio() -> Command:
    """99 USD and 25 a seat; 1 500 credits a seat."""
    included = IncludedGrantSaid(CREDIT, "1500")
    return DraftProductVersion(STUDIO, _fees("99", "25"), "Studio", includes=(included,))


def _fees(flat: str, seat: str) -> tuple[PriceSaid, ...]:
    return (
        PriceSaid("base", PriceModel.FLAT, "USD", unit_price=flat),
        PriceSaid("seat", PriceModel.SEAT, "USD", unit_price=seat),
    )


def figures_of(reader: Reader, lumen: Lumen) -> PlanFigures:
    """Add up what the subscriptions' own streams tell."""
    ids = [_id(lumen, index) for index in (GROWS, SAVES, LEAVES)]
    found = reader.subscriptions(lumen.tenant_id, ids)
    events = list(_events(reader, lumen, found))
    fees = [line for event in events if isinstance(event, FEE_EVENTS) for line in event.fees]
    given = [
        line for event in events if isinstance(event, CycleStarted | PlanChanged)
        for line in event.grants
    ]  # fmt: skip
    before = dict.fromkeys(found, TEAM)
    changed = 0
    for event in events:
        if isinstance(event, PlanChanged):
            changed += event.product_key != before[event.originator_id]
            before[event.originator_id] = event.product_key
    return PlanFigures(
        subscriptions=len(found),
        seats=sum(each.quantity for each in found.values() if each.ended_at is None),
        cycles=sum(isinstance(event, CycleStarted) for event in events),
        changed=changed,
        fee_units=sum(line.units for line in fees),
        credited_units=sum(
            line.units
            for event in events
            if isinstance(event, FEE_EVENTS)
            for line in credits_of(event)
        ),
        included_units=sum(line.units for line in given if line.rolled_from is None),
        rolled_units=sum(line.units for line in given if line.rolled_from is not None),
    )


def _events(reader: Reader, lumen: Lumen, ids: Iterable[str]) -> Iterable[object]:
    codec = EventCodec()
    for each in ids:
        logged = reader.events(lumen.tenant_id, aggregate_id=each, limit=MOST_EVENTS_OF_ONE)
        for row in reversed(logged):
            yield codec.decode(row.topic, row.state, row.originator_id, row.originator_version)
