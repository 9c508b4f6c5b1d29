"""Fifty orders at the same moment against one limit: not one too many, not one too few (RAT-002)."""

from collections import Counter
from decimal import Decimal
from threading import Barrier

import pytest
from django.utils import timezone

from accounts.models import User
from compliance.models import AuditRow
from kyc.models import DailyLimit
from tests.people import onboarded
from tests.quoting import a_quote
from tests.threads import at_once
from trading.models import Order
from trading.services import OrderRefused, place_order

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 50
# Worst case 30.30 USD each: 33 fit into 1,000 USD, the 34th does not.
PRICE, QUANTITY, EACH, FIT = "300.00", Decimal("0.1"), Decimal("30.30"), 33


def buy(user: User) -> Order:
    return place_order(
        user=user,
        quantity=QUANTITY,
        quote=a_quote(price=PRICE),
        source="api",
        placement_key=None,
        now=timezone.now(),
    )


def test_simultaneous_orders_never_pass_the_limit_and_use_all_of_it() -> None:
    user = onboarded()

    answers = at_once(ORDERS, lambda _: buy(User.objects.get(pk=user.pk)))

    placed = [answer for answer in answers if isinstance(answer, Order)]
    refused = Counter(answer.code for answer in answers if isinstance(answer, OrderRefused))
    assert (len(placed), refused) == (FIT, Counter(limit_exceeded=ORDERS - FIT))
    assert DailyLimit.objects.get().used_usd == FIT * EACH
    assert Order.objects.count() == AuditRow.objects.filter(action="order.placed").count() == FIT


def test_reading_first_and_writing_then_lets_too_much_through() -> None:
    """The control: without the one conditional UPDATE the same orders pass the limit."""
    limit = onboarded().kyc_application.daily_limit
    everyone_has_read = Barrier(ORDERS, timeout=20)

    def naive(_: int) -> bool:
        read = DailyLimit.objects.get(pk=limit.pk)
        everyone_has_read.wait()
        if read.used_usd + EACH > read.limit_usd:
            return False
        DailyLimit.objects.filter(pk=limit.pk).update(used_usd=read.used_usd + EACH)
        return True

    assert at_once(ORDERS, naive).count(True) == ORDERS > FIT


def test_two_people_do_not_wait_for_each_other() -> None:
    users = [onboarded(), onboarded()]

    answers = at_once(20, lambda number: buy(User.objects.get(pk=users[number % 2].pk)))

    assert all(isinstance(answer, Order) for answer in answers)
    assert set(DailyLimit.objects.values_list("used_usd", flat=True)) == {10 * EACH}
