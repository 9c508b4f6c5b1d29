"""What was paid back is owed no more, what was not sold stays in sight, and no sale is believed."""

from decimal import Decimal
from uuid import uuid4

import pytest

from agora.sandbox.client import SandboxControl
from compliance.models import ReserveRow, ReserveSnapshot
from compliance.reserves.sign_off import statement_of
from compliance.reserves.verification import verify
from tests.conftest import Chain
from tests.repaying import (
    approve,
    failed,
    propose_withdrawal,
    repaid,
    sale_of,
    sold,
    taken_out,
)
from tests.reserving import a_snapshot, change, kinds, row_of
from trading.states import State

pytestmark = pytest.mark.django_db
Kind = ReserveRow.Kind
QUARTER = Decimal("0.25")


@pytest.fixture
def before(sandbox: SandboxControl, chain: Chain) -> ReserveSnapshot:
    """The figures before the test does anything."""
    chain.mine(3)
    return a_snapshot()


def difference(snapshot: ReserveSnapshot) -> Decimal:
    """Of the breaks; how many there are depends on what other tests left, which may cancel out."""
    assert snapshot.difference is not None
    return snapshot.difference


@pytest.mark.parametrize("at", [State.FILLED, State.CUSTODY_CONFIRMED])
def test_what_was_sold_and_paid_back_is_gone_from_every_figure(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain, at: State
) -> None:
    order = failed(chain, at=at)
    owed = a_snapshot()
    out = taken_out(sandbox, "0.25") if order.custody else ""
    repaid(order)
    sale_of(order, sale_order_id=sold(sandbox, "0.25"), custody_tx_id=out)

    after = a_snapshot()

    assert row_of(owed, order).kind == Kind.NOT_MINTED
    assert not after.rows.filter(order_id=order.pk).exists()
    assert (change(before, after), kinds(after)) == ({}, kinds(before))
    assert (after.difference, after.breaks) == (before.difference, before.breaks)
    assert verify(snapshot=after, offline=True).faults == []


def test_what_was_not_sold_is_kept_in_sight(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    order = failed(chain)
    repaid(order)

    after = a_snapshot()

    row = row_of(after, order)
    assert (row.kind, row.is_break, row.broker) == (Kind.KEPT, False, QUARTER)
    moved = change(before, after)
    assert (moved["kept"], moved["kept_in_custody"]) == (QUARTER, QUARTER)
    assert "not_minted" not in moved
    assert (after.difference, after.breaks) == (before.difference, before.breaks)
    assert verify(snapshot=after, offline=True).faults == []
    assert "the buyer was paid back                           0.25\n" in statement_of(after)


def test_of_what_was_sold_in_part_the_rest_is_kept(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    order = failed(chain)
    sale, out = sold(sandbox, "0.2"), taken_out(sandbox, "0.2")
    repaid(order)
    sale_of(order, quantity="0.2", sale_order_id=sale, custody_tx_id=out)

    after = a_snapshot()

    moved = change(before, after)
    assert (moved["kept"], moved["kept_in_custody"]) == (Decimal("0.05"), Decimal("0.05"))
    assert (moved["broker_position"], moved["orders_filled"]) == (Decimal("0.05"),) * 2
    assert kinds(after) - kinds(before) == {Kind.KEPT: 1}


@pytest.mark.parametrize(
    ("really", "kind", "excess"),
    [("0.2", Kind.MISSING_AT_BROKER, "0.05"), ("0.3", Kind.UNKNOWN_AT_BROKER, "-0.05")],
)
def test_a_sale_of_another_quantity_is_a_difference(
    before: ReserveSnapshot,
    sandbox: SandboxControl,
    chain: Chain,
    really: str,
    kind: Kind,
    excess: str,
) -> None:
    failed(chain, at=State.FILLED)  # whose shares are there to be sold in excess
    order = failed(chain, at=State.FILLED)
    sale = sold(sandbox, really)
    repaid(order)
    sale_of(order, sale_order_id=sale)

    after = a_snapshot()

    row = after.rows.get(reference=sale)
    assert (row.kind, row.is_break, row.order_id) == (kind, True, order.pk)
    assert row.broker == Decimal(excess)
    assert difference(after) - difference(before) == Decimal(excess)


def test_a_sale_and_a_transfer_that_never_were_are_differences(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    order = failed(chain)
    sale, out = str(uuid4()), str(uuid4())
    repaid(order)
    sale_of(order, sale_order_id=sale, custody_tx_id=out)

    after = a_snapshot()

    there = {row.reference: row for row in after.rows.filter(order_id=order.pk)}
    assert (there[sale].kind, there[sale].broker) == (Kind.MISSING_AT_BROKER, QUARTER)
    assert (there[out].kind, there[out].custody) == (Kind.MISSING_IN_CUSTODY, QUARTER)
    assert difference(after) - difference(before) == QUARTER
    assert change(before, after)["custody_difference"] == QUARTER


def test_what_is_kept_can_be_sold_later_and_bit_by_bit(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    order = failed(chain)
    repaid(order)
    for part in ("0.2", "0.05"):
        sale_of(
            order,
            quantity=part,
            sale_order_id=sold(sandbox, part),
            custody_tx_id=taken_out(sandbox, part),
        )

    after = a_snapshot()

    assert not after.rows.filter(order_id=order.pk).exists()
    assert (change(before, after), kinds(after)) == ({}, kinds(before))


def test_a_sale_recorded_with_a_wrong_id_is_put_right(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    order, wrong = failed(chain, at=State.FILLED), str(uuid4())
    repaid(order)
    sale_of(order, sale_order_id=wrong)
    approve(propose_withdrawal(order, wrong))
    sale_of(order, sale_order_id=sold(sandbox, "0.25"))

    after = a_snapshot()

    assert not after.rows.filter(order_id=order.pk).exists()
    assert (after.difference, after.breaks) == (before.difference, before.breaks)


def test_a_sale_that_nobody_recorded_is_a_difference(
    before: ReserveSnapshot, sandbox: SandboxControl, chain: Chain
) -> None:
    failed(chain, at=State.FILLED)
    sale = sold(sandbox, "0.25")

    after = a_snapshot()

    assert after.rows.get(reference=sale).kind == Kind.UNKNOWN_AT_BROKER
