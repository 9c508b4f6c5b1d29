"""How long an order waits before its next try: never so short that an outage uses up its tries."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from agora.lib import work
from agora.lib.outcome import OutsideError, Temporary, Unknown
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc.models import DailyLimit
from tests.conftest import Chain
from tests.settling import place, settle
from trading import broker, settlement
from trading.broker import MarketClock
from trading.models import Order
from trading.settlement import broker_leg
from trading.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(buyer: User, sandbox: SandboxControl) -> Order:
    return place(buyer)


def advanced(order: Order, *, now: datetime | None = None) -> Order:
    now = now or timezone.now()
    Order.objects.filter(pk=order.pk).update(next_attempt_at=timezone.now() - timedelta(hours=1))
    settlement.advance(order_id=order.pk, now=now)
    return Order.objects.get(pk=order.pk)


@pytest.mark.parametrize(
    "error", [Temporary("busy", retry_after=0), Temporary("busy", retry_after=1), Unknown("lost")]
)
def test_late_tries_wait_longer_whatever_the_vendor_asks_for(
    order: Order, error: OutsideError, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def fail() -> MarketClock:
        raise error

    monkeypatch.setattr(broker, "clock", fail)
    settings.UNKNOWN_GRACE_SECONDS, settings.WORK_BACKOFF_SECONDS = 1, 1
    settings.WORK_BACKOFF_MAX_SECONDS = 300
    Order.objects.filter(pk=order.pk).update(attempts=9)

    order = advanced(order)

    assert order.next_attempt_at is not None
    assert order.next_attempt_at > timezone.now() + timedelta(seconds=140)


def test_a_wait_that_the_vendor_asks_for_is_never_cut_short(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> MarketClock:
        raise Temporary("busy", retry_after=3600)

    monkeypatch.setattr(broker, "clock", fail)

    order = advanced(order)

    assert order.next_attempt_at is not None
    assert order.next_attempt_at > timezone.now() + timedelta(seconds=3590)


def test_at_the_bell_a_clock_that_is_ahead_neither_hammers_the_broker_nor_fills_the_trail(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    bell = now - timedelta(milliseconds=200)
    closed = MarketClock(now=bell, is_open=False, next_open=bell, next_close=bell)
    monkeypatch.setattr(broker, "clock", lambda: closed)

    for _ in range(3):
        order = advanced(order, now=now)

    assert order.state == State.PENDING
    assert order.next_attempt_at is not None
    assert order.next_attempt_at > now
    assert AuditRow.objects.filter(action="order.queued", object_id=order.pk).count() == 1


def test_an_order_that_counts_for_tomorrow_by_our_clock_stays_where_it_is_reserved(
    order: Order,
) -> None:
    Order.objects.filter(pk=order.pk).update(limit_day=order.limit_day + timedelta(days=1))
    lease = work.claim(Order, pk=order.pk)
    assert lease is not None

    application = order.user.kyc_application
    assert broker_leg._counts_for_today(lease, application, timezone.now())
    assert lease.row.limit_day == order.limit_day + timedelta(days=1)


def test_an_order_that_the_broker_never_ends_is_shown_to_a_person(
    order: Order, sandbox: SandboxControl
) -> None:
    sandbox.market(fill={"outcome": "never"})
    order = advanced(order)
    assert order.state == State.SUBMITTED
    order = advanced(order)
    assert not order.attention

    Order.objects.filter(pk=order.pk).update(updated_at=timezone.now() - timedelta(days=6))

    assert advanced(order).attention


def test_a_receipt_that_the_custodian_never_finishes_is_shown_to_a_person(
    order: Order, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.fault("POST /fireblocks/v1/transactions", "stuck", stuck_status="PENDING_AUTHORIZATION")
    order = settle(order, chain=chain, until={State.FILLED})
    for _ in range(3):
        order = advanced(order)
    assert (order.state, order.attention) == (State.FILLED, False)

    Order.objects.filter(pk=order.pk).update(updated_at=timezone.now() - timedelta(hours=2))

    assert advanced(order).attention


def test_a_refusal_of_a_second_sending_does_not_hide_that_the_first_got_through(
    order: Order, sandbox: SandboxControl, chain: Chain
) -> None:
    sandbox.fault("POST /alpaca/v2/orders", "drop_after", match=order.client_order_id)
    not_found = '{"code": 40410000, "message": "order not found"}'
    look_up = "GET /alpaca/v2/orders:by_client_order_id"
    sandbox.fault(look_up, "status", status=404, body=not_found, count=2)
    order = advanced(order)
    no_money = '{"code": 40310000, "message": "insufficient buying power"}'
    sandbox.fault("POST /alpaca/v2/orders", "status", status=403, body=no_money)

    order = settle(order, chain=chain)

    assert order.sends == 0
    assert (order.state, order.reason) == (State.MINT_CONFIRMED, "")


def test_an_order_that_did_not_get_through_is_not_sent_on_another_days_limit(
    order: Order, sandbox: SandboxControl
) -> None:
    sandbox.fault("POST /alpaca/v2/orders", "drop_before", match=order.client_order_id)
    order = advanced(order)
    assert order.asked_at is not None
    yesterday = order.limit_day - timedelta(days=1)
    Order.objects.filter(pk=order.pk).update(limit_day=yesterday)
    DailyLimit.objects.update(day=yesterday)

    for _ in range(3):
        order = advanced(order, now=timezone.now() + timedelta(seconds=1))

    assert (order.state, order.reason) == (State.REJECTED, "broker_expired")
    assert DailyLimit.objects.get().used_usd == 0
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []
