"""Reads about what a person has shown."""

from datetime import UTC
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Count, Exists, Max, Min, Q, QuerySet
from django.db.models.functions import TruncDate

from accounts.models import User
from compliance.models import Proposal
from kyc.limits import LimitStatus, limit_status
from kyc.models import Application, Case, Correction, Document, DocumentView, ScreeningMatch

__all__ = [
    "LimitStatus",
    "application_of",
    "corrections_of",
    "document_for",
    "documents_of",
    "in_other_groups",
    "is_approved",
    "limit_status",
    "looks_at_documents",
    "may_join",
    "open_matches",
    "subject_of",
]


def application_of(user: User) -> Application | None:
    """The user's application, or None before onboarding."""
    return Application.objects.filter(user=user).first()


def is_approved(user: User) -> bool:
    """Whether the user may buy: the one answer that other apps ask for."""
    return Application.objects.filter(user=user, status=Application.Status.APPROVED).exists()


def documents_of(application: Application) -> QuerySet[Document]:
    """What the person has shown and not taken back, newest first."""
    shown = Document.objects.exclude(state=Document.State.WITHDRAWN)
    return shown.filter(application=application).select_related("application")


def corrections_of(user: User) -> QuerySet[Correction]:
    """The newest ten of what the user has asked to be put right."""
    asked = Correction.objects.filter(application__user=user).select_related("application")
    return asked[:10]


def looks_at_documents(user: User) -> QuerySet[Any, Any]:
    """Who looked at the user's documents: a row for a viewer, a document and a day (UTC), newest first.

    `pages` is how many pages they saw, `first_at` and `last_at` when.
    """
    seen = DocumentView.objects.filter(document__application__user=user).order_by()
    days = seen.annotate(day=TruncDate("at", tzinfo=UTC)).values(
        "viewer_id", "purpose", "document_id", "document__kind", "day"
    )
    counted = days.annotate(
        first_at=Min("at"), last_at=Max("at"), pages=Count("page", distinct=True)
    )
    return counted.order_by("-last_at", "document_id", "viewer_id")


def open_matches(application: Application) -> QuerySet[ScreeningMatch]:
    """Matches on lists that stand against an approval.

    Those that nobody has decided yet, and those with somebody under sanctions that were confirmed. An
    office alone (PEP), once confirmed, is for two people to weigh and does not forbid it.
    """
    state = ScreeningMatch.State
    against = Q(state=state.OPEN) | Q(state=state.CONFIRMED, is_sanctioned=True)
    return ScreeningMatch.objects.filter(against, application=application)


def subject_of(proposal: Proposal) -> UUID | None:
    """The user whom a proposal on what this app keeps is about; None when it is gone."""
    theirs = {
        "kyc_application": "kyc_application",
        "kyc_case": "kyc_application__cases",
        "kyc_correction": "kyc_application__corrections",
        "screening_match": "kyc_application__matches",
    }
    found = User.objects.filter(**{theirs[proposal.object_type]: proposal.object_id})
    return found.values_list("pk", flat=True).first()


def may_join(case: Case, officer: User) -> bool:
    """Whether the case is for everybody, or was escalated to a group of the officer's."""
    if case.group_id is None or officer.is_superuser:
        return True
    return officer.groups.filter(pk=case.group_id).exists()


def in_other_groups(officer_id: UUID) -> QuerySet[Case]:
    """Cases that `may_join` closes to the officer; a part of another query, so nothing is read first."""
    may_all = User.objects.filter(pk=officer_id, is_superuser=True)
    own = Group.objects.filter(user=officer_id)
    return Case.objects.exclude(group=None).exclude(group__in=own).exclude(Exists(may_all))


def document_for(*, user: User, document_id: UUID) -> Document:
    """One of the user's own documents, not withdrawn; raises Document.DoesNotExist otherwise."""
    shown = Document.objects.exclude(state=Document.State.WITHDRAWN).select_related("application")
    return shown.get(pk=document_id, application__user=user)
