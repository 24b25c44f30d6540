"""What is measured, and what it costs: meters, prices, products and their versions."""
