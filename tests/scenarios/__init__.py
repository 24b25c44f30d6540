"""What users do, through the running server."""
