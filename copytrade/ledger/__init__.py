"""Booking what happened at the exchange: trades, deposits, corrections (LED-1)."""
