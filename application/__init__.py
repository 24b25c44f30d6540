"""What one may do: commands, one decision each; the clock, and the store of events."""
