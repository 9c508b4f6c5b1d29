"""What a person has shown, and how much they may do a day."""

from kyc.models.applications import ZONES, Application, DailyLimit, Tier

__all__ = [
    "ZONES",
    "Application",
    "DailyLimit",
    "Tier",
]
