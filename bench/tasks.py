"""Tasks that a worker runs only in a benchmark."""

import uuid
from datetime import datetime

from celery import shared_task
from celery.signals import worker_process_init
from django.utils import timezone

from trading import settlement
from trading.settlement import moves
from trading.settlement.moves import OrderLease
from trading.states import State

QUEUE = "bench"
NO_OP = "bench.no_op"
STEP = "bench.step"


@shared_task(name=NO_OP)
def no_op(*, id: str) -> None:  # noqa: A002
    """What Celery itself costs."""


@shared_task(name=STEP)
def step(*, id: str) -> None:  # noqa: A002
    """One durable step by the executor that leads real orders."""
    settlement.advance(order_id=uuid.UUID(id), now=timezone.now())


def _submit_at_once(lease: OrderLease, now: datetime) -> None:
    """The broker's leg with a broker that answers in no time."""
    order = lease.row
    moves.move(
        lease,
        to=State.SUBMITTED,
        action="order.submitted",
        evidence={"client_order_id": order.client_order_id, "broker_order_id": str(order.pk)},
        now=now,
        mark="bench.submitted",
        broker_order_id=str(order.pk),
        broker_status="accepted",
        sent_at=now,
    )


@worker_process_init.connect
def _replace_broker(**_: object) -> None:
    settlement.STEPS[State.PENDING] = _submit_at_once
