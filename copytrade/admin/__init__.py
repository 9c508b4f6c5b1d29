"""Back office of copy trading: everything can be read, services alone change it."""

from copytrade.admin import accounts, desk, ledger, risk, signals, strategies, subscriptions

__all__ = ["accounts", "desk", "ledger", "risk", "signals", "strategies", "subscriptions"]
