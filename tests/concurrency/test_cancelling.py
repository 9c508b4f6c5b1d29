"""A cancellation and a step of the same order at the same moment: one waits for the other."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from time import sleep

import pytest
from django.db import connection, transaction
from django.utils import timezone

from kyc import limits
from kyc.models import DailyLimit
from tests.people import onboarded
from tests.quoting import a_quote
from trading.models import Order
from trading.services import cancel_order, place_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_cancellation_and_a_settlement_do_not_lock_each_other_out() -> None:
    user = onboarded()
    order = place_order(
        user=user,
        quantity=Decimal("0.5"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )

    def cancel() -> str:
        try:
            return cancel_order(user=user, order_id=order.pk, now=timezone.now()).state
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool, transaction.atomic():
        # What a step does that settles the limit: the counter first, then the order.
        limits.settle(
            user=user, day=order.limit_day, reserved=order.reserved_usd, spent=order.reserved_usd
        )
        cancelled = pool.submit(cancel)
        sleep(0.5)
        Order.objects.filter(pk=order.pk).update(updated_at=timezone.now())

    assert cancelled.result() == "CANCELLED"
    assert DailyLimit.objects.get().used_usd == 0
