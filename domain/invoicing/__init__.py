"""Invoices, credit notes, and what a customer still owes on them."""
