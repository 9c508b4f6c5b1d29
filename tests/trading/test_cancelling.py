"""An order can be cancelled until it may have been sent; from then on the broker decides."""

import pytest
from django.utils import timezone

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc.models import DailyLimit
from tests.conftest import Chain
from tests.people import onboarded
from tests.settling import place, settle
from tests.trading.conftest import Untouched
from trading import settlement
from trading.models import Order
from trading.services import OrderRefused, cancel_order
from trading.states import State

pytestmark = pytest.mark.django_db


def step(order: Order) -> Order:
    settlement.advance(order_id=order.pk, now=timezone.now())
    return Order.objects.get(pk=order.pk)


def cancel(user: User, order: Order) -> Order:
    return cancel_order(user=user, order_id=order.pk, now=timezone.now())


def test_a_queued_order_is_cancelled_and_gives_back_what_it_reserved(
    sandbox: SandboxControl, buyer: User
) -> None:
    sandbox.market(mode="closed")
    order = step(place(buyer))

    cancelled = cancel(buyer, order)

    assert (cancelled.state, cancelled.reason) == (State.CANCELLED, "cancelled_by_user")
    assert (cancelled.next_attempt_at, cancelled.queued_until) == (None, None)
    assert DailyLimit.objects.get().used_usd == 0
    row = AuditRow.objects.get(action="order.cancelled")
    assert (row.actor, row.evidence["state"]) == (f"user:{buyer.pk}", "CANCELLED")


def test_a_cancelled_order_is_never_sent(sandbox: SandboxControl, buyer: User) -> None:
    order = place(buyer)
    cancel(buyer, order)

    assert step(order).state == State.CANCELLED
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []


def test_a_cancelled_order_needs_nobodys_attention(sandbox: SandboxControl, buyer: User) -> None:
    order = place(buyer)
    Order.objects.filter(pk=order.pk).update(attention=True, next_attempt_at=None)

    assert not cancel(buyer, order).attention


def test_a_sent_order_is_not_cancelled(
    sandbox: SandboxControl, buyer: User, untouched: Untouched
) -> None:
    order = step(place(buyer))
    assert order.state == State.SUBMITTED

    with untouched(), pytest.raises(OrderRefused) as refusal:
        cancel(buyer, order)
    assert refusal.value.code == "not_cancellable"


def test_an_order_that_may_have_been_sent_is_not_cancelled(
    sandbox: SandboxControl, buyer: User, untouched: Untouched
) -> None:
    sandbox.fault("POST /alpaca/v2/orders", "drop_before")
    order = step(place(buyer))
    assert order.state == State.PENDING

    with untouched(), pytest.raises(OrderRefused):
        cancel(buyer, order)


def test_a_minted_order_is_not_cancelled(
    sandbox: SandboxControl, chain: Chain, buyer: User, untouched: Untouched
) -> None:
    order = settle(place(buyer), chain=chain)

    with untouched(), pytest.raises(OrderRefused):
        cancel(buyer, order)


def test_strangers_cannot_cancel_an_order(
    sandbox: SandboxControl, buyer: User, untouched: Untouched
) -> None:
    order, stranger = place(buyer), onboarded()

    with untouched(), pytest.raises(Order.DoesNotExist):
        cancel(stranger, order)


def test_what_the_cancel_gave_back_can_be_spent_again(sandbox: SandboxControl, buyer: User) -> None:
    for _ in range(3):
        # 4 × 230 USD is most of the day's limit each time.
        cancel(buyer, place(User.objects.get(pk=buyer.pk), quantity="4"))

    assert place(User.objects.get(pk=buyer.pk), quantity="4").state == State.PENDING
