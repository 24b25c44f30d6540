"""What one may read: read models folded from the log."""
