"""Officers who have a case of their own are not told of it by a count either."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from agora.overview import figures
from compliance.models import Proposal
from kyc import corrections
from kyc.admin.corrections import waiting_count as corrections_waiting
from kyc.admin.screening import waiting_count
from kyc.models import Application, Case
from tests.kyc import casework
from tests.people import TOTP_SECRET, onboarded

pytestmark = pytest.mark.django_db


def offers_review(browser: Client, application: Application) -> bool:
    page = reverse("admin:kyc_application_change", args=[application.pk])
    return reverse("admin:kyc_application_review", args=[application.pk]) in browser.get(page).text


def test_a_review_of_oneself_is_never_offered_whether_there_is_a_case_or_not(
    client: Client,
) -> None:
    own, other = onboarded(), onboarded()
    User.objects.filter(pk=own.pk).update(is_staff=True)
    add_authenticator_app(user=own, secret=TOTP_SECRET)
    casework.allow(own, *casework.WORKS)
    client.force_login(User.objects.get(pk=own.pk))

    assert offers_review(client, other.kyc_application)
    assert not offers_review(client, own.kyc_application)


def waiting(officer: User) -> str:
    cases, *_others = figures(officer, timezone.now())
    return str(cases.value)


def counted(count: Callable[[HttpRequest], str], officer: User) -> str:
    request = RequestFactory().get("/admin/")
    request.user = officer
    return count(request)


def counts(officer: User) -> tuple[str, str, str]:
    """Cases of the first page, matches and corrections of the menu."""
    return (
        waiting(officer),
        counted(waiting_count, officer),
        counted(corrections_waiting, officer),
    )


def test_the_counts_leave_out_one_s_own() -> None:
    case = casework.applied()
    casework.a_match(case.application)
    person = case.application.user
    corrections.ask(
        user=person, full_name="Another Name", tax_id="", reason="A slip.", now=timezone.now()
    )
    casework.allow(person, "kyc.view_case")
    person = User.objects.get(pk=person.pk)

    assert counts(casework.officer()) == ("1", "1", "1")
    assert counts(person) == ("0", "", "")
    assert Case.objects.count() == 1


def unmarked(object_type: str, object_id: object, **changes: object) -> Proposal:
    """A proposal as it was stored before subjects were."""
    now = timezone.now()
    told: dict[str, Any] = {"kind": "kyc.approve", "maker_id": uuid4(), **changes}
    return Proposal.objects.create(
        object_type=object_type,
        object_id=str(object_id),
        reason="Seen.",
        proposed_at=now,
        expires_at=now + timedelta(days=1),
        **told,
    )


def test_older_proposals_get_the_person_whom_they_are_about() -> None:
    case = casework.applied()
    match = casework.a_match(case.application)
    person = case.application.user_id
    decided = unmarked("kyc_case", case.pk, kind="kyc.reject")
    Proposal.objects.filter(pk=decided.pk).update(
        state="APPROVED", checker_id=uuid4(), decided_at=timezone.now()
    )
    theirs = [
        unmarked("kyc_case", case.pk),
        decided,
        unmarked("kyc_application", case.application_id),
        unmarked("screening_match", match.pk),
        unmarked("user", person),
    ]
    others = [
        unmarked("tier", 1),
        unmarked("kyc_case", uuid4()),
        unmarked("user", person, maker_id=person, kind="accounts.role"),
    ]
    migration = import_module("kyc.migrations.0012_subjects_of_proposals")

    with connection.cursor() as cursor:
        cursor.execute(migration.NAME_SUBJECTS)

    def subjects(proposals: list[Proposal]) -> set[UUID | None]:
        kept = Proposal.objects.filter(pk__in=[each.pk for each in proposals])
        return set(kept.values_list("subject_id", flat=True))

    assert subjects(theirs) == {person}
    assert subjects(others) == {None}
    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        Proposal.objects.filter(pk=theirs[0].pk).update(subject_id=uuid4())
