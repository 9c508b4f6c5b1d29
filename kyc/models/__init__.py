"""What a person has shown, and how much they may do a day."""

from kyc.models.applications import MOST_IN_TIER_1, ZONES, Application, DailyLimit, Tier
from kyc.models.cases import UNASKED, Case, CaseCheck, CaseEvent
from kyc.models.consents import Consent, ConsentText
from kyc.models.corrections import Correction
from kyc.models.documents import Document, DocumentPage, DocumentView
from kyc.models.screening import (
    Screening,
    ScreeningEntry,
    ScreeningList,
    ScreeningMatch,
    ScreeningRun,
)

__all__ = [
    "MOST_IN_TIER_1",
    "UNASKED",
    "ZONES",
    "Application",
    "Case",
    "CaseCheck",
    "CaseEvent",
    "Consent",
    "ConsentText",
    "Correction",
    "DailyLimit",
    "Document",
    "DocumentPage",
    "DocumentView",
    "Screening",
    "ScreeningEntry",
    "ScreeningList",
    "ScreeningMatch",
    "ScreeningRun",
    "Tier",
]
