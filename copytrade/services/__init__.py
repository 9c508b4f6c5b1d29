"""Writes of copy trading: each owns its transaction and its audit row."""
