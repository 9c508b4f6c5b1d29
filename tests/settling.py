"""Placing orders and settling them in this process, one durable step after the other."""

import time
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from tests.conftest import Chain
from trading import quotes, services, settlement
from trading.models import Order


def place(user: User, *, quantity: str = "0.5", nudged: bool = True) -> Order:
    """An order at the current quote, as the buy page places it; without its nudge when asked."""
    now = timezone.now()
    with transaction.atomic():
        order = services.place_order(
            user=user,
            quantity=Decimal(quantity),
            quote=quotes.refresh_quote(now=now),
            source="page",
            placement_key=None,
            now=now,
        )
        if not nudged:
            transaction.get_connection().run_on_commit.clear()
    return order


def settle(
    order: Order, *, chain: Chain, until: set[str] | None = None, limit: float = 30
) -> Order:
    """Advance an order until it rests, is parked, or reaches a state of `until`.

    A mint in a block does not wait for those after it.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        settlement.advance(order_id=order.pk, now=timezone.now())
        order = Order.objects.select_related("custody", "mint").get(pk=order.pk)
        if order.next_attempt_at is None or (until and order.state in until):
            return order
        if order.mint and order.mint.block_number is not None:
            chain.mine(settings.MINT_CONFIRMATIONS)
        pause = (order.next_attempt_at - timezone.now()).total_seconds()
        time.sleep(min(max(pause, 0), 0.2))
    raise AssertionError(f"{order.pk} rests in {order.state}: {order.last_error}")
