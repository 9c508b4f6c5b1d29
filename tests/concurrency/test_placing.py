"""A form that is sent many times buys once; a cancellation and the worker never both win."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc.models import DailyLimit
from tests.people import onboarded, with_limit_used
from tests.quoting import a_quote
from tests.threads import at_once
from trading import settlement
from trading.models import Order
from trading.services import OrderRefused, cancel_order, place_order
from trading.states import State

pytestmark = pytest.mark.django_db(transaction=True)
SUBMISSIONS = 32


def submit(user: User, *, key: str | None, quantity: str = "0.5") -> Order:
    return place_order(
        user=User.objects.get(pk=user.pk),
        quantity=Decimal(quantity),
        quote=a_quote(),
        source="page",
        placement_key=key,
        now=timezone.now(),
    )


@pytest.mark.parametrize("left_usd", ["1000", "101"], ids=["plenty left", "enough for one"])
def test_one_form_sent_many_times_is_one_order_for_all(left_usd: str) -> None:
    user = onboarded()
    with_limit_used(user, 1000 - Decimal(left_usd))

    answers = at_once(SUBMISSIONS, lambda _: submit(user, key="form-1"))

    order = Order.objects.get()
    assert [getattr(answer, "pk", answer) for answer in answers] == [order.pk] * SUBMISSIONS
    assert DailyLimit.objects.get().used_usd == 1000 - Decimal(left_usd) + order.reserved_usd
    assert AuditRow.objects.filter(action="order.placed").count() == 1


def test_two_peoples_forms_with_the_same_key_are_two_orders() -> None:
    users = [onboarded(), onboarded()]

    at_once(10, lambda number: submit(users[number % 2], key="form-1"))

    assert set(Order.objects.values_list("user_id", flat=True)) == {user.pk for user in users}
    assert Order.objects.count() == 2


@pytest.mark.parametrize("attempt", range(5))
def test_an_order_is_either_cancelled_or_sent_never_both(
    sandbox: SandboxControl, attempt: int
) -> None:
    user = onboarded()
    order = submit(user, key=None)

    def act(number: int) -> object:
        if number:
            return settlement.advance(order_id=order.pk, now=timezone.now())
        return cancel_order(user=user, order_id=order.pk, now=timezone.now())

    cancelled, _ = at_once(2, act)

    order.refresh_from_db()
    sent = [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id]
    if isinstance(cancelled, Order):
        assert (order.state, sent) == (State.CANCELLED, [])
        assert DailyLimit.objects.get().used_usd == 0
    else:
        assert isinstance(cancelled, OrderRefused)
        assert (order.state, len(sent)) == (State.SUBMITTED, 1)
        assert DailyLimit.objects.get().used_usd == order.reserved_usd
