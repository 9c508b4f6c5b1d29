"""API of what people show, and of what officers do with it."""

from kyc.api.case_actions import (
    ApproveCase,
    AskPerson,
    AssignCase,
    CheckOfCase,
    EscalateCase,
    KeepCase,
    NoteOnCase,
    RejectCase,
    ReleaseCase,
    TakeCase,
)
from kyc.api.case_documents import AcceptDocument, DocumentPageImage, RejectDocument
from kyc.api.cases import CaseById, Cases, OfficersForCases, TakeNextCase
from kyc.api.corrections import Corrections
from kyc.api.documents import DocumentById, Documents
from kyc.api.matches import ConfirmMatch, DismissMatch, MatchById, Matches
from kyc.api.onboarding import Onboard
from kyc.api.verification import Verification

__all__ = [
    "AcceptDocument",
    "ApproveCase",
    "AskPerson",
    "AssignCase",
    "CaseById",
    "Cases",
    "CheckOfCase",
    "ConfirmMatch",
    "Corrections",
    "DismissMatch",
    "DocumentById",
    "DocumentPageImage",
    "Documents",
    "EscalateCase",
    "KeepCase",
    "MatchById",
    "Matches",
    "NoteOnCase",
    "OfficersForCases",
    "Onboard",
    "RejectCase",
    "RejectDocument",
    "ReleaseCase",
    "TakeCase",
    "TakeNextCase",
    "Verification",
]
