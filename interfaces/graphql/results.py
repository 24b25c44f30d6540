"""What each mutation answers: the thing, or one of the problems it may meet."""

from __future__ import annotations

from typing import Annotated

import strawberry

from interfaces.graphql.adjustments import Adjustment
from interfaces.graphql.assets import Asset
from interfaces.graphql.charges import UsageCharge
from interfaces.graphql.customers import Customer
from interfaces.graphql.grants import CreditGrant
from interfaces.graphql.holds import Hold
from interfaces.graphql.problems import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    InvalidState,
    NotFound,
    Overloaded,
    SpendLimitReached,
)
from interfaces.graphql.wallets import Wallet

CreateCustomerResult = Annotated[
    Customer | InvalidInput | IdempotencyConflict | Overloaded,
    strawberry.union("CreateCustomerResult"),
]
UpdateCustomerResult = Annotated[
    Customer | InvalidInput | NotFound | Overloaded,
    strawberry.union("UpdateCustomerResult"),
]
DefineAssetResult = Annotated[
    Asset | InvalidInput | NotFound | IdempotencyConflict | Overloaded,
    strawberry.union("DefineAssetResult"),
]
IssueGrantResult = Annotated[
    CreditGrant | InvalidInput | NotFound | IdempotencyConflict | Overloaded,
    strawberry.union("IssueGrantResult"),
]
GrantResult = Annotated[
    CreditGrant | InvalidInput | NotFound | InvalidState | IdempotencyConflict | Overloaded,
    strawberry.union("GrantResult"),
]
RecordUsageResult = Annotated[
    UsageCharge
    | InsufficientFunds
    | SpendLimitReached
    | InvalidInput
    | NotFound
    | IdempotencyConflict
    | InvalidState
    | Overloaded,
    strawberry.union("RecordUsageResult"),
]
AuthorizeResult = Annotated[
    Hold
    | InsufficientFunds
    | SpendLimitReached
    | InvalidInput
    | NotFound
    | IdempotencyConflict
    | InvalidState
    | Overloaded,
    strawberry.union("AuthorizeResult"),
]
RefundChargeResult = Annotated[
    UsageCharge | InvalidInput | NotFound | InvalidState | IdempotencyConflict | Overloaded,
    strawberry.union("RefundChargeResult"),
]
WalletResult = Annotated[
    Wallet | InvalidInput | NotFound | InvalidState | Overloaded,
    strawberry.union("WalletResult"),
]
AdjustResult = Annotated[
    Adjustment
    | InsufficientFunds
    | SpendLimitReached
    | InvalidInput
    | NotFound
    | IdempotencyConflict
    | InvalidState
    | Overloaded,
    strawberry.union("AdjustResult"),
]
