"""Trees of holders that are built at once with others, or with the erasure of somebody in them."""

from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from compliance import audit
from compliance.models import ErasureRequest, LiabilityNonce
from compliance.personal_data import erasure
from compliance.reserves import liabilities
from compliance.reserves.liabilities import Holder, Root
from tests.people import new_address, new_user
from tests.threads import after

pytestmark = pytest.mark.django_db(transaction=True)


def built(*holders: Holder) -> Root:
    return liabilities.build(holders=holders, snapshot_id=uuid4(), now=timezone.now())


def erased(user: User) -> ErasureRequest | None:
    """Somebody without anything that the law has Agora keep is erased when the account is closed."""
    now = timezone.now()
    asked = erasure.request(user=user, actor=audit.actor_of(user), now=now)
    ErasureRequest.objects.update(execute_after=now, next_attempt_at=now)
    return erasure.step(request_id=asked.pk, now=now)


def test_who_is_erased_while_their_tree_is_built_leaves_no_nonce() -> None:
    person = new_user()
    holder = Holder(new_address(), person.pk, 1)

    answers = after(lambda: built(holder), lambda: erased(person))

    assert [type(answer) for answer in answers] == [Root, ErasureRequest]
    assert ErasureRequest.objects.get().state == "ERASED"
    assert not LiabilityNonce.objects.exists()


def test_a_tree_of_holders_read_before_an_erasure_does_not_name_the_erased() -> None:
    person = new_user()
    holder, other = Holder(new_address(), person.pk, 1), Holder(new_address(), uuid4(), 1)
    built(holder)

    answers = after(lambda: erased(person), lambda: built(holder, other))

    assert [type(answer) for answer in answers] == [ErasureRequest, Root]
    owners = set(LiabilityNonce.objects.values_list("user_id", flat=True))
    assert owners == {None, other.user_id}


def test_a_tree_waits_for_another_however_long_that_takes() -> None:
    def impatient() -> Root:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 1")
        return built(Holder(new_address(), None, 1))

    answers = after(lambda: built(Holder(new_address(), None, 1)), impatient)

    assert [type(answer) for answer in answers] == [Root, Root]
