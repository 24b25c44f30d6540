"""What the demo tells at its end: figures that the seed fixes, and what to try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.money.decimals import decimal_of
from interfaces.cli.demo.catalog import (
    CHAT,
    CREDIT,
    CREDIT_SCALE,
    SONNET,
    USD_SCALE,
    event_type,
)
from interfaces.cli.demo.customers import DemoCustomer
from interfaces.cli.demo.plans import PlanFigures
from interfaces.cli.demo.tally import Tally
from interfaces.cli.demo.traffic import Span
from interfaces.cli.figures import counted, decimal, lines_of

if TYPE_CHECKING:
    from interfaces.settings import Settings

TOP_BALANCES = 5
PLACES = 6

_WHY = {
    ("INSUFFICIENT_FUNDS", ""): "the wallet had run dry",
    ("SPEND_LIMIT_REACHED", ""): "an agent had run away, and its budget was used up",
    ("INVALID_STATE", "FROZEN"): "the wallet was frozen over a dispute",
    ("INVALID_STATE", "LAPSED"): "a run went on after its hold had lapsed",
    ("INVALID_INPUT", "occurredAt"): "reported later than the late window allows",
    ("IDEMPOTENCY_CONFLICT", "reference"): "a payment that was told twice",
    ("IDEMPOTENCY_CONFLICT", "quantity"): "an event sent again with another quantity",
    ("NOT_FOUND", "customer"): "a mistyped customer",
}


@dataclass(frozen=True, slots=True)
class Balance:
    """Units of `asset` at the demo's end."""

    customer: DemoCustomer
    asset: str
    scale: int
    available_units: int
    held_units: int
    overage_units: int
    expired_units: int

    def __str__(self) -> str:
        parts = [f"{_amount(self.available_units, self.scale)} {self.asset}"]
        if self.held_units:
            parts.append(f"{_amount(self.held_units, self.scale)} held")
        if self.overage_units:
            parts.append(f"{_amount(self.overage_units, self.scale)} overage")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the last `days` were charged in credits, and would have been by a draft. Units."""

    product: str
    days: int
    charged_units: int
    would_charge_units: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it follows from the seed and the end. events, differences: of the replay."""

    seed: int
    span: Span
    customers: Sequence[DemoCustomer]
    tally: Tally
    balances: Sequence[Balance]
    compared: Comparison
    plans: PlanFigures
    events: int
    differences: int


def figures_text(figures: Figures) -> str:
    """Return the report: the same text for the same seed and end."""
    span, tally = figures.span, figures.tally
    top = _highest(figures.balances)
    title = f'"Lumen", an LLM product: {span.starts:%Y-%m-%d} to {span.ends:%Y-%m-%d %H:%M} UTC'
    grants = [f"{counted(count)} {source}" for source, count in sorted(tally.grants.items())]
    rows = [
        ("seed", str(figures.seed)),
        ("customers", counted(len(figures.customers))),
        ("charges", _charges_text(tally)),
        ("charged", _sums_text(tally.amounts, figures.balances)),
        ("prices", f"3 products; {tally.price_changes} price changes"),
        ("plans", _plans_text(figures.plans)),
        ("fees", _fees_text(figures.plans)),
        ("included", _included_text(figures.plans)),
        ("corrected", _corrected_text(figures)),
        ("compared", _compared_text(figures.compared)),
        ("holds", _holds_text(tally)),
        ("grants", ", ".join(grants)),
        ("top-ups", _top_ups_text(tally)),
        ("lapsed", _lapsed_text(figures.balances)),
        ("owed", _owed_text(figures.balances)),
        ("refunds", counted(tally.refunds)),
        ("replays", f"{counted(tally.replayed)}: what was sent twice was charged once"),
        ("refused", counted(sum(tally.refused.values()))),
        *(
            ("", f"{counted(count):>7}  {code}: {_WHY.get((code, about), about)}")
            for (code, about), count in sorted(
                tally.refused.items(), key=lambda item: (-item[1], item[0])
            )
        ),
        ("balances", "the highest are"),
        *(("", f"{balance.customer.name}: {balance}") for balance in top),
        ("replay", f"{counted(figures.events)} events, {counted(figures.differences)} differences"),
    ]  # fmt: skip
    return f"{title}\n{lines_of(rows)}"


def _plans_text(plans: PlanFigures) -> str:
    return (
        f"{counted(plans.subscriptions)} subscriptions, {counted(plans.cycles)} cycles; "
        f"{counted(plans.changed)} changed in mid-cycle; {counted(plans.seats)} seats at the end"
    )


def _fees_text(plans: PlanFigures) -> str:
    fees, credited = (_amount(each, USD_SCALE) for each in (plans.fee_units, plans.credited_units))
    return f"{fees} USD of plans by invoice, {credited} of it given back"


