"""Masters' orders that need somebody are tried again by who may change them."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from compliance.models import AuditRow
from copytrade.models import MasterOrder
from tests.copying import new_strategy
from tests.copytrade.replicating import master_order
from tests.people import new_user

pytestmark = pytest.mark.django_db
LIST = "/admin/copytrade/masterorder/"


def _parked() -> MasterOrder:
    return master_order(new_strategy(), state="PENDING", attention=True)


def _officer(*permissions: str) -> Client:
    officer = new_user(is_staff=True)
    for name in permissions:
        officer.user_permissions.add(Permission.objects.get(codename=name))
    client = Client()
    client.force_login(officer)
    return client


def _try_again(client: Client, order: MasterOrder) -> int:
    data = {"action": "try_again", "_selected_action": [str(order.pk)]}
    return client.post(LIST, data).status_code


def test_a_parked_order_is_tried_again_and_the_trail_says_by_whom() -> None:
    order = _parked()

    assert _try_again(_officer("view_masterorder", "change_masterorder"), order) == 302

    order.refresh_from_db()
    assert order.attention is False
    assert order.next_attempt_at is not None
    assert order.next_attempt_at <= timezone.now()
    assert AuditRow.objects.filter(action="master_order.tried_again").count() == 1


def test_who_may_only_look_cannot() -> None:
    order = _parked()

    _try_again(_officer("view_masterorder"), order)

    order.refresh_from_db()
    assert order.attention is True
    assert not AuditRow.objects.filter(action="master_order.tried_again").exists()
