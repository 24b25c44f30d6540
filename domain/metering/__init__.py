"""What usage is measured by: meters, and the quantities they tell."""
