"""Reads about what a person has shown."""

from accounts.models import User
from kyc.limits import LimitStatus, limit_status
from kyc.models import Application

__all__ = ["LimitStatus", "application_of", "is_approved", "limit_status"]


def application_of(user: User) -> Application | None:
    """The user's application, or None before onboarding."""
    return Application.objects.filter(user=user).first()


def is_approved(user: User) -> bool:
    """Whether the user may buy: the one answer that other apps ask for."""
    return Application.objects.filter(user=user, status=Application.Status.APPROVED).exists()
