"""Nobody's program stops because a token expired that its owner had forgotten (ID-1)."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import ApiToken, Notice, User
from accounts.token_expiry import remind
from accounts.token_store import issue_token, revoke_token
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SOON = timedelta(minutes=1)


@pytest.fixture
def person() -> User:
    return new_user(is_staff=True)


def a_token(person: User, *, days: int, scopes: tuple[str, ...] = ("read",)) -> ApiToken:
    """A token of so many days, issued now."""
    end = NOW + timedelta(days=days)
    token, _raw = issue_token(user=person, name="report", scopes=scopes, expires_at=end, now=NOW)
    return token


def days_told(person: User, *, end: datetime) -> list[int]:
    """How many days before the end the owner of a token is told, when it is looked every hour."""
    found: list[int] = []
    for hours in range((end - NOW) // timedelta(hours=1) + 24):
        now, before = NOW + timedelta(hours=hours), Notice.objects.filter(user=person).count()
        remind(now=now)
        if Notice.objects.filter(user=person).count() > before:
            found.append((end - now).days)
    return found


@pytest.mark.parametrize(("days", "told"), [(9, [7, 1]), (7, [1]), (2, [1]), (1, [])])
def test_its_owner_is_told_seven_days_and_one_day_before(
    person: User, days: int, told: list[int]
) -> None:
    a_token(person, days=days)

    assert days_told(person, end=NOW + timedelta(days=days)) == told


def test_the_notice_names_the_token_and_its_end_and_goes_by_e_mail(person: User) -> None:
    token = a_token(person, days=30)

    remind(now=NOW + timedelta(days=29) + SOON)

    notice = Notice.objects.get(user=person)
    assert notice.url == f"/account/tokens/{token.pk}/"
    assert "“report” works until 2026-12-20 12:00 UTC." in notice.text
    assert notice.next_attempt_at is not None


def test_of_a_token_that_was_missed_so_far_only_the_last_reminder_is_sent(person: User) -> None:
    a_token(person, days=30)

    for _run in range(2):
        remind(now=NOW + timedelta(days=29, hours=12))

    assert Notice.objects.filter(user=person).count() == 1


@pytest.mark.parametrize("gone", ["revoked", "expired", "closed"])
def test_nothing_is_told_of_what_has_ended(person: User, gone: str) -> None:
    token, late = a_token(person, days=30), NOW + timedelta(days=29) + SOON
    if gone == "revoked":
        revoke_token(user=person, token_id=token.pk, now=NOW)
    elif gone == "expired":
        late = NOW + timedelta(days=30)
    else:
        User.objects.filter(pk=person.pk).update(is_active=False)

    remind(now=late)

    assert not Notice.objects.filter(user=person).exists()
