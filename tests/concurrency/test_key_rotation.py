"""Keys are rotated while people replace their exchange keys and new people come."""

import base64
import secrets
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.keys import key_for
from compliance.personal_data import rotation
from copytrade.exchange.credentials import credentials_of
from copytrade.models import ExchangeAccount
from tests.copying import new_account
from tests.people import new_user
from tests.threads import at_once

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
PEOPLE, WRITERS, WRITES = 30, 3, 20

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_write_is_lost_and_nothing_stays_under_the_old_key(settings: Settings) -> None:
    settings.FIELD_KEYS = OLD
    accounts = [new_account(user=new_user()) for _ in range(PEOPLE)]
    for account in accounts:
        key_for(account.user_id)
    settings.FIELD_KEYS = f"{NEW},{OLD}"
    written: dict[UUID, str] = {}

    def work(number: int) -> None:
        if number == WRITERS:
            rotation.rotate(now=timezone.now(), batch=4)
            return
        for turn in range(WRITES):
            # Each writer has accounts of its own, so the last write is the one to be found.
            account = accounts[number + WRITERS * (turn % (PEOPLE // WRITERS))]
            secret = secrets.token_hex(32)
            account.secret_encrypted = account.seal(column="secret", text=secret)
            account.save(update_fields=["secret_encrypted"])
            written[account.pk] = secret
            key_for(new_user().pk)

    answers = at_once(WRITERS + 1, work)

    assert answers == [None] * (WRITERS + 1)
    assert rotation.report().is_done
    settings.FIELD_KEYS = NEW
    for account in ExchangeAccount.objects.filter(pk__in=written):
        assert credentials_of(account).secret == written[account.pk]
