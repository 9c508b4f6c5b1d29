"""What a worker runs only in a benchmark: an empty task, and steps without outside calls."""

from datetime import datetime
from functools import cache

import redis
from celery import shared_task
from celery.signals import worker_process_init
from django.conf import settings

from trading import settlement
from trading.settlement import moves
from trading.settlement.moves import OrderLease
from trading.states import State

QUEUE = "bench"
NO_OP = "bench.no_op"
ECHO = "bench.echo"
STEPS_IN_A_ROW = 3


@shared_task(name=NO_OP)
def no_op(*, id: str) -> None:  # noqa: A002
    """What Celery itself costs."""


@cache
def _store() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@shared_task(name=ECHO)
def echo(*, id: str) -> None:  # noqa: A002
    """The same, heard by whoever waits for it."""
    _store().lpush(id, b"1")


def _submit(lease: OrderLease, now: datetime) -> None:
    order = lease.row
    moves.move(
        lease,
        to=State.SUBMITTED,
        action="order.submitted",
        evidence={"client_order_id": order.client_order_id, "broker_order_id": str(order.pk)},
        now=now,
        mark="bench.submit",
        broker_order_id=str(order.pk),
        broker_status="accepted",
        sent_at=now,
    )


def _fill(lease: OrderLease, now: datetime) -> None:
    order = lease.row
    moves.move(
        lease,
        to=State.FILLED,
        action="order.filled",
        evidence={"quantity": str(order.quantity), "price": str(order.quote_price)},
        now=now,
        mark="bench.fill",
        broker_status="filled",
        filled_quantity=order.quantity,
        filled_avg_price=order.quote_price,
    )


def _end(lease: OrderLease, now: datetime) -> None:
    moves.move(
        lease,
        to=State.FAILED,
        action="order.failed",
        evidence={"reason": "bench"},
        now=now,
        mark="bench.end",
        reason="bench",
    )


@worker_process_init.connect
def _replace_outside_calls(**_: object) -> None:
    """Steps as the real ones end, behind vendors that answer in no time."""
    settlement.STEPS.update({State.PENDING: _submit, State.SUBMITTED: _fill, State.FILLED: _end})
