"""A master's order is done once and copied once, whatever breaks: judged by the exchange's books.

Every case has an account of its own. Workers are killed at each mark of the sending, answers of the
exchange get lost or spoiled, and the queue is emptied in the middle of it all.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from agora.lib import work
from agora.sandbox.client import SandboxControl
from copytrade.models import Fill, MasterOrder, Signal
from copytrade.replication.master_orders import ADVANCE_TASK
from tests.copytrade.deskwork import place, published
from tests.faults.worker import Worker, wait_until

KILLS = [
    "master_order.claimed",
    "master_order.send.before_intent",
    "master_order.send.before_call",
    "master_order.send.after_call",
    "master_order.outcome.before_commit",
    "master_order.outcome.after_commit",
]
ANSWERS: dict[str, dict[str, Any]] = {
    "dropped before it was heard": {"kind": "drop_before"},
    "dropped after it was done": {"kind": "drop_after"},
    "refused with 500": {"kind": "status", "status": 500},
    "done, then 502": {"kind": "status", "status": 502, "after": True},
    "done, then -1007": {
        "kind": "status",
        "status": 504,
        "after": True,
        "body": '{"code":-1007,"msg":"Timeout waiting for response from backend server."}',
    },
    "cut in the middle": {"kind": "truncate"},
    "cut, but ended properly": {"kind": "truncate", "framed": True},
    "answered too late": {"kind": "delay", "delay": 4, "after": True},
    "limited": {"kind": "rate_limit", "retry_after": 1},
}
CASES = [*(f"killed at {point}" for point in KILLS), *ANSWERS, "delivered three times"]
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(400)]


@dataclass
class Ward:
    """Every case's order as it ended, and what the exchange's books have of it."""

    orders: dict[str, MasterOrder] = field(default_factory=dict)
    books: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    never_reached: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory,
    sandbox_server: str,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Worker]:
    """A running worker on the test database, which is emptied when the module is done."""
    with django_db_blocker.unblock():
        made = Worker(folder=tmp_path_factory.mktemp("worker"))
        made.start()
        yield made
        made.kill()
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def ward(worker: Worker, sandbox_server: str) -> Ward:
    """All cases, struck and settled."""
    sandbox = SandboxControl(sandbox_server)
    result, labels = Ward(), {}
    for case in CASES:
        labels[case], result.orders[case] = _struck(case, worker, sandbox)
    Redis.from_url(settings.REDIS_URL).flushall()
    _sweep_until_rest(limit=150)
    for case, order in result.orders.items():
        result.orders[case] = MasterOrder.objects.get(pk=order.pk)
        result.books[case] = sandbox.binance.orders(labels[case])
    result.never_reached = worker.armed()
    sandbox.calm()
    return result


def _struck(case: str, worker: Worker, sandbox: SandboxControl) -> tuple[str, MasterOrder]:
    """An order with its fault armed before any worker hears of it."""
    master, strategy = published(sandbox)
    order = place(strategy)
    if case.startswith("killed at "):
        point = case.removeprefix("killed at ")
        (worker.points / f"{point}@{order.pk}").write_text("kill")
    elif case in ANSWERS:
        sandbox.fault("POST /binance/api/v3/order", match=order.client_order_id, **ANSWERS[case])
    for _ in range(3 if case == "delivered three times" else 1):
        work.nudge(ADVANCE_TASK, pk=order.pk)
    return master.label, order


def _sweep_until_rest(*, limit: float) -> None:
    """Do beat's part until no master's order is due any more."""
    last = 0.0

    def all_rest() -> bool:
        nonlocal last
        if time.monotonic() - last > 0.3:
            last = time.monotonic()
            for pk in work.due_ids(MasterOrder, limit=100):
                work.nudge(ADVANCE_TASK, pk=pk)
        return not MasterOrder.objects.filter(next_attempt_at__isnull=False).exists()

    wait_until(all_rest, limit=limit, what="masters' orders at rest")


@pytest.mark.fault
@pytest.mark.parametrize("case", CASES)
def test_a_masters_order_is_done_and_copied_exactly_once(ward: Ward, case: str) -> None:
    order, books = ward.orders[case], ward.books[case]

    assert order.state == "FILLED", order.last_error
    assert [(o["client_id"], Decimal(o["executed"])) for o in books] == [
        (order.client_order_id, order.quantity)
    ]
    fills = Fill.objects.filter(master_order=order).values_list("quantity", flat=True)
    assert sum(fills) == order.filled == order.quantity
    signals = Signal.objects.filter(master_order=order).values_list("kind", "cumulative")
    assert list(signals) == [("OPEN", order.quantity)]


def test_every_armed_mark_was_reached(ward: Ward) -> None:
    assert ward.never_reached == []
