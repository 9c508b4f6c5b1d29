"""API of what people show."""

from kyc.api.onboarding import Onboard

__all__ = ["Onboard"]
