"""The first copy: from the commit of a signal to the first order at the exchange.

Against one commit and one empty Celery task there and back: what any design pays that tells a
worker after committing.
"""

import time
import uuid
from statistics import median

import redis
from celery import current_app
from django.db import connection
from kombu import Producer

from bench import copying, tasks
from bench.copying import Crowd
from bench.measure import Line, tell
from bench.stand import Stand

GOAL = 3.0
ROUNDS = 40
_WARM_UP = 10


def run(stand: Stand) -> Line:
    """Median seconds of both, measured by turns; lower is better."""
    crowd = copying.make(control=stand.exchange, followers=1, label="first")
    store = redis.Redis.from_url(stand.env["REDIS_URL"])
    first: list[float] = []
    floor: list[float] = []
    with (
        stand.worker(include="bench.tasks", queue=f"celery,{tasks.QUEUE}"),
        current_app.producer_or_acquire() as producer,
    ):
        for _round in range(ROUNDS + _WARM_UP):
            first.append(_first_order(stand, crowd))
            floor.append(_commit() + _there_and_back(store, producer))
    tell(f"  {ROUNDS} rounds: {min(first[_WARM_UP:]):.4f} to {max(first[_WARM_UP:]):.4f} s")
    return Line(
        name="copy_first",
        value=median(first[_WARM_UP:]),
        floor=median(floor[_WARM_UP:]),
        goal=GOAL,
        better="lower",
        extra={"unit": "s", "rounds": ROUNDS},
    )


def _first_order(stand: Stand, crowd: Crowd) -> float:
    signal, began = copying.publish_open(crowd.strategy)
    copying.wait_recorded(signal, legs=1)
    summary = stand.exchange.binance.summary(label="first", since=began)
    return float(summary["first_accepted"]) - began


def _commit() -> float:
    """One statement that changes a row, committed by itself."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE copytrade_strategy SET updated_at = now()")
    return time.perf_counter() - began


def _there_and_back(store: redis.Redis, producer: Producer) -> float:
    key = f"bench:{uuid.uuid4()}"
    began = time.perf_counter()
    current_app.send_task(tasks.ECHO, kwargs={"id": key}, queue=tasks.QUEUE, producer=producer)
    if store.blpop([key], timeout=10) is None:
        raise TimeoutError("The empty task did not answer.")
    return time.perf_counter() - began
