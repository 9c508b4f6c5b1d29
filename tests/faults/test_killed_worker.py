"""The whole worker dies, parent and children, while orders are under way."""

from collections.abc import Iterator

import pytest

from agora.sandbox.client import SandboxControl
from tests.faults.evidence import Books
from tests.faults.worker import Worker, sweep_until_rest, wait_until
from tests.people import onboarded
from tests.settling import place
from trading.models import Order
from trading.states import State

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, _contract: str
) -> Iterator[Worker]:
    made = Worker(folder=tmp_path_factory.mktemp("worker"), concurrency=2)
    made.start()
    yield made
    made.kill()


@pytest.mark.fault
def test_another_worker_finishes_what_a_killed_one_began(
    worker: Worker, sandbox: SandboxControl
) -> None:
    orders = [place(onboarded(), quantity="0.05") for _ in range(4)]
    ids = [order.pk for order in orders]
    at_work = Order.objects.filter(pk__in=ids, lease_token__isnull=False)
    wait_until(at_work.exists, limit=30, what="a worker at work")

    worker.kill()
    worker.start()
    sweep_until_rest(orders, limit=60)

    books = Books(sandbox)
    for order in Order.objects.filter(pk__in=ids):
        found = books.of(order)
        assert order.state == State.MINT_CONFIRMED, order.last_error
        assert (found.broker_orders, found.custody_transfers, found.mints) == (1, 1, 1)


@pytest.mark.fault
def test_a_refused_order_releases_its_limit_once_though_its_worker_dies(
    worker: Worker, sandbox: SandboxControl
) -> None:
    sandbox.market(fill={"outcome": "reject"})
    people = [onboarded(), onboarded()]
    orders = [place(user, quantity="0.05", nudged=False) for user in people]
    worker.arm("order.close.before_commit", action="kill", order=orders[0])
    worker.arm("order.close.after_commit", action="kill", order=orders[1])

    sweep_until_rest(orders, limit=60)

    assert worker.armed() == []
    for order in orders:
        order.refresh_from_db()
        assert order.state == State.REJECTED
        assert order.reserved_usd == 0
    for user in people:
        assert user.kyc_application.daily_limit.used_usd == 0
