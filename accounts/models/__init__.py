"""People: the user, their wallets, their API tokens, their address book and what they are told."""

from accounts.models.address_book import AddressEntry
from accounts.models.keys import PersonKey
from accounts.models.notices import Notice
from accounts.models.tokens import ApiToken, TokenUse
from accounts.models.users import User, UserManager
from accounts.models.wallets import Method, Wallet, WalletChange, WalletProof

__all__ = [
    "AddressEntry",
    "ApiToken",
    "Method",
    "Notice",
    "PersonKey",
    "TokenUse",
    "User",
    "UserManager",
    "Wallet",
    "WalletChange",
    "WalletProof",
]
