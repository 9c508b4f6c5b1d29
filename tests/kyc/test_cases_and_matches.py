"""No match on a list is left without two people who decide what follows from it (ID-2)."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases, screening
from kyc.models import Application, Case, ScreeningMatch
from kyc.screening import lists
from kyc.states import State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import a_match, officer

pytestmark = pytest.mark.django_db
Status = Application.Status
Match = ScreeningMatch.State


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


# Nothing is approved that was not looked up


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, check=lambda error: error.code == code)


def load(tmp_path: Path, *names: str) -> None:
    """A list of these persons takes the place of the one before."""
    columns = "id,schema,name,aliases,birth_date,countries,identifiers,sanctions,dataset"
    rows = [f"x-{n},Person,{name},,,,,Invented programme,Test" for n, name in enumerate(names)]
    path = tmp_path / "targets.simple.csv"
    path.write_text("\n".join([columns, *rows, ""]))
    lists.load(path=path, name="default", actor="system:test", now=timezone.now(), force=True)


def look_up(person: Application) -> None:
    with transaction.atomic():
        screening.screen(application=person, now=timezone.now())


def todo(case: Case) -> set[str]:
    return {item.code for item in cases.requirements(case) if not item.done}


def test_who_applies_again_after_a_rejection_is_looked_up(tmp_path: Path) -> None:
    person = casework.with_documents(people.onboarded())
    Application.objects.filter(user=person).update(
        status=Status.REJECTED, decided_at=timezone.now()
    )
    load(tmp_path, "Person of a Test")

    case = cases.hand_in(user=person, now=timezone.now())

    assert case.cause == Case.Cause.AGAIN
    assert [match.state for match in case.application.matches.all()] == [Match.OPEN]
    assert "MATCHES" in todo(case)


def test_nothing_is_approved_before_the_person_was_looked_up_in_the_newest_list(
    tmp_path: Path,
) -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.select_related("application").get(pk=proposal.object_id)
    assert not todo(case)
    load(tmp_path, "Zoltan Invented")

    with refused("actions_open") as caught:
        casework.approve(proposal, officer())
    assert "Looked up in the lists of today" in str(caught.value)

    look_up(case.application)
    casework.approve(proposal, officer())
    assert casework.application(case).tier_id == 2


def test_a_suspension_does_not_end_before_the_person_was_looked_up(tmp_path: Path) -> None:
    person = people.onboarded().kyc_application
    Application.objects.update(status=Status.SUSPENDED)
    load(tmp_path, "Zoltan Invented")
    chief = officer(*casework.LEADS)

    def propose() -> Proposal:
        return cases.propose_reinstatement(
            application=person, officer=chief, reason="Clear.", now=timezone.now()
        )

    with refused("actions_open"):
        propose()
    look_up(person)
    assert propose().kind == "kyc.reinstate"


def test_where_lists_are_required_nothing_is_approved_without_one(settings: Settings) -> None:
    case = casework.applied()
    assert "LOOK_UP" not in {item.code for item in cases.requirements(case)}

    settings.SCREENING_REQUIRED = True

    assert "LOOK_UP" in todo(case)


# A decided match is decided anew


def proposed_anew(match: ScreeningMatch, by: User | None = None) -> Proposal:
    return screening.propose_reopening(
        match_id=match.pk,
        officer=by or officer("kyc.review_match"),
        reason="The birth year was misread.",
        now=timezone.now(),
    )


@pytest.mark.parametrize("decided", [Match.CONFIRMED, Match.DISMISSED])
def test_two_people_open_a_decided_match_again_and_a_case_for_it(decided: Match) -> None:
    person = people.onboarded().kyc_application
    match = a_match(person)
    decide(match, decided)
    if found := open_case_of(person):
        cases.end_with_account(user=person.user, now=timezone.now())
        assert found != open_case_of(person)
    checker = officer()

    casework.approve(proposed_anew(match), checker)

    match.refresh_from_db()
    assert (match.state, match.reason, match.decided_by) == (Match.OPEN, "", None)
    opened = open_case_of(person)
    assert opened is not None
    assert "MATCHES" in todo(opened)
    last = audit.history(object_type="kyc_application", object_id=str(person.pk))[-1]
    assert (last.action, last.actor) == ("screening.reopened", f"user:{checker.pk}")


def test_of_a_closed_account_a_match_is_kept_and_no_case_is_opened() -> None:
    person = people.onboarded().kyc_application
    match = a_match(person)
    User.objects.filter(pk=person.user_id).update(is_active=False)

    decide(match, Match.CONFIRMED)
    casework.approve(proposed_anew(match), officer())

    match.refresh_from_db()
    assert match.state == Match.OPEN
    assert not Case.objects.exists()


def test_a_mistaken_confirmation_does_not_bar_for_ever() -> None:
    person = people.onboarded().kyc_application
    match = a_match(person)
    decide(match, Match.CONFIRMED)
    Application.objects.update(status=Status.SUSPENDED)

    casework.approve(proposed_anew(match), officer())
    decide(match, Match.DISMISSED)

    back = cases.propose_reinstatement(
        application=person,
        officer=officer(*casework.LEADS),
        reason="Another person.",
        now=timezone.now(),
    )
    casework.approve(back, officer())
    person.refresh_from_db()
    assert person.is_approved


def test_deciding_anew_takes_a_decided_match_and_who_may_decide_it() -> None:
    person = people.onboarded().kyc_application
    match = a_match(person)
    with refused("not_now"):
        proposed_anew(match)
    decide(match, Match.DISMISSED)
    with pytest.raises(PermissionDenied):
        proposed_anew(match, officer(*casework.LOOKS))

    mine = officer(*casework.WORKS, "kyc.review_match")
    proposal = proposed_anew(match, mine)

    with refused("same_person"):
        casework.approve(proposal, mine)
    match.refresh_from_db()
    assert match.state == Match.DISMISSED


def test_a_match_decided_anew_meanwhile_is_not_opened_by_the_older_proposal() -> None:
    match = a_match(people.onboarded().kyc_application)
    decide(match, Match.DISMISSED)
    proposal = proposed_anew(match)
    ScreeningMatch.objects.update(decided_at=timezone.now() + timedelta(minutes=1))

    with refused("changed"):
        casework.approve(proposal, officer())


def test_the_second_person_reads_what_was_decided_about_whom() -> None:
    person = people.onboarded().kyc_application
    match = a_match(person)
    decide(match, Match.CONFIRMED)

    lines = four_eyes.kind_of("kyc.reopen_match").lines(proposed_anew(match))

    told = {str(name): str(value) for name, value in lines}
    assert told["Person"] == person.user.email
    assert told["Decided until now"] == "It is the same person"
    assert told["Under sanctions"] == "yes"
