"""The wallet: who may spend, out of what."""
