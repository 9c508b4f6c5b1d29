"""What the first page of the back office says of the newest proof of reserve."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User
from agora.overview import Figure, figures
from tests.people import new_officer
from tests.reserving import a_stored_snapshot, with_signature

pytestmark = pytest.mark.django_db


def shown() -> Figure:
    officer: User = new_officer("view_reservesnapshot")
    (figure,) = figures(officer, timezone.now())
    return figure


def test_none_yet_is_no_alarm() -> None:
    figure = shown()

    assert (figure.value, str(figure.words)) == ("–", "No proof of reserve yet.")
    assert figure.good


def test_it_says_in_words_that_everything_is_there_and_whether_it_is_signed() -> None:
    snapshot = a_stored_snapshot()
    figure = shown()
    assert figure.value == f"{snapshot.built_at:%Y-%m-%d}"
    assert str(figure.words) == "accounts for everything, not signed yet"

    with_signature(snapshot)

    assert str(shown().words) == "accounts for everything, signed"


def test_what_nothing_explains_is_an_alarm() -> None:
    a_stored_snapshot(difference=Decimal(3), breaks=2)
    figure = shown()

    assert not figure.good
    assert str(figure.words) == "differences that nothing explains: 2"
