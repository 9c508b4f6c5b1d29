"""Officers at the same case at the same moment."""

import threading
from datetime import datetime

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Notice, User
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases
from kyc.cases import queue
from kyc.models import Application, Case, CaseEvent
from kyc.states import State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import application, fresh, officer
from tests.threads import at_once

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


def test_an_approval_waits_for_a_match_that_is_just_being_stored() -> None:
    """Whoever holds the application first is seen by the other: no approval passes a match unseen."""
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    checker = officer()
    matching, waiting = threading.Event(), threading.Event()

    def screen(now: datetime) -> None:
        with transaction.atomic():
            cases.open_for_match(
                application=Application.objects.get(pk=case.application_id), now=now
            )
            matching.set()
            waiting.wait(timeout=20)

    def act(number: int) -> None:
        if number == 0:
            screen(timezone.now())
            return
        matching.wait(timeout=20)
        approving = threading.Thread(target=_approve, args=(proposal, checker))
        approving.start()
        _until_somebody_waits()
        assert application(case).tier_id == 1
        waiting.set()
        approving.join()

    errors = [answer for answer in at_once(2, act) if isinstance(answer, Exception)]

    assert errors == []
    kinds = list(case.events.values_list("kind", flat=True))
    assert kinds[-2:] == ["MATCHED", "APPROVED"]


def _approve(proposal: Proposal, checker: User) -> None:
    try:
        four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())
    finally:
        connection.close()


def _until_somebody_waits() -> None:
    """Return once a connection of this database waits for a lock."""
    sql = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    for _ in range(2000):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    raise TimeoutError("Nobody waits.")
