"""Who may ask: the server's secret, API keys, and the keyring that recognises them."""
