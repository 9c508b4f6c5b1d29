"""An officer's permissions bound what the back office lets them do."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from compliance.models import ReserveSnapshot
from tests.people import new_officer, onboarded
from tests.quoting import a_quote
from trading.models import Order
from trading.services import place_order

pytestmark = pytest.mark.django_db

ORDERS = "admin:trading_order_changelist"
BUILD = "admin:compliance_reservesnapshot_build_snapshot"


def an_officer(*permissions: str) -> tuple[User, Client]:
    user, browser = new_officer(*permissions), Client()
    browser.force_login(user)
    return user, browser


@pytest.fixture
def parked() -> Order:
    now = timezone.now()
    order = place_order(
        user=onboarded(),
        quantity=Decimal("0.5"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=now,
    )
    Order.objects.filter(pk=order.pk).update(attention=True, next_attempt_at=None)
    return order


@pytest.mark.parametrize(
    ("permissions", "attention"), [(["view_order"], True), (["view_order", "change_order"], False)]
)
def test_only_who_may_change_orders_can_set_them_going(
    parked: Order, permissions: list[str], attention: bool
) -> None:
    _, browser = an_officer(*permissions)

    browser.post(
        reverse(ORDERS), {"action": "try_again", "_selected_action": [str(parked.pk)], "index": 0}
    )

    parked.refresh_from_db()
    assert parked.attention is attention


@pytest.mark.parametrize(
    ("permissions", "built"),
    [(["view_reservesnapshot"], 0), (["view_reservesnapshot", "add_reservesnapshot"], 1)],
)
def test_only_who_may_add_reports_can_have_one_built_and_never_by_a_link(
    permissions: list[str], built: int
) -> None:
    _, browser = an_officer(*permissions)

    assert browser.get(reverse("admin:compliance_reservesnapshot_changelist")).status_code == 200
    browser.get(reverse(BUILD))
    assert ReserveSnapshot.objects.count() == 0
    browser.post(reverse(BUILD), {"_form_submitted": "True"})

    assert ReserveSnapshot.objects.count() == built


def test_a_password_hash_cannot_be_guessed_through_the_search(client: Client) -> None:
    _, browser = an_officer("view_user")
    users = reverse("admin:accounts_user_changelist")

    assert browser.get(users, {"is_staff__exact": "1"}).status_code == 200
    assert browser.get(users, {"password__startswith": "argon2"}).status_code == 400
