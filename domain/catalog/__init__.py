"""What is sold, and what it costs: prices, products and their versions."""
