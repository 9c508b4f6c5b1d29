"""P7: durable steps per second against empty Celery tasks per second, in the same worker.

The real task leads orders through three states in a row, about as many as a settlement passes
between two waits. Each step leases the order, asks nobody, and commits the move with its audit row
by compare-and-set. Messages are laid into another list first and the list is renamed to the queue,
so that publishing them costs neither side anything while the clock runs.
"""

import time
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import redis
from celery import current_app
from django.utils import timezone

from bench import measure, tasks
from bench.measure import Line
from bench.stand import Stand
from compliance.models import AuditRow
from trading.models import Order
from trading.services import SETTLE_TASK
from trading.states import State

GOAL = 0.5
ORDERS = 200
NO_OPS = 1000
_PEN = "bench-pen"
_LIMIT_SECONDS = 60


def run(stand: Stand) -> Line:
    """Steps per second; afterwards every order must have made each exactly once."""
    queue = _Queue(stand.env["REDIS_URL"], name=tasks.QUEUE)
    placed: list[UUID] = []

    def steps() -> float:
        ids = _orders(ORDERS, user=stand.people[0].id)
        placed.extend(ids)
        return queue.rate(task=SETTLE_TASK, ids=ids) * tasks.STEPS_IN_A_ROW

    def no_ops() -> float:
        return queue.rate(task=tasks.NO_OP, ids=[uuid4() for _number in range(NO_OPS)])

    with stand.worker(include="bench.tasks", queue=tasks.QUEUE):
        pair = measure.alternate(subject=steps, floor=no_ops)
    settled = _settled_once(placed)
    return measure.paired(
        "saga_step",
        pair,
        goal=GOAL,
        sound=settled == len(placed),
        steps_in_a_row=tasks.STEPS_IN_A_ROW,
        orders=len(placed),
        settled=settled,
    )


class _Queue:
    """Celery's queue in Valkey as the benchmark fills and watches it."""

    def __init__(self, url: str, *, name: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._name = name

    def rate(self, *, task: str, ids: list[UUID]) -> float:
        """Tasks per second, from the first that is taken to the last that is acknowledged."""
        with current_app.producer_or_acquire() as producer:
            for each in ids:
                current_app.send_task(task, kwargs={"id": str(each)}, queue=_PEN, producer=producer)
        started = time.monotonic()
        self._redis.rename(_PEN, self._name)
        while self._left():
            time.sleep(0.005)
            if time.monotonic() > started + _LIMIT_SECONDS:
                raise TimeoutError(f"{self._left()} of {len(ids)} tasks are left.")
        return len(ids) / (time.monotonic() - started)

    def _left(self) -> int:
        # A task stays in `unacked` until it is done, because Agora acknowledges late.
        pipe = self._redis.pipeline()
        pipe.llen(self._name)
        pipe.hlen("unacked")
        waiting, running = pipe.execute()
        return int(waiting + running)


def _orders(count: int, *, user: UUID) -> list[UUID]:
    """Orders that wait for their first step."""
    now = timezone.now()
    ids = [uuid4() for _number in range(count)]
    Order.objects.bulk_create(
        Order(
            id=each,
            user_id=user,
            source=Order.Source.COMMAND,
            symbol="AAPL",
            quantity=Decimal("0.02"),
            wallet_address="0x" + "0" * 40,
            quote_price=Decimal("230.10"),
            quoted_at=now,
            limit_price=Decimal("232.41"),
            reserved_usd=Decimal("4.65"),
            limit_day=now.date(),
            client_order_id=f"buy-{each.hex}",
            next_attempt_at=now - timedelta(seconds=1),
            created_at=now,
            updated_at=now,
        )
        for each in ids
    )
    return ids


def _settled_once(ids: list[UUID]) -> int:
    """How many of the orders have ended, each with exactly one audit row a step."""
    ended = Order.objects.filter(pk__in=ids, state=State.FAILED, lease_token=None)
    names = list(map(str, ended.values_list("pk", flat=True)))
    rows = AuditRow.objects.filter(object_type="order", object_id__in=names)
    for action in ("order.submitted", "order.filled", "order.failed"):
        if sorted(rows.filter(action=action).values_list("object_id", flat=True)) != sorted(names):
            return 0
    return len(names)
