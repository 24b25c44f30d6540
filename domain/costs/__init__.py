"""What usage costs the tenant at its vendors."""
