"""Two officers propose to dismiss the same match at the same moment: one proposal, decided once."""

import pytest
from django.utils import timezone

from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from kyc import holds, screening
from kyc.models import ScreeningMatch
from tests.kyc import casework
from tests.kyc.casework import officer
from tests.people import onboarded
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 4


@pytest.fixture
def match() -> ScreeningMatch:
    return casework.a_match(onboarded().kyc_application, by=ScreeningMatch.By.IDENTIFIER)


def test_of_many_proposals_one_is_stored(match: ScreeningMatch) -> None:
    officers = [officer("kyc.review_match") for _ in range(TIMES)]

    answers = at_once(TIMES, lambda number: casework.dismissal_proposed(match, officers[number]))

    assert [one for one in answers if isinstance(one, Proposal)] == [Proposal.objects.get()]
    refused = [one.code for one in answers if isinstance(one, Refused)]
    assert refused == ["already_proposed"] * (TIMES - 1)
    assert holds.is_held(match.application_id)


def test_confirmed_and_dismissed_at_once_it_is_one_of_them(match: ScreeningMatch) -> None:
    proposal = casework.dismissal_proposed(match)
    checker, other = officer(), officer("kyc.review_match")

    def act(number: int) -> object:
        now = timezone.now()
        if number:
            return four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=now)
        return screening.confirm(match_id=match.pk, officer=other, reason="Same.", now=now)

    answers = at_once(2, act)

    done = [one for one in answers if not isinstance(one, Exception)]
    codes = [one.code for one in answers if isinstance(one, Refused)]
    assert (len(done), codes) == (1, ["decided"]), answers
    match.refresh_from_db()
    assert holds.is_held(match.application_id) == (match.state == "CONFIRMED")
    actions = ["screening.confirmed", "screening.dismissed"]
    assert AuditRow.objects.filter(action__in=actions).count() == 1
