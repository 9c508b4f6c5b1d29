"""What broker and custodian hold beyond the rows is looked for in their lists, each thing once."""

from decimal import Decimal

import pytest

from agora.sandbox.client import SandboxControl
from compliance.models import ReserveRow, ReserveSnapshot
from tests.conftest import Chain
from tests.people import onboarded
from tests.repaying import sold, wait_until_filled
from tests.reserving import a_snapshot, change, row_of
from tests.settling import place, settle
from trading.models import Order
from trading.states import State

pytestmark = pytest.mark.django_db
Kind = ReserveRow.Kind


@pytest.fixture
def before(sandbox: SandboxControl, chain: Chain) -> ReserveSnapshot:
    """The figures before the test does anything."""
    chain.mine(3)
    return a_snapshot()


def submitted(sandbox: SandboxControl, chain: Chain, **fill: object) -> Order:
    sandbox.market(fill=fill)
    return settle(place(onboarded(), quantity="0.25"), chain=chain, until={State.SUBMITTED})


@pytest.mark.parametrize("answered", [True, False], ids=["by its id", "by ours"])
def test_a_fill_after_an_order_was_ended_is_named_with_the_order(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain, answered: bool
) -> None:
    order = submitted(sandbox, chain, delay=0.5)
    there = order.broker_order_id if answered else None
    Order.objects.filter(pk=order.pk).update(state=State.CANCELLED, broker_order_id=there)
    wait_until_filled(sandbox, order.broker_order_id)

    after = a_snapshot()

    row = row_of(after, order)
    assert (row.kind, row.is_break, row.leg) == (Kind.UNKNOWN_AT_BROKER, True, State.CANCELLED)
    assert (row.reference, row.broker) == (order.broker_order_id, Decimal("0.25"))
    assert change(before, after)["broker_position"] == Decimal("0.25")
    assert not after.rows.filter(kind=Kind.UNEXPLAINED_BROKER).exists()


@pytest.mark.parametrize("answered", [True, False], ids=["by its id", "by ours"])
def test_what_an_open_order_lacks_or_has_is_told_once(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain, answered: bool
) -> None:
    order = submitted(sandbox, chain, partial=["0.1"], outcome="never", delay=0.01)
    told = Decimal("0.2") if answered else Decimal(0)
    there = order.broker_order_id if answered else None
    Order.objects.filter(pk=order.pk).update(filled_quantity=told, broker_order_id=there)
    sandbox.wait_for(
        lambda books: any(
            each["id"] == order.broker_order_id and each["filled_qty"] == "0.1"
            for each in books["alpaca"]["orders"]
        )
    )
    sold(sandbox, "0.01")  # so that the broker's list is looked through

    after = a_snapshot()

    assert row_of(after, order).broker == Decimal("0.1")
    assert not after.rows.filter(reference=order.broker_order_id, order_id=None).exists()
    assert not after.rows.filter(kind=Kind.UNEXPLAINED_BROKER).exists()
