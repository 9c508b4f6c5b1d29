"""Back office of copy trading: everything can be read, services alone change it."""

from copytrade.admin import accounts, desk, subscriptions

__all__ = ["accounts", "desk", "subscriptions"]
