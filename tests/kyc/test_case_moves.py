"""Every move of a case is made by a service and leaves exactly one row of the case's trail (ID-2)."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.models import User
from compliance import audit
from kyc import cases
from kyc.cases.deciding import open_proposal
from kyc.models import Case
from kyc.states import MOVES, State
from tests.kyc import casework
from tests.kyc.casework import fresh, officer

pytestmark = pytest.mark.django_db


def pending() -> tuple[Case, User]:
    return casework.applied(), officer()


def reviewed() -> tuple[Case, User]:
    mine = officer()
    return casework.taken(mine), mine


def asked() -> tuple[Case, User]:
    case, mine = reviewed()
    ask(case, mine)
    return fresh(case), mine


def escalated() -> tuple[Case, User]:
    case, mine = reviewed()
    escalate(case, mine)
    return fresh(case), mine


def proposed() -> tuple[Case, User]:
    mine = officer()
    proposal = casework.approval_proposed(mine)
    return Case.objects.get(pk=proposal.object_id), mine


def rejection_proposed() -> tuple[Case, User]:
    case, mine = reviewed()
    propose_rejection(case, mine)
    return fresh(case), mine


def take(case: Case, by: User) -> None:
    cases.take(case_id=case.pk, officer=by, version=case.version, now=timezone.now())


def release(case: Case, by: User) -> None:
    cases.release(case_id=case.pk, officer=by, version=case.version, now=timezone.now())


def ask(case: Case, by: User) -> None:
    cases.ask(
        case_id=case.pk,
        officer=by,
        needs=["ANSWER"],
        text="Why?",
        version=case.version,
        now=timezone.now(),
    )


def answer(case: Case, _by: User) -> None:
    cases.hand_in(user=case.application.user, answer="Because.", now=timezone.now())


def escalate(case: Case, by: User) -> None:
    group = casework.team()
    by.groups.add(group)
    cases.escalate(
        case_id=case.pk,
        officer=by,
        group=group,
        text="Odd.",
        version=case.version,
        now=timezone.now(),
    )


def propose_rejection(case: Case, by: User) -> None:
    casework.rejection_proposed(by, case)


def take_back(case: Case, by: User) -> None:
    cases.take_back(case_id=case.pk, officer=by, now=timezone.now())


def approve(case: Case, _by: User) -> None:
    proposal = open_proposal(case.pk)
    assert proposal is not None
    casework.approve(proposal, officer())


def close_account(case: Case, _by: User) -> None:
    cases.end_with_account(user=case.application.user, now=timezone.now())


# How a case gets into the first state, and into the second one from there.
Way = tuple[Callable[[], tuple[Case, User]], Callable[[Case, User], None]]
WAYS: dict[tuple[str, str], Way] = {
    (State.PENDING, State.UNDER_REVIEW): (pending, take),
    (State.PENDING, State.ENDED): (pending, close_account),
    (State.UNDER_REVIEW, State.PENDING): (reviewed, release),
    (State.UNDER_REVIEW, State.INFO_REQUESTED): (reviewed, ask),
    (State.UNDER_REVIEW, State.ESCALATED): (reviewed, escalate),
    (State.UNDER_REVIEW, State.AWAITING_SECOND): (reviewed, propose_rejection),
    (State.UNDER_REVIEW, State.ENDED): (reviewed, close_account),
    (State.INFO_REQUESTED, State.PENDING): (asked, answer),
    (State.INFO_REQUESTED, State.UNDER_REVIEW): (asked, take),
    (State.INFO_REQUESTED, State.ENDED): (asked, close_account),
    (State.ESCALATED, State.UNDER_REVIEW): (escalated, take),
    (State.ESCALATED, State.ENDED): (escalated, close_account),
    (State.AWAITING_SECOND, State.UNDER_REVIEW): (proposed, take_back),
    (State.AWAITING_SECOND, State.APPROVED): (proposed, approve),
    (State.AWAITING_SECOND, State.REJECTED): (rejection_proposed, approve),
    (State.AWAITING_SECOND, State.ENDED): (proposed, close_account),
}


def trail(case: Case) -> list[dict[str, object]]:
    """The evidence of what happened to the case itself; proposals about it have rows of their own."""
    rows = audit.history(object_type="kyc_case", object_id=str(case.pk))
    return [row.evidence for row in rows if row.action.startswith("kyc.case.")]


def test_there_is_a_way_for_every_move() -> None:
    assert set(WAYS) == set(MOVES.pairs)


@pytest.mark.parametrize(("old", "new"), MOVES.pairs)
def test_a_move_is_stored_with_one_event_and_one_trail_row(old: str, new: str) -> None:
    begin, act = WAYS[old, new]
    case, by = begin()
    assert case.state == old
    rows, events = len(trail(case)), case.events.count()

    act(case, by)

    after = fresh(case)
    assert (after.state, after.version) == (new, case.version + 1)
    assert (after.closed_at is None) == (new not in MOVES.terminal)
    told = trail(case)
    assert len(told) == rows + 1
    # In a row of the person's own, which they may read, the state is left out.
    assert told[-1].get("state") == (None if act is answer else new)
    assert case.events.count() == events + 1
