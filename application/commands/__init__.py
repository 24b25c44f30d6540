"""Every command of the ledger, as what the client said, and how each is decided."""
