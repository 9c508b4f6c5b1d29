"""Alpaca paper trading v2 and market data v2."""
