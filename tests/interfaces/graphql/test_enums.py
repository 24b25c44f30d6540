"""The enums of the schema are those of the domain, value by value."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_args

import pytest

from application.commands import requests
from domain import refusals
from domain.grants import events as grant_events
from domain.grants import grant
from domain.money import asset
from domain.usage import charge
from domain.wallet import events as wallet_events
from domain.wallet import watches
from interfaces.graphql.assets import AssetKind
from interfaces.graphql.charges import ChargeStatus
from interfaces.graphql.grants import GrantSource, GrantStatus, Recognition
from interfaces.graphql.holds import HoldStatus
from interfaces.graphql.inputs import AdjustmentReason
from interfaces.graphql.notifications import NotificationKind
from interfaces.graphql.problems import ProblemCode
from interfaces.graphql.statement import Bucket, StatementKind, UsageGroup
from interfaces.graphql.top_ups import TopUpOutcome, TopUpStatus
from interfaces.graphql.wallets import WalletMode
from projections import notifications, queries, series, statement


@pytest.mark.parametrize(
    "shown, meant",
    [
        (AssetKind, asset.AssetKind),
        (WalletMode, wallet_events.WalletMode),
        (GrantSource, grant_events.GrantSource),
        (GrantStatus, grant.GrantStatus),
        (Recognition, grant_events.Recognition),
        (ChargeStatus, charge.ChargeStatus),
        (HoldStatus, charge.HoldStatus),
        (AdjustmentReason, requests.AdjustmentReason),
        (StatementKind, statement.StatementKind),
        (UsageGroup, queries.UsageGroup),
        (Bucket, series.Bucket),
        (TopUpOutcome, watches.TopUpOutcome),
        (TopUpStatus, watches.TopUpStatus),
        (NotificationKind, notifications.NotificationKind),
    ],
)
def test_an_enum_has_the_values_of_its_literal(shown: type[Enum], meant: Any) -> None:
    assert {each.value for each in shown} == set(get_args(meant))
    assert all(each.name == each.value for each in shown)


def test_every_refusal_has_a_code() -> None:
    codes = {each.code for each in refusals.Refusal.__subclasses__()}
    assert codes == {each.value for each in ProblemCode}
