"""Lumen's customers: of very unequal size, each with its own way to pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from application.commands.requests import CreateCustomer
from domain.wallet.events import WalletMode
from interfaces.cli.demo.catalog import (
    CREDIT,
    CREDIT_SCALE,
    CREDITS_PER_USD,
    MIXES,
    USD_SCALE,
    Mix,
)

# AUTO tops up when it runs low; BY_HAND once somebody notices the refusals.
Habit = Literal["AUTO", "BY_HAND"]

PACKS_USD = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
WEIGHT_OF_THE_FIRST = 10**9
# What a request's tokens come to on average, over their median (see requests.SIZES), in %.
MEAN_OVER_MEDIAN_PERCENT = 150

_NAMES = (
    "Northwind Analytics", "Quill & Co", "Harbor Legal", "Tessera Labs", "Bluebird Travel",
    "Palisade Security", "Mosaic Health", "Ferrum Robotics", "Larkspur Media", "Cobalt Insurance",
    "Juniper Schools", "Atlas Freight", "Saffron Foods", "Kestrel Games", "Polder Energy",
    "Meridian Notaries", "Violet Fashion", "Granite Bank", "Osprey Drones", "Clover Farms",
    "Lantern Books", "Zephyr Weather", "Onyx Design", "Halcyon Hotels", "Birch Architects",
    "Echo Podcasts", "Tundra Outdoor", "Marigold Care", "Prism Optics", "Basalt Mining",
    "Willow Therapy", "Comet Couriers", "Dune Surveys", "Fjord Fisheries", "Nimbus Hosting",
    "Opal Jewellers", "Raven Press", "Sierra Cycles", "Thistle Gardens", "Umbra Film",
)  # fmt: skip
_ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Europe/London", "America/Los_Angeles",
    "Asia/Singapore", "Europe/Paris", "Australia/Sydney",
)  # fmt: skip


@dataclass(slots=True)
class DemoCustomer:
    """Who it is, and where it stands as the last answers told. Units of its asset.

    weight: its share of traffic, beside the others'. joins_on: day of the demo. pack_usd:
    what it buys at a time.
    """

    index: int
    external_id: str
    name: str
    timezone: str
    asset: str
    scale: int
    mode: WalletMode
    mix: Mix
    habit: Habit
    weight: int
    joins_on: int
    pack_usd: int = 0
    balance_units: int = 0
    top_ups: int = 0
    topping_up: bool = False

    @property
    def reference(self) -> str:
        return f"ext:{self.external_id}"

    @property
    def pack_units(self) -> int:
        return self.units_for(self.pack_usd)

    def units_for(self, usd: int) -> int:
        """Return what that many dollars buy."""
        one: int = 10**self.scale
        return usd * (CREDITS_PER_USD if self.asset == CREDIT else 1) * one

    def creation(self) -> CreateCustomer:
        return CreateCustomer(
            self.external_id, self.name, None, self.timezone, {"plan": f"pack-{self.pack_usd}"},
            self.mode,
        )  # fmt: skip


def customers_of(random: Random, count: int, days: int, charges: int) -> list[DemoCustomer]:
    """Draw the customers, the largest first; the n-th is an n-th of the first (Zipf)."""
    customers = [_customer(random, index, days) for index in range(count)]
    shares = sum(customer.weight for customer in customers)
    for customer in customers:
        requests = charges * customer.weight // shares
        customer.pack_usd = _pack(customer, requests * _mean_units(customer), days)
    return customers


def _customer(random: Random, index: int, days: int) -> DemoCustomer:
    in_dollars = index % 5 == 3
    mode: WalletMode = "CONTROL"
    if index in (7, 19):
        mode = "SHADOW"
    elif index % 13 == 3:
        mode = "HYBRID"
    name = _NAMES[index] if index < len(_NAMES) else f"Customer {index + 1}"
    # Two of three are there from the start, the others come in the first half.
    joins_on = 0 if index % 3 != 2 else random.getrandbits(16) * days // 2 >> 16
    return DemoCustomer(
        index=index,
        external_id=name.lower().replace(" & ", "-").replace(" ", "-"),
        name=name,
        timezone=_ZONES[index % len(_ZONES)],
        asset="USD" if in_dollars else CREDIT,
        scale=USD_SCALE if in_dollars else CREDIT_SCALE,
        mode=mode,
        mix=MIXES[index % len(MIXES)],
        habit="BY_HAND" if index % 4 == 2 or index % 7 == 5 else "AUTO",
        weight=WEIGHT_OF_THE_FIRST // (index + 1),
        joins_on=joins_on,
    )


def _mean_units(customer: DemoCustomer) -> int:
    units = sum(
        offer.model.amount_units(offer.input_tokens, offer.output_tokens, customer.asset)
        for offer in customer.mix
    )
    return units * MEAN_OVER_MEDIAN_PERCENT // (100 * len(customer.mix))


def _pack(customer: DemoCustomer, total_units: int, days: int) -> int:
    """Return the smallest pack that lasts about two weeks."""
    fortnight_units = total_units * 14 // max(days, 14)
    for usd in PACKS_USD:
        if customer.units_for(usd) >= fortnight_units:
            return usd
    return PACKS_USD[-1]


def cumulative_weights(customers: Sequence[DemoCustomer]) -> list[int]:
    """Return running sums of the weights, for drawing by bisection."""
    sums: list[int] = []
    total = 0
    for customer in customers:
        total += customer.weight
        sums.append(total)
    return sums
