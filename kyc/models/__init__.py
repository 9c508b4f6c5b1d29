"""What a person has shown, and how much they may do a day."""

from kyc.models.applications import MOST_IN_TIER_1, ZONES, Application, DailyLimit, Tier

__all__ = [
    "MOST_IN_TIER_1",
    "ZONES",
    "Application",
    "DailyLimit",
    "Tier",
]
