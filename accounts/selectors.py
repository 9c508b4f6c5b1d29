"""Reads about people."""

from accounts.models import User, Wallet


def wallet_of(user: User) -> Wallet | None:
    """The wallet that the user's tokens go to, or None before onboarding."""
    return Wallet.objects.filter(user=user).first()
