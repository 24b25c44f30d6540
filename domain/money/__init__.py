"""Assets, amounts and their rounding."""
