"""A master's order is sent once, and followers copy what became of it (EXE-1)."""

from decimal import Decimal

import pytest
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from copytrade.models import (
    CopyOrder,
    Fill,
    KillSwitch,
    MasterOrder,
    MasterPosition,
    Signal,
    Strategy,
)
from copytrade.services import desk
from copytrade.services.ticket import DeskRefused
from tests.copying import new_subscription
from tests.copytrade.deskwork import advance, limit, place, published, settle, signals
from tests.faults.worker import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def test_a_market_buy_is_filled_booked_and_copied_in_one_commit(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    subscription = new_subscription(strategy=strategy)

    order = advance(place(strategy))

    assert (order.state, order.filled) == ("FILLED", D("0.01"))
    assert order.next_attempt_at is None
    (booked,) = sandbox.binance.orders(master.label)
    assert booked["client_id"] == order.client_order_id
    fill = Fill.objects.get(master_order=order)
    assert (fill.quantity, fill.strategy_id) == (D("0.01"), strategy.pk)
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]
    assert CopyOrder.objects.get().subscription_id == subscription.pk


def test_no_signal_is_published_before_the_master_traded(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    sandbox.binance.venue(latency_ms=100)  # between the worker's look at the clock and the trade

    settle(place(strategy))

    signal = Signal.objects.get(strategy=strategy)
    assert signal.created_at >= signal.at


def test_position_and_equity_are_those_before_the_order(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)

    order = advance(place(strategy, side="SELL", quantity=D("0.125")))

    assert order.position_before == D("0.5")
    assert order.equity_before == D(10_000) + D("0.5") * 50_000
    signal = strategy.signals.get()
    assert (signal.kind, signal.cumulative) == ("CLOSE", D("0.125"))
    assert signal.position_before == D("0.5")


def test_two_sales_at_once_close_fractions_of_what_each_found(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    first = place(strategy, side="SELL", quantity=D("0.25"))
    second = place(strategy, side="SELL", quantity=D("0.25"))
    sandbox.fault("POST /binance/api/v3/order", "drop_after")

    advance(first)  # done at the exchange, but its answer is not known before the second is
    advance(second)
    settle(first)

    closes = strategy.signals.order_by("number").values_list("cumulative", "position_before")
    assert list(closes) == [(D("0.25"), D("0.5")), (D("0.25"), D("0.25"))]
    assert MasterPosition.objects.get(strategy=strategy, symbol="BTC/USDT").quantity == 0


def test_a_refused_order_leaves_no_copies(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox, balances={"USDT": "100"})
    new_subscription(strategy=strategy)

    order = advance(place(strategy))

    assert (order.state, order.reason) == ("REJECTED", "insufficient_funds")
    assert order.next_attempt_at is None
    assert signals(strategy) == []
    assert not CopyOrder.objects.exists()
    assert not Fill.objects.exists()


def _wait_for(sandbox: SandboxControl, label: str, *, executed: Decimal) -> None:
    def done() -> bool:
        return D(sandbox.binance.orders(label)[0]["executed"]) == executed

    wait_until(done, limit=10, what=f"{executed} executed")


def test_a_resting_order_is_copied_as_it_fills(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    sandbox.binance.script(account=master.label, parts=["40%"], delay=1, outcome="fill")
    order = advance(limit(strategy, price="50001"))
    assert (order.state, order.filled) == ("WORKING", 0)

    for executed in (D("0.004"), D("0.01")):
        _wait_for(sandbox, master.label, executed=executed)
        order = advance(order)

    assert order.state == "FILLED"
    assert signals(strategy) == [("OPEN", "MARKET", D("0.004")), ("OPEN", "MARKET", D("0.01"))]
    assert sum(fill.quantity for fill in order.fills.all()) == D("0.01")


def test_a_resting_order_is_copied_resting_where_the_strategy_says_so(
    sandbox: SandboxControl,
) -> None:
    _master, strategy = published(sandbox, copy_on=Strategy.CopyOn.ACCEPT)

    order = advance(limit(strategy))
    desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=timezone.now())
    order = advance(order)

    assert (order.state, order.filled) == ("CANCELLED", 0)
    assert signals(strategy) == [("OPEN", "LIMIT", D("0.01")), ("CANCEL", "LIMIT", D(0))]
    assert strategy.signals.get(kind="OPEN").price == D(40_000)


def test_a_resting_sale_is_copied_only_as_it_fills(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox, copy_on=Strategy.CopyOn.ACCEPT)
    order = advance(limit(strategy, side="SELL", price="60000"))
    assert signals(strategy) == []

    sandbox.binance.price("BTCUSDT", "60100")
    advance(order)

    assert signals(strategy) == [("CLOSE", "MARKET", D("0.01"))]


def test_an_order_cancelled_before_it_was_sent_never_is(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    order = place(strategy)

    desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=timezone.now())

    order = advance(order)
    assert (order.state, order.reason) == ("CANCELLED", "master_cancelled")
    assert sandbox.binance.orders(master.label) == []


def test_an_order_that_filled_before_its_cancellation_counts_as_filled(
    sandbox: SandboxControl,
) -> None:
    _master, strategy = published(sandbox)
    order = advance(limit(strategy))
    sandbox.binance.price("BTCUSDT", "39000")

    desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=timezone.now())
    order = settle(order)

    assert (order.state, order.filled) == ("FILLED", D("0.01"))
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


def _replaced(strategy: Strategy, order: MasterOrder, *, quantity: str, price: str) -> MasterOrder:
    return desk.replace(
        strategy=strategy,
        by=strategy.master,
        order_id=order.pk,
        quantity=D(quantity),
        price=D(price),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )


def test_a_replacement_cancels_the_old_order_and_opens_the_new_one(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox, copy_on=Strategy.CopyOn.ACCEPT)
    old = advance(limit(strategy))

    new = advance(_replaced(strategy, old, quantity="0.02", price="41000"))

    old.refresh_from_db()
    assert (old.state, new.state, new.replaces_id) == ("CANCELLED", "WORKING", old.pk)
    assert [order["status"] for order in sandbox.binance.orders(master.label)] == [
        "CANCELED",
        "NEW",
    ]
    assert signals(strategy) == [
        ("OPEN", "LIMIT", D("0.01")),
        ("CANCEL", "LIMIT", D(0)),
        ("OPEN", "LIMIT", D("0.02")),
    ]


def test_what_is_being_replaced_is_not_cancelled_past_its_replacement(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox)
    old = advance(limit(strategy))
    new = _replaced(strategy, old, quantity="0.02", price="41000")

    with pytest.raises(DeskRefused) as caught:
        desk.cancel(strategy=strategy, by=master.user, order_id=old.pk, now=timezone.now())

    assert caught.value.code == "being_replaced"
    desk.cancel(strategy=strategy, by=master.user, order_id=new.pk, now=timezone.now())
    old.refresh_from_db()
    assert (old.state, old.cancel_requested_at) == ("WORKING", None)


def test_nothing_replaces_an_order_that_filled_meanwhile(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    old = advance(limit(strategy))
    new = _replaced(strategy, old, quantity="0.02", price="39000")
    sandbox.binance.price("BTCUSDT", "39900")

    new = advance(new)

    old.refresh_from_db()
    assert (old.state, old.filled) == ("FILLED", D("0.01"))
    assert (new.state, new.reason) == ("REJECTED", "replaced_order_gone")
    assert len(sandbox.binance.orders(master.label)) == 1
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


def test_an_order_whose_change_was_refused_can_be_changed_again(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    old = advance(limit(strategy))
    too_much = _replaced(strategy, old, quantity="5", price="40000")
    switch = KillSwitch.objects.create(
        level="platform", reason="test", engaged_by="test", engaged_at=timezone.now()
    )
    assert advance(too_much).state == "REJECTED"
    KillSwitch.objects.filter(pk=switch.pk).update(released_at=timezone.now())

    new = advance(_replaced(strategy, old, quantity="0.02", price="41000"))

    assert (new.state, new.replaces_id) == ("WORKING", old.pk)
    statuses = [order["status"] for order in sandbox.binance.orders(master.label)]
    assert statuses == ["CANCELED", "NEW"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_change_whose_answer_got_lost_is_made_once(sandbox: SandboxControl, kind: str) -> None:
    master, strategy = published(sandbox)
    old = advance(limit(strategy))
    sandbox.fault("POST /binance/api/v3/order/cancelReplace", kind)

    new = settle(_replaced(strategy, old, quantity="0.02", price="41000"), until="WORKING")
    old = settle(old)

    assert (old.state, new.state) == ("CANCELLED", "WORKING")
    found = [(o["status"], D(o["qty"])) for o in sandbox.binance.orders(master.label)]
    assert found == [("CANCELED", D("0.01")), ("NEW", D("0.02"))]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_cancellation_whose_answer_got_lost_is_made(sandbox: SandboxControl, kind: str) -> None:
    _master, strategy = published(sandbox)
    order = advance(limit(strategy))
    sandbox.fault("DELETE /binance/api/v3/order", kind)

    desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=timezone.now())

    assert settle(order).state == "CANCELLED"


def test_an_order_is_not_sent_once_a_kill_switch_is_engaged(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    order = place(strategy)
    KillSwitch.objects.create(
        level="platform", reason="test", engaged_by="test", engaged_at=timezone.now()
    )

    order = advance(order)

    assert (order.state, order.reason) == ("REJECTED", "kill_switch")
    assert sandbox.binance.orders(master.label) == []


def test_a_kill_switch_stops_an_order_that_is_being_tried_again(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    sandbox.fault("POST /binance/api/v3/order", "drop_before")
    order = advance(place(strategy))
    assert order.state == "PENDING"
    KillSwitch.objects.create(
        level="platform", reason="test", engaged_by="test", engaged_at=timezone.now()
    )

    order = settle(order)

    assert (order.state, order.reason) == ("REJECTED", "kill_switch")
    assert sandbox.binance.orders(master.label) == []


def test_an_order_that_needed_a_person_goes_on_when_told_to(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    order = place(strategy)
    MasterOrder.objects.filter(pk=order.pk).update(attention=True, next_attempt_at=None)

    assert desk.try_again(order_ids=[order.pk], actor="user:1", now=timezone.now()) == 1

    assert advance(order).state == "FILLED"


def test_a_fill_after_the_end_is_counted_and_alarmed(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    order = advance(limit(strategy))
    MasterOrder.objects.filter(pk=order.pk).update(state="CANCELLED")
    sandbox.binance.price("BTCUSDT", "39900")

    order = advance(order)

    assert (order.state, order.filled, order.attention) == ("FILLED", D("0.01"), True)
    assert AuditRow.objects.filter(action="master_order.filled_after_end").count() == 1
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


def test_a_close_of_a_paused_strategy_is_done_and_copied(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    Strategy.objects.filter(pk=strategy.pk).update(state="PAUSED")
    strategy.refresh_from_db()

    order = advance(place(strategy, side="SELL", quantity=D("0.5")))

    assert order.state == "FILLED"
    assert signals(strategy) == [("CLOSE", "MARKET", D("0.5"))]
