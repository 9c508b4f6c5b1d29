"""Officers at the same case at the same moment."""

import threading

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Notice
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases, corrections
from kyc.cases import queue
from kyc.models import Case, CaseEvent, Correction
from kyc.states import State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import application, fresh, officer
from tests.threads import after, at_once, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)
OFFICERS = 6


def test_officers_who_take_the_next_case_at_once_never_get_the_same() -> None:
    for _ in range(OFFICERS):
        casework.applied()
    officers = [officer() for _ in range(OFFICERS)]

    taken = at_once(OFFICERS, lambda n: cases.take_next(officer=officers[n], now=timezone.now()))

    assert {case.pk for case in taken if isinstance(case, Case)} == set(
        Case.objects.values_list("pk", flat=True)
    )
    assert CaseEvent.objects.filter(kind=CaseEvent.Kind.TAKEN).count() == OFFICERS


def test_one_case_goes_to_one_of_many_officers() -> None:
    case = casework.applied()
    officers = [officer() for _ in range(OFFICERS)]

    taken = at_once(OFFICERS, lambda n: cases.take_next(officer=officers[n], now=timezone.now()))

    assert sum(isinstance(one, Case) for one in taken) == 1
    assert fresh(case).assigned_to in officers


def test_without_the_row_lock_one_case_goes_to_several() -> None:
    """The control: what the lock is for."""
    case = casework.applied()
    officers = [officer() for _ in range(2)]
    both_have_read = threading.Barrier(2, timeout=20)

    def careless(number: int) -> bool:
        with transaction.atomic():
            found = queue.waiting_for(officer=officers[number], now=timezone.now()).first()
            both_have_read.wait()
            assert found is not None
            return bool(
                Case.objects.filter(pk=found.pk).update(
                    state=State.UNDER_REVIEW, assigned_to=officers[number]
                )
            )

    assert at_once(2, careless) == [True, True]
    assert fresh(case).state == State.UNDER_REVIEW


def test_of_two_actions_on_the_same_version_one_is_refused() -> None:
    mine = officer()
    case = casework.taken(mine)

    answers = at_once(
        2,
        lambda n: cases.note(
            case_id=case.pk,
            officer=mine,
            text=f"Note {n}",
            version=case.version,
            now=timezone.now(),
        ),
    )

    codes = [answer.code for answer in answers if isinstance(answer, cases.CaseError)]
    assert codes == ["stale"]
    assert case.events.filter(kind=CaseEvent.Kind.NOTED).count() == 1


def test_two_approvals_at_once_take_effect_once() -> None:
    proposal = casework.approval_proposed(officer())
    checkers = [officer(), officer()]

    answers = at_once(2, lambda n: casework.approve(proposal, checkers[n]))

    assert [answer.code for answer in answers if isinstance(answer, Refused)] == ["decided"]
    case = Case.objects.get(pk=proposal.object_id)
    assert case.events.filter(kind=CaseEvent.Kind.APPROVED).count() == 1
    assert Notice.objects.filter(kind="verification-approved").count() == 1


def test_an_approval_and_its_withdrawal_at_once_leave_one_of_both() -> None:
    mine, second = officer(), officer()
    proposal = casework.approval_proposed(mine)
    case = Case.objects.get(pk=proposal.object_id)

    def act(number: int) -> None:
        if number:
            casework.approve(proposal, second)
        else:
            cases.take_back(case_id=case.pk, officer=mine, now=timezone.now())

    answers = at_once(2, act)

    assert sum(isinstance(answer, Refused) for answer in answers) == 1
    ended = Proposal.objects.get(pk=proposal.pk).state
    expected = State.APPROVED if ended == Proposal.State.APPROVED else State.UNDER_REVIEW
    assert fresh(case).state == expected
    assert application(case).tier_id == (2 if expected == State.APPROVED else 1)


def test_handing_in_twice_at_once_opens_one_case() -> None:
    casework.second_tier()
    person = casework.with_documents(people.onboarded())

    answers = at_once(4, lambda _: cases.hand_in(user=person, now=timezone.now()))

    assert sum(isinstance(answer, Case) for answer in answers) == 1
    assert Case.objects.count() == 1


def test_an_approval_waits_for_a_match_that_is_just_being_stored_and_fails_by_it() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    checker = officer()
    matched, seen_waiting = threading.Event(), threading.Event()

    def screen() -> None:
        with transaction.atomic():
            casework.a_match(case.application)
            cases.open_for_match(application=case.application, now=timezone.now())
            matched.set()
            seen_waiting.wait(timeout=20)

    def act(number: int) -> None:
        if number == 0:
            screen()
        elif number == 1:
            matched.wait(timeout=20)
            casework.approve(proposal, checker)
        else:
            matched.wait(timeout=20)
            until_somebody_waits()
            seen_waiting.set()

    answers = at_once(3, act)

    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert [getattr(error, "code", error) for error in errors] == ["actions_open"]
    assert application(case).tier_id == 1
    assert fresh(case).state == State.AWAITING_SECOND


def test_what_waits_for_an_approval_finds_the_person_in_their_new_tier() -> None:
    proposal, second = casework.approval_proposed(officer()), officer()
    person = Case.objects.get(pk=proposal.object_id).application.user

    _approved, asked = after(
        lambda: casework.approve(proposal, second),
        lambda: corrections.ask(
            user=person, full_name="Another Name", tax_id="", reason="A slip.", now=timezone.now()
        ),
    )

    assert isinstance(asked, Correction), asked
    assert asked.application.tier_id == 2


def test_who_takes_a_case_that_an_application_is_just_joining_is_told_that_it_changed() -> None:
    casework.second_tier()
    person, mine = casework.with_documents(people.onboarded()), officer()
    case = cases.open_for_officer(
        application=person.kyc_application, officer=mine, reason="A hint.", now=timezone.now()
    )

    _joined, refused = after(
        lambda: cases.hand_in(user=person, now=timezone.now()),
        lambda: cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now()),
    )

    assert isinstance(refused, cases.CaseError), refused
    assert refused.code == "stale"
    assert fresh(case).tier_id == 2


def test_a_match_that_comes_after_the_approval_opens_a_case_of_its_own() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    casework.approve(proposal, officer())

    with transaction.atomic():
        casework.a_match(case.application)
        opened = cases.open_for_match(application=case.application, now=timezone.now())

    assert opened is not None
    assert (opened.pk != case.pk, opened.cause) == (True, Case.Cause.SCREENING)
