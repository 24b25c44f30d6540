"""What Lumen sells: other people's models at their list price and a margin, and a free one."""

from __future__ import annotations

from dataclasses import dataclass

from domain.money.decimals import units_of
from domain.money.rounding import divide_half_even

PRICES_AS_OF = "2026-09"
MARGIN_PERCENT = 140
USD_SCALE = 9
CREDIT, CREDIT_NAME, CREDIT_SCALE = "CREDIT", "Lumen credits", 6
CREDIT_PRICE_USD = "0.01"
CREDITS_PER_USD = 100
# A CREDIT unit is 10^-6 of a cent's worth, a USD unit 10^-9 of a dollar.
_NANO_USD_PER_CREDIT_UNIT = 10

CHAT, AGENTS, SEARCH = "chat.tokens", "agent.tokens", "search.tokens"


def event_type(kind: str, asset: str) -> str:
    """Return under what usage is reported: customers in dollars are those of the API."""
    return kind if asset == CREDIT else f"api.{kind}"


@dataclass(frozen=True, slots=True)
class Model:
    """Prices in nano-USD a token: USD a million tokens, times 1 000."""

    name: str
    input_price: int
    output_price: int

    def cost_units(self, input_tokens: int, output_tokens: int) -> int:
        """Return the vendor's price in units of USD. Exact."""
        return input_tokens * self.input_price + output_tokens * self.output_price

    def priced(self, vendors_price: int) -> int:
        """Return a price with Lumen's margin, in hundredths of its units."""
        return vendors_price * MARGIN_PERCENT

    def amount_units(self, input_tokens: int, output_tokens: int, asset: str) -> int:
        """Return Lumen's price in units of the asset. Rounds half-even."""
        cost_units = self.cost_units(input_tokens, output_tokens)
        whole = 100 * _NANO_USD_PER_CREDIT_UNIT if asset == CREDIT else 100
        return divide_half_even(cost_units * MARGIN_PERCENT, whole)


def _model(name: str, input_usd: str, output_usd: str) -> Model:
    return Model(name, units_of(input_usd, 3), units_of(output_usd, 3))


# USD a million tokens, as the vendors list them (PRICES_AS_OF): input, output.
OPUS = _model("claude-opus-5", "5.00", "25.00")
SONNET = _model("claude-sonnet-5", "2.00", "10.00")
HAIKU = _model("claude-haiku-4.5", "1.00", "5.00")
TERRA = _model("gpt-5.6-terra", "2.00", "12.00")
MINI = _model("gpt-5.4-mini", "0.75", "4.50")
NANO = _model("gpt-5.4-nano", "0.20", "1.25")
GEMINI = _model("gemini-3.1-pro", "2.00", "12.00")
EMBEDDING = _model("text-embedding-3-small", "0.02", "0")
FREE = _model("lumen-mini", "0", "0")
MODELS = (OPUS, SONNET, HAIKU, TERRA, MINI, NANO, GEMINI, EMBEDDING, FREE)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as one feature uses it. Medians of a request's tokens."""

    meter: str
    model: Model
    input_tokens: int
    output_tokens: int


# A feature's mix: how many of 64 requests are of each kind.
Mix = tuple[Offer, ...]


def _mix(*parts: tuple[int, Offer]) -> Mix:
    mix = tuple(offer for count, offer in parts for _ in range(count))
    assert len(mix) == 64
    return mix


ASSISTANT = _mix(
    (22, Offer(CHAT, SONNET, 1_800, 320)),
    (14, Offer(CHAT, TERRA, 1_600, 340)),
    (12, Offer(CHAT, MINI, 1_200, 260)),
    (8, Offer(CHAT, HAIKU, 900, 220)),
    (8, Offer(CHAT, FREE, 700, 180)),
)
CODING_AGENT = _mix(
    (24, Offer(AGENTS, SONNET, 9_000, 900)),
    (14, Offer(AGENTS, OPUS, 11_000, 1_100)),
    (10, Offer(AGENTS, GEMINI, 10_000, 800)),
    (16, Offer(CHAT, HAIKU, 1_100, 240)),
)
KNOWLEDGE_BASE = _mix(
    (30, Offer(SEARCH, EMBEDDING, 2_400, 0)),
    (20, Offer(SEARCH, NANO, 3_200, 160)),
    (10, Offer(CHAT, MINI, 2_600, 300)),
    (4, Offer(CHAT, FREE, 700, 180)),
)
MIXED = _mix(
    (16, Offer(CHAT, SONNET, 1_700, 300)),
    (16, Offer(CHAT, NANO, 1_100, 220)),
    (12, Offer(SEARCH, EMBEDDING, 1_900, 0)),
    (12, Offer(AGENTS, TERRA, 7_000, 700)),
    (8, Offer(AGENTS, HAIKU, 5_000, 600)),
)
MIXES = (ASSISTANT, CODING_AGENT, MIXED, ASSISTANT, KNOWLEDGE_BASE, MIXED)