def _included_text(plans: PlanFigures) -> str:
    included, rolled = (
        _amount(units, CREDIT_SCALE) for units in (plans.included_units, plans.rolled_units)
    )
    return f"{included} {CREDIT} with plans; {rolled} unused ones went on into a next month"


def _top_ups_text(tally: Tally) -> str:
    declined, settled = (tally.top_ups[each] for each in ("DECLINED", "SETTLED"))
    return f"{counted(declined)} declined by a dead card, {counted(settled)} settled by the next"


def _highest(balances: Sequence[Balance]) -> list[Balance]:
    """Return the highest, dollars and credits by their price."""
    return sorted(
        balances,
        key=lambda balance: (
            -balance.available_units * 10**9 // balance.customer.units_for(1),
            balance.customer.index,
        ),
    )[:TOP_BALANCES]


def things_to_try(url: str, settings: Settings, customer: DemoCustomer) -> str:
    """Return five things to do with what was written."""
    from interfaces.keys.keyring import admin_key_file

    key = "$COUNTERFOIL_ADMIN_KEY"
    if settings.admin_key is None:
        key = f"$(cat {admin_key_file(settings)})"
    wallet = f'{{ wallet(customerId: \\"{customer.reference}\\") {{ accounts {{ available }} }} }}'
    charge = (
        'mutation { recordUsage(input: {eventId: \\"my-first\\", '
        f'customerId: \\"{customer.reference}\\", meter: \\"{event_type(CHAT, customer.asset)}\\", '
        f'properties: {{model: \\"{SONNET.name}\\", input_tokens: 1800, output_tokens: 320}}}}) '
        "{ ... on UsageCharge { amount balanceAfter replayed } ... on Problem { code message } } }"
    )
    return "\n".join(
        (
            "Five things to try:",
            f"  1. Open {url}/graphql in a browser, and send the key as a header:",
            '     {"Authorization": "Bearer ..."}',
            f"  2. Read the balance of {customer.name}:",
            f"     {_curl(url, key, wallet)}",
            "  3. Charge it. Send it twice: the second answer is the first, and replayed.",
            f"     {_curl(url, key, charge)}",
            "  4. Kill the server (kill -9), start it again, and read the balance once more.",
            "  5. Fold the whole log from zero, and compare every figure:",
            "     counterfoil replay --check",
            "",
        )
    )


def _curl(url: str, key: str, query: str) -> str:
    return (
        f"curl -s {url}/graphql -H 'Content-Type: application/json' "
        f"""-H "Authorization: Bearer {key}" -d '{{"query": "{query}"}}'"""
    )


def _charges_text(tally: Tally) -> str:
    return (
        f"{counted(tally.charges)}: {counted(tally.settled)} settled, {counted(tally.observed)} "
        f"observed; {counted(tally.free)} of a free model, "
        f"{counted(tally.delivered)} reported as delivered"
    )


def _corrected_text(figures: Figures) -> str:
    tally = figures.tally
    if not tally.corrected:
        return "nothing: the price typed wrong was found before it was used"
    given_back = _sums_text(tally.given_back, figures.balances)
    return (
        f"{counted(tally.corrected)} charges by a price typed wrong, rated anew: {given_back} back"
    )


def _compared_text(compared: Comparison) -> str:
    charged = _amount(compared.charged_units, CREDIT_SCALE)
    would = _amount(compared.would_charge_units, CREDIT_SCALE)
    return (
        f"the last {compared.days} days: {charged} {CREDIT} charged, {would} by the draft of "
        f"{compared.product}"
    )


def _holds_text(tally: Tally) -> str:
    return (
        f"{counted(tally.held)}: {counted(tally.captured)} captures, "
        f"{counted(tally.released)} released, {counted(tally.left_to_lapse)} left to lapse"
    )


def _amount(units: int, scale: int) -> str:
    return decimal(decimal_of(units, scale), PLACES)


def _lapsed_text(balances: Sequence[Balance]) -> str:
    lapsed: Counter[str] = Counter()
    for balance in balances:
        lapsed[balance.asset] += balance.expired_units
    return _sums_text(lapsed, balances, " that nobody used before its end")


def _owed_text(balances: Sequence[Balance]) -> str:
    owed: Counter[str] = Counter()
    for balance in balances:
        owed[balance.asset] += balance.overage_units
    return _sums_text(owed, balances, " spent beyond grants, not yet repaid")


def _sums_text(units: Counter[str], balances: Sequence[Balance], of_what: str = "") -> str:
    scales = {balance.asset: balance.scale for balance in balances}
    sums = [
        f"{_amount(units[asset], scale)} {asset}"
        for asset, scale in sorted(scales.items())
        if units[asset]
    ]
    return f"{' and '.join(sums)}{of_what}" if sums else "nothing"
