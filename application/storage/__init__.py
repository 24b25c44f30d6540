"""Where events and read models are kept: PostgreSQL, the embedded one or any other."""
