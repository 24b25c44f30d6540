"""Time as contracts count it: zones, cycles, calendar months."""
