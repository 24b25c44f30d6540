"""When what was paid becomes revenue: policies, obligations, the journal's rules."""
