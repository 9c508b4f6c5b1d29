"""API of what people show."""

from kyc.api.onboarding import Onboard
from kyc.api.verification import Verification

__all__ = ["Onboard", "Verification"]
