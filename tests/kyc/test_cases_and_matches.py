"""No match on a list is left without two people who decide what follows from it (ID-2)."""

import pytest
from django.utils import timezone

from accounts.models import User
from kyc import cases, screening
from kyc.models import Application, Case, ScreeningMatch
from kyc.states import State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import a_match, officer

pytestmark = pytest.mark.django_db
Status, Match = Application.Status, ScreeningMatch.State


def decide(match: ScreeningMatch, state: Match, by: User | None = None) -> None:
    """An officer says who it is."""
    service = screening.confirm if state == Match.CONFIRMED else screening.dismiss
    service(
        match_id=match.pk,
        officer=by or officer("kyc.review_match"),
        reason="Birth years compared.",
        now=timezone.now(),
    )


def open_case_of(person: Application) -> Case | None:
    return Case.objects.filter(application=person, closed_at=None).first()


@pytest.mark.parametrize(
    ("decided", "is_sanctioned", "goes_on"),
    [
        (None, True, True),
        (None, False, True),
        (Match.CONFIRMED, True, True),
        (Match.DISMISSED, True, False),
    ],
)
def test_a_rejection_for_another_reason_leaves_no_match_without_a_case(
    decided: Match | None, is_sanctioned: bool, goes_on: bool
) -> None:
    mine = officer()
    case = casework.taken(mine)
    match = a_match(case.application, is_sanctioned=is_sanctioned)
    if decided:
        decide(match, decided)

    casework.approve(casework.rejection_proposed(mine, case, "UNREADABLE"), officer())

    found = open_case_of(case.application)
    assert (found is not None) == goes_on
    if found is not None:
        assert (found.cause, found.state) == (Case.Cause.SCREENING, State.PENDING)
        stands = cases.standing(user=case.application.user, now=timezone.now())
        assert stands is not None
        assert stands.code == "rejected"  # of the new one the person learns nothing


def test_no_case_is_opened_about_who_is_suspended_by_the_rejection() -> None:
    mine = officer()
    case = casework.taken(mine)
    decide(a_match(case.application), Match.CONFIRMED)

    casework.approve(casework.rejection_proposed(mine, case, "RISK_CONFIRMED"), officer())

    assert casework.application(case).status == Status.SUSPENDED
    assert open_case_of(case.application) is None


@pytest.mark.parametrize("is_sanctioned", [True, False])
def test_confirming_a_match_that_no_case_is_about_opens_one(is_sanctioned: bool) -> None:
    person = people.onboarded().kyc_application

    decide(a_match(person, is_sanctioned=is_sanctioned), Match.CONFIRMED)

    found = open_case_of(person)
    assert found is not None
    assert found.cause == Case.Cause.SCREENING


def test_confirming_a_match_in_a_case_opens_no_other() -> None:
    case = casework.applied()

    decide(a_match(case.application), Match.CONFIRMED)

    assert Case.objects.get() == case


@pytest.mark.parametrize("status", [Status.REJECTED, Status.SUSPENDED])
def test_a_confirmed_match_of_who_cannot_buy_opens_nothing(status: Status) -> None:
    person = people.onboarded().kyc_application
    Application.objects.update(status=status)

    decide(a_match(person), Match.CONFIRMED)

    assert not Case.objects.exists()
