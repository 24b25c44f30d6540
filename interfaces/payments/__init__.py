"""Payment providers: a folder or module an adapter of the port in `application/payments.py`."""
