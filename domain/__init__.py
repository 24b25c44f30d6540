"""What is true: the rules of the ledger, pure and without I/O."""
