"""Several people decide the same proposal at the same moment: it takes effect once."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import AuditRow, Proposal
from kyc.models import DailyLimit
from tests.people import new_user, onboarded
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
OFFICERS = 6


def _effect(proposal: Proposal, now: datetime) -> None:
    limit = DailyLimit.objects.get()
    DailyLimit.objects.update(used_usd=limit.used_usd + 1)


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    four_eyes.register(
        Kind(
            name="test.count",
            title="Count",
            maker_permission="compliance.decide_proposal",
            check=lambda proposal: None,
            effect=_effect,
            lines=lambda proposal: [],
        )
    )
    yield
    four_eyes._kinds.pop("test.count")


def an_officer() -> User:
    user = new_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="decide_proposal"))
    return User.objects.get(pk=user.pk)


def a_proposal(maker: User) -> Proposal:
    return four_eyes.propose(
        kind="test.count",
        object_type="counter",
        object_id=1,
        payload={},
        reason="To see.",
        maker=maker,
        now=timezone.now(),
    )


def test_many_approvals_at_once_carry_it_out_once() -> None:
    onboarded()
    proposal = a_proposal(an_officer())
    officers = [an_officer() for _ in range(OFFICERS)]

    def approve(number: int) -> Proposal:
        return four_eyes.approve(
            proposal_id=proposal.pk, checker=officers[number], now=timezone.now()
        )

    answers = at_once(OFFICERS, approve)

    assert DailyLimit.objects.get().used_usd == 1
    assert sum(isinstance(answer, Proposal) for answer in answers) == 1
    assert sum(isinstance(answer, Refused) for answer in answers) == OFFICERS - 1
    assert AuditRow.objects.filter(action="proposal.approved").count() == 1


def test_many_proposals_at_once_of_the_same_leave_one() -> None:
    officers = [an_officer() for _ in range(OFFICERS)]

    answers = at_once(OFFICERS, lambda number: a_proposal(officers[number]))

    assert Proposal.objects.count() == 1
    assert sum(isinstance(answer, Refused) for answer in answers) == OFFICERS - 1
