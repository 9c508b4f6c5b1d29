"""What the first page of the back office says of the newest proof of reserve."""

import pytest
from django.utils import timezone

from accounts.models import User
from agora.overview import Figure, figures
from compliance import four_eyes
from compliance.reserves import sign_off
from tests.people import new_officer
from tests.reserving import a_signer, a_snapshot

pytestmark = pytest.mark.django_db


def shown() -> Figure:
    officer: User = new_officer("view_reservesnapshot")
    (figure,) = figures(officer, timezone.now())
    return figure


def test_none_yet_is_no_alarm() -> None:
    figure = shown()

    assert (figure.value, str(figure.words)) == ("–", "No proof of reserve yet.")
    assert figure.good


def test_it_says_in_words_that_everything_is_there_and_whether_it_is_signed(
    sandbox: object, chain: object
) -> None:
    snapshot = a_snapshot()
    figure = shown()
    assert figure.value == f"{snapshot.built_at:%Y-%m-%d}"
    assert str(figure.words) == "accounts for everything, not signed yet"

    proposal = sign_off.propose(
        snapshot_id=snapshot.pk, reason="Compared.", maker=a_signer(), now=timezone.now()
    )
    four_eyes.approve(proposal_id=proposal.pk, checker=a_signer(), now=timezone.now())

    assert str(shown().words) == "accounts for everything, signed"
