"""What a request is: which model, how many tokens, what it costs; whole numbers all along,
so that a seed gives the same figures on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from application.commands.requests import AuthorizeUsage, Money, RecordUsage
from domain.money.decimals import decimal_of
from interfaces.cli.demo.catalog import AGENTS, USD_SCALE, Model, event_type
from interfaces.cli.demo.customers import DemoCustomer
from interfaces.cli.demo.traffic import moment

_STEPS = 253
# Four draws of 0..63 add up to a bell; as an exponent it makes sizes log-normal: half of
# all requests within 0.53 and 1.9 of the median, one of a thousand beyond 12 times.
SIZES = tuple(
    1_000 * 1_025 ** max(step - 126, 0) * 1_000 ** max(126 - step, 0)
    // (1_000 ** max(step - 126, 0) * 1_025 ** max(126 - step, 0))
    for step in range(_STEPS)
)  # fmt: skip
RANDOM_BITS = 128
# An agent's run reserves for as long as its longest run may take.
HOLD_SECONDS = 12 * 3_600
HELD_PERCENT = 150


@dataclass(slots=True)
class Request:
    """A request as drawn. amount_units: what it is expected to cost. `bits`: what is left of
    the draw, for whoever decides its fate.
    """

    customer: DemoCustomer
    meter: str
    model: Model
    event_id: str
    input_tokens: int
    output_tokens: int
    amount_units: int
    bits: int

    @property
    def is_agent_run(self) -> bool:
        """Whether it is settled by way of a hold: one in eight of the agents' requests."""
        return self.meter == AGENTS and not self.bits & 7

    @property
    def event_type(self) -> str:
        return event_type(self.meter, self.customer.asset)

    def properties(self) -> dict[str, Any]:
        return {
            "model": self.model.name,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }

    def subject(self) -> str | None:
        if self.meter != AGENTS:
            return None
        return f"agents/{('scribe', 'scout', 'mason', 'pilot')[self.bits >> 3 & 3]}"

    def usage(self, at: int, *, delivered: bool = False) -> RecordUsage:
        """Return the report of the request, once it is done; the catalogue says the amount."""
        customer, model = self.customer, self.model
        cost_units = model.cost_units(self.input_tokens, self.output_tokens)
        return RecordUsage(
            self.event_id,
            customer.reference,
            self.event_type,
            "lumen",
            str(self.input_tokens + self.output_tokens),
            self.properties(),
            self.subject(),
            moment(at),
            cost=Money(decimal_of(cost_units, USD_SCALE), "USD"),
            delivered=delivered,
        )

    def authorization(self) -> AuthorizeUsage:
        """Return what is asked before an agent runs: half as much again as it will take."""
        customer = self.customer
        held_units = max(1, self.amount_units * HELD_PERCENT // 100)
        return AuthorizeUsage(
            self.event_id,
            customer.reference,
            self.event_type,
            "lumen",
            decimal_of(held_units, customer.scale),
            customer.asset,
            None,
            self.properties(),
            self.subject(),
            HOLD_SECONDS,
        )


def drawn(customer: DemoCustomer, bits: int) -> Request:
    """Make a request of RANDOM_BITS random bits."""
    offer = customer.mix[bits & 63]
    size = SIZES[(bits >> 6 & 63) + (bits >> 12 & 63) + (bits >> 18 & 63) + (bits >> 24 & 63)]
    answer = SIZES[(bits >> 30 & 63) + (bits >> 36 & 63) + (bits >> 42 & 63) + (bits >> 48 & 63)]
    input_tokens = offer.input_tokens * size // 1_000
    output_tokens = offer.output_tokens * answer // 1_000
    model = offer.model
    return Request(
        customer,
        offer.meter,
        model,
        f"req_{bits >> 54 & 0xFFFFFFFFFFFF:012x}",
        input_tokens,
        output_tokens,
        model.amount_units(input_tokens, output_tokens, customer.asset),
        bits >> 102,
    )
