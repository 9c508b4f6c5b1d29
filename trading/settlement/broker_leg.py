"""The broker leg: send the order once, then follow it until no more fills can come (RAT-006)."""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction

from accounts import wallets
from agora.lib.money import plain, to_cents
from agora.lib.outcome import Rejected, Temporary
from kyc import holds, limits
from kyc.models import Application
from kyc.selectors import application_of
from trading import broker
from trading.broker import BrokerOrder
from trading.models import Order
from trading.settlement.moves import (
    NeedsAttention,
    OrderLease,
    check_patience,
    move,
    patience,
    stay,
)
from trading.states import State

log = structlog.get_logger(__name__)
# An order for the day may have to wait for the end of a long weekend first.
_LONGEST_ORDER = timedelta(days=5)
# Statuses of alpaca-py's enum after which fills may still come.
_WORKING = frozenset(
    [
        "new",
        "partially_filled",
        "done_for_day",
        "pending_cancel",
        "pending_replace",
        "pending_review",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "stopped",
        "suspended",
        "calculated",
        "held",
    ]
)
_OVER = frozenset({"filled", "canceled", "expired", "rejected"})


def submit(lease: OrderLease, now: datetime) -> None:
    """PENDING → SUBMITTED, or REJECTED; while the market is closed the order waits here."""
    order = lease.row
    if order.asked_at is None:
        if not _market_is_open(lease, now):
            return
        application = application_of(order.user)
        if application is None:
            raise NeedsAttention("The buyer has no application.")
        reason = _why_not(order, application)
        # Unless an earlier sending got through.
        if reason and _sent_before(order) is None:
            _close(lease, to=State.REJECTED, reason=reason, now=now)
            return
        if not _counts_for_today(lease, application, now):
            return
    try:
        placed = lease.ask_once(
            mark="order.submit",
            find=lambda: broker.find_order(client_order_id=order.client_order_id),
            send=lambda number: _send(order, number=number, now=now),
            now=now,
            sent_at=order.sent_at or now,
        )
    except Rejected as error:
        # Refused the second time: perhaps because an earlier sending got through after all.
        found = _sent_before(order)
        if found is None:
            _close(lease, to=State.REJECTED, reason=f"broker_{error.code}"[:60], now=now)
            return
        placed = found
    log.info("Order Submitted", broker_order_id=placed.id, quantity=plain(order.quantity))
    move(
        lease,
        to=State.SUBMITTED,
        action="order.submitted",
        evidence={"broker_order_id": placed.id, "broker_status": placed.status},
        now=now,
        mark="order.submit",
        broker_order_id=placed.id,
        broker_status=placed.status,
        broker_raw=placed.raw,
        queued_until=None,
    )


def _why_not(order: Order, application: Application) -> str:
    """What has come up against the order since it was placed, if anything."""
    if not application.is_approved:
        return "buyer_suspended"
    if holds.is_held(application.pk):
        return "buying_paused"
    if wallets.is_lost(user_id=order.user_id, address=order.wallet_address):
        return "wallet_disputed"
    return ""


def _send(order: Order, *, number: int, now: datetime) -> BrokerOrder:
    """Send the order, but not again on a later day than the one whose limit it counts for."""
    application = application_of(order.user) if number > 1 else None
    if application and limits.local_day(country=application.country, now=now) > order.limit_day:
        raise Rejected("Its day is over.", code="expired")
    return broker.submit_limit_buy(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        quantity=order.quantity,
        limit_price=order.limit_price,
    )


def _sent_before(order: Order) -> BrokerOrder | None:
    """The order as an earlier sending of unknown outcome left it at the broker."""
    if order.sends < 2:
        return None
    return broker.find_order(client_order_id=order.client_order_id)


def _market_is_open(lease: OrderLease, now: datetime) -> bool:
    """True to go on; otherwise the order is put to sleep until the next opening, and says so."""
    order, clock = lease.row, broker.clock()
    if clock.is_open:
        return True
    news = clock.next_open != order.queued_until or order.version == 1
    stay(
        lease,
        # At the bell our clock may be ahead of the broker's: then it is asked again in a moment.
        again_at=max(clock.next_open, now + timedelta(seconds=settings.POLL_SECONDS)),
        now=now,
        action="order.queued" if news else "",
        evidence={"queued_until": clock.next_open.isoformat()},
        queued_until=clock.next_open,
    )
    return False


