"""People in the admin: read-only, with actions that call services."""

from accounts.admin import people, tokens, wallets

__all__ = ["people", "tokens", "wallets"]
