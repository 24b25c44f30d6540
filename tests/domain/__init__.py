"""The rules, attacked and tabled."""
