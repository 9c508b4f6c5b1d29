"""API of what people show."""

from kyc.api.documents import DocumentById, Documents
from kyc.api.onboarding import Onboard
from kyc.api.verification import Verification

__all__ = ["DocumentById", "Documents", "Onboard", "Verification"]
