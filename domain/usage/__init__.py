"""Usage charges and authorisations."""
