"""API of a person's tokens and of the wallet that they go to."""

from tokens.api.balance import BalanceOfUser
from tokens.api.wallets import WalletChangeById, WalletOfUser, WalletProofById, WalletProofs

__all__ = [
    "BalanceOfUser",
    "WalletChangeById",
    "WalletOfUser",
    "WalletProofById",
    "WalletProofs",
]