def _counts_for_today(lease: OrderLease, application: Application, now: datetime) -> bool:
    """Move the reservation of an order that waited overnight to today; reject it if it won't fit."""
    order = lease.row
    today = limits.local_day(country=application.country, now=now)
    if order.limit_day >= today:  # later: the clock of this worker is behind at midnight
        return True
    with transaction.atomic():
        limits.settle(
            user=order.user, day=order.limit_day, reserved=order.reserved_usd, spent=Decimal(0)
        )
        moved = limits.reserve(application=application, amount_usd=order.reserved_usd, now=now)
        if moved is not None:
            lease.write(limit_day=moved)
    if moved is None:
        _close(lease, to=State.REJECTED, reason="limit_exceeded_at_open", now=now, released=True)
    return moved is not None


def poll(lease: OrderLease, now: datetime) -> None:
    """SUBMITTED → FILLED (also partly), CANCELLED or REJECTED, as the broker's answer says."""
    order = lease.row
    if order.broker_order_id is None:
        raise NeedsAttention("The order has no broker order id.")
    seen = broker.get_order(broker_order_id=order.broker_order_id)
    if seen.filled_quantity > order.quantity:
        raise NeedsAttention("The broker filled more than was ordered.")
    if seen.filled_quantity < order.filled_quantity:
        raise Temporary("The broker's answer is older than the last one.")
    if seen.status in _OVER:
        _finish(lease, seen, now)
    elif seen.status in _WORKING:
        _keep_waiting(lease, seen, now)
    else:
        raise NeedsAttention(f"The broker's status {seen.status!r} is not known.")


def _keep_waiting(lease: OrderLease, seen: BrokerOrder, now: datetime) -> None:
    order = lease.row
    check_patience(order, what=f"It stays {seen.status}", now=now, longest=_LONGEST_ORDER)
    pause = patience(since=order.updated_at, now=now)
    if (seen.status, seen.filled_quantity) == (order.broker_status, order.filled_quantity):
        stay(lease, again_at=now + pause, now=now)
        return
    stay(
        lease,
        again_at=now + pause,
        now=now,
        action="order.broker_progress",
        evidence={
            "broker_status": seen.status,
            "filled_quantity": plain(seen.filled_quantity),
            "filled_avg_price": seen.filled_avg_price and plain(seen.filled_avg_price),
        },
        broker_status=seen.status,
        broker_raw=seen.raw,
        filled_quantity=seen.filled_quantity,
        filled_avg_price=seen.filled_avg_price,
    )


def _finish(lease: OrderLease, seen: BrokerOrder, now: datetime) -> None:
    """Terminal at the broker. Terminal is not filled: what was filled is settled, the rest released."""
    if seen.filled_quantity == 0:
        if seen.status == "filled":
            raise Temporary("The broker says filled, but not how much.")
        to = State.REJECTED if seen.status == "rejected" else State.CANCELLED
        _close(lease, to=to, reason=f"broker_{seen.status}", now=now, seen=seen)
        return
    if seen.filled_avg_price is None:
        raise Temporary("The broker does not tell the price of the fill yet.")
    order = lease.row
    spent = to_cents(seen.filled_quantity * seen.filled_avg_price)
    evidence = {
        "broker_status": seen.status,
        "filled_quantity": plain(seen.filled_quantity),
        "filled_avg_price": plain(seen.filled_avg_price),
        "spent_usd": plain(spent),
        "unfilled_quantity": plain(order.quantity - seen.filled_quantity),
    }
    log.info("Alpaca Filled", broker_order_id=seen.id, **evidence)
    move(
        lease,
        to=State.FILLED,
        action="order.filled",
        evidence=evidence,
        now=now,
        mark="order.fill",
        also=lambda: _settle_limit(order, spent),
        broker_status=seen.status,
        broker_raw=seen.raw,
        filled_quantity=seen.filled_quantity,
        filled_avg_price=seen.filled_avg_price,
        reserved_usd=spent,
    )


def _close(
    lease: OrderLease,
    *,
    to: State,
    reason: str,
    now: datetime,
    seen: BrokerOrder | None = None,
    released: bool = False,
) -> None:
    """End an order of which nothing was bought, and release what it had reserved."""
    order = lease.row
    changes = {"broker_status": seen.status, "broker_raw": seen.raw} if seen else {}
    log.info("Order Closed", state=to, reason=reason)
    move(
        lease,
        to=to,
        action=f"order.{to.lower()}",
        evidence={"reason": reason},
        now=now,
        mark="order.close",
        also=None if released else lambda: _settle_limit(order, Decimal(0)),
        reason=reason,
        reserved_usd=Decimal(0),
        queued_until=None,
        **changes,
    )


def _settle_limit(order: Order, spent: Decimal) -> None:
    limits.settle(user=order.user, day=order.limit_day, reserved=order.reserved_usd, spent=spent)
