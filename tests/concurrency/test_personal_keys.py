"""Whoever needs a person's key first makes it, and all get the same one."""

import pytest
from django.db import transaction

from accounts.keys import key_for
from accounts.models import PersonKey
from agora.lib.crypto import DataKey
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_first_uses_at_once_get_one_key() -> None:
    person = new_user().pk

    def use(_: int) -> DataKey:
        with transaction.atomic():
            return key_for(person)

    keys = at_once(8, use)

    assert all(isinstance(key, DataKey) for key in keys)
    assert len(set(keys)) == 1
    assert PersonKey.objects.filter(pk=person).count() == 1
