"""The tenant and its clock."""
