"""Whatever befalls workers, queue and vendors: one broker order, one custody record, one mint.

All orders of this module settle together on one real Celery worker, each with a fault of its own;
then every case is judged by the sandbox's books and the chain.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from redis import Redis

from agora.lib import work
from agora.lib.failpoints import declared
from agora.lib.money import token_units
from agora.sandbox.client import SandboxControl
from compliance import audit
from custody.models import CustodyRecord
from tests.faults.evidence import Books, Evidence
from tests.faults.worker import Worker, sweep_until_rest, wait_until
from tests.people import onboarded
from tests.settling import place
from tokens.models import MintTx
from trading.models import Order
from trading.services import SETTLE_TASK
from trading.states import State

# Marked so that the database is made; what the module's fixture commits is seen by all its tests.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

if TYPE_CHECKING:
    from pytest_django.plugin import DjangoDbBlocker

# Marks that an order on its way to the mint does not pass; test_killed_worker.py strikes the first.
_ELSEWHERE = ("order.close.", "order.custody_again.", "order.nonce_renew.")
_ROOT = Path(__file__).resolve().parents[2]
KILLS = [
    point
    for point in declared(_ROOT)
    if point.startswith("order.") and not point.startswith(_ELSEWHERE)
]

_SENDS = {
    "broker": ("POST /alpaca/v2/orders", "buy-{}"),
    "custody": ("POST /fireblocks/v1/transactions", "cus-{}"),
    "signature": ("POST /fireblocks/v1/transactions", "m1-{}"),
}
_KINDS: dict[str, dict[str, object]] = {
    "drop_before": {},
    "drop_after": {},
    "status": {"status": 500, "body": "<html>Bad Gateway</html>"},
    "rate_limit": {"retry_after": 1},
    "truncate": {},
    "duplicate": {},
}
VENDOR_FAULTS = [f"{leg}:{kind}" for leg in _SENDS for kind in _KINDS]

WORKER_FAULTS = [
    "delivered three times",
    "raises at every call",
    "killed twice at the same call",
    "paused past its lease before the call",
    "paused past its lease after the call",
]
CASES = [f"killed at {point}" for point in KILLS] + VENDOR_FAULTS + WORKER_FAULTS


@dataclass
class Ward:
    """Orders by case, and what stands outside once all of them rest."""

    orders: dict[str, Order] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    never_reached: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory,
    _contract: str,
    django_db_setup: None,
    django_db_blocker: "DjangoDbBlocker",
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
    result = Ward()
    for case in CASES:
        result.orders[case] = _placed_with(case, worker, sandbox)
    queue = Redis.from_url(settings.REDIS_URL)
    wait_until(
        lambda: Order.objects.filter(state=State.MINT_CONFIRMED).exists(),
        limit=60,
        what="one minted",
    )
    queue.flushall()  # the queue is lost in the middle of everything
    sweep_until_rest(list(result.orders.values()), limit=150)
    while audit.seal(now=timezone.now()):
        pass
    books = Books(sandbox)
    for case, order in result.orders.items():
        result.orders[case] = Order.objects.select_related("custody", "mint").get(pk=order.pk)
        result.evidence[case] = books.of(order)
    result.never_reached = worker.armed()
    sandbox.clear_faults()
    return result


def _placed_with(case: str, worker: Worker, sandbox: SandboxControl) -> Order:
    """An order with its fault armed before any worker hears of it."""
    user = onboarded()
    order = place(user, quantity="0.05", nudged=False)
    if case.startswith("killed at "):
        worker.arm(case.removeprefix("killed at "), action="kill", order=order)
    elif ":" in case:
        leg, kind = case.split(":")
        route, key = _SENDS[leg]
        sandbox.fault(route, kind, count=1, match=key.format(order.pk.hex), **_KINDS[kind])
    else:
        _ARM[case](worker, order)
    for _ in range(3 if case == "delivered three times" else 1):
        work.nudge(SETTLE_TASK, pk=order.pk)
    return order


def _raise_everywhere(worker: Worker, order: Order) -> None:
    for point in KILLS:
        if point.endswith("_call"):
            worker.arm(point, action="raise", order=order)


def _pause_at(point: str) -> Callable[[Worker, Order], None]:
    seconds = settings.WORK_LEASE_SECONDS + 1
    return lambda worker, order: worker.arm(point, action=f"pause {seconds}", order=order)


def _kill_twice(worker: Worker, order: Order) -> None:
    worker.arm("order.submit.after_call", action="kill", order=order)
    worker.arm("order.claimed", action="kill", order=order)


_ARM: dict[str, Callable[[Worker, Order], None]] = {
    "delivered three times": lambda worker, order: None,
    "raises at every call": _raise_everywhere,
    "killed twice at the same call": _kill_twice,
    "paused past its lease before the call": _pause_at("order.submit.before_call"),
    "paused past its lease after the call": _pause_at("order.custody.after_call"),
}


@pytest.mark.fault
@pytest.mark.parametrize("case", CASES)
def test_an_order_is_bought_held_and_minted_exactly_once(ward: Ward, case: str) -> None:
    order, evidence = ward.orders[case], ward.evidence[case]

    assert order.state == State.MINT_CONFIRMED, order.last_error
    assert evidence.broker_orders == evidence.custody_transfers == evidence.mints == 1
    assert evidence.filled == order.quantity == order.filled_quantity == evidence.in_custody
    assert evidence.minted_units == token_units(order.quantity)


def test_every_armed_failpoint_was_reached(ward: Ward) -> None:
    assert ward.never_reached == []


def test_the_audit_chain_verifies_after_all_faults(ward: Ward) -> None:
    verdict = audit.verify()

    assert verdict.faults == []
    assert verdict.sealed == verdict.rows > len(CASES)


def test_no_record_is_left_without_its_order(ward: Ward) -> None:
    orders = {order.pk for order in ward.orders.values()}

    assert set(CustodyRecord.objects.values_list("reference", flat=True)) == orders
    assert set(MintTx.objects.values_list("reference", flat=True)) == orders


def test_nonces_have_neither_gap_nor_reuse(ward: Ward) -> None:
    nonces = sorted(mint.nonce for mint in MintTx.objects.all() if mint.nonce is not None)

    assert len(nonces) == MintTx.objects.count()
    assert nonces == list(range(nonces[0], nonces[0] + len(nonces)))
