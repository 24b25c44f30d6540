"""Who the tenant charges."""
