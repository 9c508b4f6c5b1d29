"""Reviews that officers begin themselves, people who do not answer, and accounts that are closed."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Notice, User
from compliance.models import Proposal
from kyc import cases, erasure
from kyc.cases import CaseError, waiting
from kyc.models import Application, Case, CaseEvent
from kyc.selectors import is_approved
from kyc.states import Outcome, State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import fresh, officer

pytestmark = pytest.mark.django_db
Status = Application.Status


def refused(code: str) -> "pytest.RaisesExc[CaseError]":
    return pytest.raises(CaseError, check=lambda error: error.code == code)


def told(person: User) -> list[str]:
    return list(Notice.objects.filter(user=person).order_by("id").values_list("kind", flat=True))


# Asked, and silent


@pytest.fixture
def days(settings: Settings) -> None:
    settings.KYC_REMIND_DAYS, settings.KYC_NO_ANSWER_DAYS = 7, 30


def asked() -> Case:
    """A case that waits for the person since now."""
    mine = officer()
    return ask(casework.taken(mine), mine)


def ask(case: Case, by: User) -> Case:
    return cases.ask(
        case_id=case.pk,
        officer=by,
        needs=["ANSWER"],
        text="Where from?",
        version=case.version,
        now=timezone.now(),
    )


@pytest.mark.usefixtures("days")
def test_a_person_who_does_not_answer_is_reminded_once() -> None:
    case = asked()
    now = timezone.now()

    waiting.sweep(now=now + timedelta(days=6))
    assert told(case.application.user) == ["verification-asked"]
    waiting.sweep(now=now + timedelta(days=7))
    waiting.sweep(now=now + timedelta(days=8))

    assert sorted(told(case.application.user)) == ["verification-asked", "verification-reminded"]
    notice = Notice.objects.get(kind="verification-reminded")
    assert "An answer in your own words" in notice.text
    assert "Where from" not in notice.text
    assert fresh(case).state == State.INFO_REQUESTED
    assert case.events.filter(kind=CaseEvent.Kind.REMINDED).count() == 1


@pytest.mark.usefixtures("days")
def test_a_case_that_nobody_answers_is_its_officers_again_and_says_so() -> None:
    case = asked()
    later = timezone.now() + timedelta(days=30)

    waiting.sweep(now=later)
    waiting.sweep(now=later)

    case = fresh(case)
    assert (case.state, case.is_unanswered) == (State.PENDING, True)
    assert case.due_at == later + timedelta(hours=24)
    assert case.assigned_to is not None
    assert cases.take_next(officer=case.assigned_to, now=later) == case
    assert case.events.filter(kind=CaseEvent.Kind.UNANSWERED).count() == 1


@pytest.mark.usefixtures("days")
def test_who_has_answered_is_not_reminded() -> None:
    case = asked()
    now = timezone.now()
    cases.hand_in(user=case.application.user, answer="From work.", now=now)

    waiting.sweep(now=now + timedelta(days=40))

    assert told(case.application.user) == ["verification-asked"]
    assert not fresh(case).is_unanswered


@pytest.mark.usefixtures("days")
def test_asking_again_begins_anew() -> None:
    case = asked()
    mine = case.assigned_to
    assert mine is not None
    waiting.sweep(now=timezone.now() + timedelta(days=30))
    case = cases.take(
        case_id=case.pk, officer=mine, version=fresh(case).version, now=timezone.now()
    )

    case = ask(case, mine)

    assert (case.is_unanswered, case.reminded_at) == (False, None)
    waiting.sweep(now=timezone.now() + timedelta(days=6))
    assert told(case.application.user).count("verification-reminded") == 0


# Suspended


def test_a_suspended_person_answers_what_officers_ask_and_nothing_else() -> None:
    case = asked()
    person = case.application.user
    Application.objects.update(status=Status.SUSPENDED)
    now = timezone.now()

    stands = cases.standing(user=person, now=now)
    assert stands is not None
    assert (stands.code, stands.is_suspended, stands.may_hand_in) == ("needs_you", True, True)
    assert cases.hand_in(user=person, answer="From work.", now=now).state == State.PENDING

    stands = cases.standing(user=person, now=now)
    assert stands is not None
    assert (stands.code, stands.may_hand_in) == ("suspended", False)
    with refused("suspended"):
        cases.hand_in(user=person, answer="More.", now=now)


# Asked for by an officer


def review(person: User, by: User | None = None, reason: str = "Many wallets.") -> Case:
    return cases.open_for_officer(
        application=person.kyc_application,
        officer=by or officer(),
        reason=reason,
        now=timezone.now(),
    )


def test_an_officer_has_a_person_looked_at_who_learns_nothing_of_it() -> None:
    person, mine = people.onboarded(), officer()

    case = review(person, mine)

    assert (case.cause, case.state, case.tier_id) == (Case.Cause.OFFICER, State.PENDING, 1)
    opened = case.events.get()
    assert (opened.by, cases.text_of(opened)) == (mine, "Many wallets.")
    assert is_approved(person)
    stands = cases.standing(user=person, now=timezone.now())
    assert stands is not None
    assert stands.case is None
    assert not told(person)


def test_the_person_sees_it_only_while_something_is_needed_of_them() -> None:
    person, mine = people.onboarded(), officer()
    case = review(person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())

    ask(case, mine)

    stands = cases.standing(user=person, now=timezone.now())
    assert stands is not None
    assert (stands.code, stands.question) == ("needs_you", "Where from?")


def test_rejecting_such_a_case_suspends() -> None:
    person, mine = people.onboarded(), officer()
    case = review(person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())

    casework.approve(casework.rejection_proposed(mine, case, "OTHER"), officer())

    assert casework.application(case).status == Status.SUSPENDED
    assert told(person) == ["verification-suspended"]


def test_approving_such_a_case_changes_nothing_for_the_person() -> None:
    person, mine = people.onboarded(), officer()
    case = review(person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="VERIFIED",
        reason="All well.",
        version=case.version,
        now=timezone.now(),
    )

    casework.approve(proposal, officer())

    assert fresh(case).state == State.APPROVED
    assert is_approved(person)
    assert not told(person)


def before_a_list(settings: Settings) -> User:
    """Somebody who has applied while no list was loaded, and waits for one."""
    settings.SCREENING_REQUIRED = True
    person = people.onboarded()
    settings.SCREENING_REQUIRED = False
    assert person.kyc_application.status == Status.PENDING
    return person


def test_who_is_rejected_before_their_first_approval_reads_why_and_when_to_apply_again(
    settings: Settings,
) -> None:
    person, mine = before_a_list(settings), officer()
    case = review(person, mine)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())

    casework.approve(casework.rejection_proposed(mine, case), officer())

    assert casework.application(case).status == Status.REJECTED
    assert told(person) == ["verification-rejected"]
    stands = cases.standing(user=person, now=timezone.now())
    assert stands is not None
    assert (stands.code, stands.explanation) == ("rejected", "Your passport ran out in May.")
    assert stands.apply_from is not None


def test_who_is_approved_for_the_first_time_after_a_review_is_told(settings: Settings) -> None:
    person, mine = before_a_list(settings), officer()
    case = review(person, mine)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="VERIFIED",
        reason="All well.",
        version=case.version,
        now=timezone.now(),
    )

    casework.approve(proposal, officer())

    assert is_approved(person)
    assert told(person) == ["verification-approved"]


def test_a_review_needs_who_may_work_on_cases_a_reason_and_somebody_else() -> None:
    person = people.onboarded()
    with pytest.raises(PermissionDenied):
        review(person, officer(*casework.LOOKS))
    with refused("text_missing"):
        review(person, reason="  ")
    casework.allow(person, *casework.WORKS)
    with refused("own_case"):
        review(person, User.objects.get(pk=person.pk))
    assert not Case.objects.exists()


def test_no_review_is_opened_where_there_is_one_or_nothing_to_review() -> None:
    with refused("open_already"):
        review(casework.applied().application.user)
    rejected = people.onboarded()
    Application.objects.filter(user=rejected).update(status=Status.REJECTED)
    with refused("rejected"):
        review(rejected)
    closed = people.onboarded()
    User.objects.filter(pk=closed.pk).update(is_active=False)
    with refused("account_closed"):
        review(User.objects.get(pk=closed.pk))


# Closed accounts


def close(person: User) -> None:
    """As the closing of an account does it."""
    with transaction.atomic():
        erasure.hold(user=person)
        erasure.close(user=person, now=timezone.now())


def test_closing_an_account_ends_its_case_and_what_is_proposed_on_it() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)

    close(case.application.user)

    case = fresh(case)
    assert (case.state, case.outcome) == (State.ENDED, Outcome.ACCOUNT_CLOSED)
    assert case.closed_at is not None
    assert case.lock_until is None
    assert Proposal.objects.get(pk=proposal.pk).state == Proposal.State.EXPIRED
    assert casework.application(case).tier_id == 1


def test_the_queue_has_no_case_of_a_closed_account() -> None:
    case = casework.applied()

    close(case.application.user)

    assert cases.take_next(officer=officer(), now=timezone.now()) is None
    close(case.application.user)  # and a repeat changes nothing
    assert case.events.filter(kind=CaseEvent.Kind.ENDED).count() == 1


def test_an_account_without_a_case_is_closed_too() -> None:
    close(people.onboarded())

    assert not Case.objects.exists()
