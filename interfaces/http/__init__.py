"""HTTP and WebSocket: the front of the ledger."""
