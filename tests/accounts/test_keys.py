"""Each person has one data key; once destroyed, it never comes back (ADR 0012)."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection

from accounts.keys import key_for, shred
from accounts.models import PersonKey, User
from agora.lib.crypto import Place, Shredded, Undecryptable, decrypt, encrypt
from tests.people import new_user

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PLACE: Place = {"table": "people", "column": "name", "row": 1}

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    return new_user()


def test_a_person_keeps_the_key_that_the_first_use_made(person: User) -> None:
    assert key_for(person.pk) == key_for(person.pk)
    assert PersonKey.objects.filter(user=person).count() == 1


def test_no_two_people_share_a_key(person: User) -> None:
    assert key_for(person.pk).secret != key_for(new_user().pk).secret


def test_a_key_moved_to_another_person_does_not_open(person: User) -> None:
    other = new_user()
    key_for(person.pk)
    key_for(other.pk)
    moved = PersonKey.objects.get(user=other).sealed
    PersonKey.objects.filter(user=person).update(sealed=moved)

    with pytest.raises(Undecryptable):
        key_for(person.pk)


def test_nothing_is_sealed_or_opened_with_a_destroyed_key(person: User) -> None:
    encrypt("Ana", **PLACE, key=key_for(person.pk))
    shred(user_id=person.pk, now=NOW)

    with pytest.raises(Shredded):
        key_for(person.pk)
    row = PersonKey.objects.get(user=person)
    assert (bytes(row.sealed), row.shredded_at) == (b"", NOW)


def test_destroying_twice_keeps_the_first_time(person: User) -> None:
    shred(user_id=person.pk, now=NOW)
    shred(user_id=person.pk, now=datetime(2030, 1, 1, tzinfo=UTC))

    assert PersonKey.objects.get(user=person).shredded_at == NOW


def test_a_person_destroyed_before_the_first_use_gets_no_key_later(person: User) -> None:
    shred(user_id=person.pk, now=NOW)

    with pytest.raises(Shredded):
        key_for(person.pk)


def test_what_was_sealed_for_a_destroyed_key_opens_with_no_other(person: User) -> None:
    data = encrypt("Ana", **PLACE, key=key_for(person.pk))
    shred(user_id=person.pk, now=NOW)

    for key in (None, key_for(new_user().pk)):
        with pytest.raises(Undecryptable):
            decrypt(data, **PLACE, key=key)


@pytest.mark.parametrize(
    "change", ["sealed = ''", "shredded_at = now()", "sealed = 'x', shredded_at = now()"]
)
def test_the_database_lets_a_key_be_either_whole_or_destroyed(person: User, change: str) -> None:
    key_for(person.pk)

    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE accounts_personkey SET {change} WHERE user_id = %s",
            [person.pk],
        )
