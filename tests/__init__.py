"""Tests: one folder a room, and scenarios through the public doors."""
