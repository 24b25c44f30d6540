"""Credit grants: their terms and life."""
