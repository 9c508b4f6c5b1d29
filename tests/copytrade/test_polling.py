"""What a master does directly at the exchange becomes signals (EXE-1, research 2.3)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Notice
from agora.sandbox.client import SandboxControl
from copytrade.models import (
    AccountWatch,
    CopyOrder,
    Fill,
    LedgerEntry,
    MasterOrder,
    MasterPosition,
    Strategy,
)
from copytrade.replication import opening, polling
from copytrade.selectors.equity import wallet_balance
from copytrade.services import desk
from tests.copying import mark, new_master, new_strategy, new_subscription
from tests.copytrade.deskwork import (
    BALANCES,
    PRICE,
    advance,
    at_exchange,
    cancel_at_exchange,
    limit,
    place,
    poll,
    published,
    signals,
)

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def _weight(sandbox: SandboxControl, strategy: Strategy) -> int:
    before = sandbox.binance.summary()["weight"]
    poll(strategy)
    return int(sandbox.binance.summary()["weight"] - before)


def test_an_order_that_came_and_went_between_two_polls_is_copied(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    new_subscription(strategy=strategy)
    report = at_exchange(master.account)

    poll(strategy)

    order = MasterOrder.objects.get()
    assert (order.source, order.state, order.filled) == ("exchange", "FILLED", D("0.01"))
    assert (order.exchange_order_id, order.placed_at) == (report.id, report.created_at)
    assert order.equity_before == D(10_000) + D("0.5") * 50_000
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]
    assert CopyOrder.objects.count() == 1


def test_the_same_is_read_again_without_another_signal(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account)
    poll(strategy)

    AccountWatch.objects.filter(strategy=strategy).update(trade_ids={}, balances={})
    poll(strategy)

    assert len(signals(strategy)) == 1
    assert Fill.objects.count() == 1
    assert MasterPosition.objects.get(symbol="BTC/USDT").quantity == D("0.50999")


def test_a_pair_bought_and_sold_between_two_polls_is_found_by_its_price(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox, balances={"USDT": "10000", "BTC": "1", "BNB": "10"})
    sandbox.binance.key(master.label, bnb_burn=True)
    at_exchange(master.account)
    at_exchange(master.account, side="SELL")

    poll(strategy)

    assert signals(strategy) == [("OPEN", "MARKET", D("0.01")), ("CLOSE", "MARKET", D("0.01"))]


def test_orders_of_one_poll_are_taken_in_the_order_of_their_trades(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account, side="SELL", quantity="0.25")
    at_exchange(master.account, side="SELL", quantity="0.25")

    poll(strategy)

    closes = strategy.signals.order_by("number").values_list("cumulative", "position_before")
    assert list(closes) == [(D("0.25"), D("0.5")), (D("0.25"), D("0.25"))]


def test_a_resting_order_and_its_cancellation_are_mirrored(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox, copy_on=Strategy.CopyOn.ACCEPT)
    report = at_exchange(master.account, price="40000")
    poll(strategy)
    assert signals(strategy) == [("OPEN", "LIMIT", D("0.01"))]

    cancel_at_exchange(master.account, report)
    poll(strategy)

    assert signals(strategy)[1:] == [("CANCEL", "LIMIT", D(0))]
    assert MasterOrder.objects.get().state == "CANCELLED"


def test_an_amendment_of_equal_value_is_seen_though_no_balance_changed(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox, copy_on=Strategy.CopyOn.ACCEPT)
    old = at_exchange(master.account, price="40000", quantity="0.01")
    poll(strategy)

    cancel_at_exchange(master.account, old)
    at_exchange(master.account, price="20000", quantity="0.02")
    poll(strategy)

    assert signals(strategy) == [
        ("OPEN", "LIMIT", D("0.01")),
        ("CANCEL", "LIMIT", D(0)),
        ("OPEN", "LIMIT", D("0.02")),
    ]


def test_fills_of_a_resting_order_are_copied_by_cumulative_quantity(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox)
    sandbox.binance.script(account=master.label, parts=["40%"], outcome="never")
    report = at_exchange(master.account, price="50001")
    poll(strategy)
    cancel_at_exchange(master.account, report)
    poll(strategy)

    order = MasterOrder.objects.get()
    assert (order.state, order.filled) == ("CANCELLED", D("0.004"))
    assert signals(strategy) == [("OPEN", "MARKET", D("0.004"))]


def test_what_was_there_before_publishing_is_booked_but_no_signal(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox)
    resting = at_exchange(master.account, price="40000")
    at_exchange(master.account)
    Strategy.objects.filter(pk=strategy.pk).update(created_at=timezone.now() + timedelta(minutes=1))
    poll(strategy)

    sandbox.binance.price("BTCUSDT", "39900")
    poll(strategy)

    assert signals(strategy) == []
    assert MasterOrder.objects.get(exchange_order_id=resting.id).state == "FILLED"
    assert Fill.objects.filter(strategy=strategy).count() == 2


def test_the_first_reading_opens_the_ledger_with_what_is_held(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)

    assert wallet_balance(account_id=master.account.pk, asset="BTC") == D("0.5")
    assert MasterPosition.objects.get(strategy=strategy).quantity == D("0.5")
    assert signals(strategy) == []


def test_a_pair_outside_the_strategy_is_booked_and_gives_no_signal(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox, symbols=["BTC/USDT"])
    at_exchange(master.account, symbol="ETH/USDT", quantity="1")

    poll(strategy)

    assert signals(strategy) == []
    assert not MasterOrder.objects.exists()
    assert MasterPosition.objects.get(symbol="ETH/USDT").quantity == D("0.999")
    assert LedgerEntry.objects.filter(account=master.account, asset="ETH").exists()


def test_an_order_of_the_desk_is_not_taken_for_another(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    order = advance(place(strategy))

    poll(strategy)

    assert list(MasterOrder.objects.values_list("pk", flat=True)) == [order.pk]
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


def test_the_poll_may_see_an_order_before_its_own_sending_is_recorded(
    sandbox: SandboxControl,
) -> None:
    _master, strategy = published(sandbox)
    sandbox.fault("POST /binance/api/v3/order", "drop_after")
    order = advance(place(strategy))
    assert order.state == "PENDING"

    poll(strategy)
    order = advance(order)

    assert (order.state, order.filled) == ("FILLED", D("0.01"))
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


def test_an_order_of_the_exchange_can_be_cancelled_at_the_desk(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account, price="40000")
    poll(strategy)
    order = MasterOrder.objects.get()

    desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=timezone.now())
    order = advance(order)

    assert order.state == "CANCELLED"
    assert sandbox.binance.orders(master.label)[0]["status"] == "CANCELED"


def test_after_an_outage_opens_have_expired_and_closes_have_not(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account)
    at_exchange(master.account, side="SELL")
    late = timezone.now() + timedelta(minutes=10)
    Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())

    polling.poll(strategy_id=strategy.pk, now=late)

    opening, closing = strategy.signals.order_by("number")
    assert opening.expires_at is not None
    assert opening.expires_at < late
    assert closing.expires_at is None


def test_a_quiet_account_costs_its_balances_only(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)
    poll(strategy)

    assert _weight(sandbox, strategy) == 20


def test_a_trade_costs_what_the_docstring_says(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    poll(strategy)
    at_exchange(master.account)

    balances, open_orders, trades, order = 20, 3 * 6, 20, 9
    assert _weight(sandbox, strategy) == balances + open_orders + trades + order


def test_an_account_with_an_invalid_key_is_tried_again_and_its_master_told(
    sandbox: SandboxControl,
) -> None:
    master, strategy = published(sandbox)
    sandbox.binance.key(master.label, revoked=True)

    for _attempt in range(6):
        Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())
        polling.poll(strategy_id=strategy.pk, now=timezone.now())

    strategy.refresh_from_db()
    assert strategy.attention
    assert strategy.next_attempt_at is not None
    assert Notice.objects.filter(user=master.user, kind="strategy_unreadable").count() == 1
    sandbox.binance.key(master.label, revoked=False)
    assert not poll(strategy).attention


def test_a_deleted_strategy_is_not_read_any_more(sandbox: SandboxControl) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account)
    Strategy.objects.filter(pk=strategy.pk).update(state="DELETED")

    assert poll(strategy).next_attempt_at is None
    assert signals(strategy) == []


def test_a_limit_order_of_the_desk_is_followed_by_the_poll_as_well(
    sandbox: SandboxControl,
) -> None:
    _master, strategy = published(sandbox)
    advance(limit(strategy))
    sandbox.binance.price("BTCUSDT", "39900")

    poll(strategy)

    assert MasterOrder.objects.get().state == "FILLED"
    assert signals(strategy) == [("OPEN", "MARKET", D("0.01"))]


@pytest.mark.parametrize(
    "point",
    [
        "poll.take.before_commit",
        "poll.take.after_commit",
        "poll.rest.before_commit",
    ],
)
def test_a_poll_that_breaks_off_is_made_again_without_another_signal(
    sandbox: SandboxControl, tmp_path: Path, settings: Settings, point: str
) -> None:
    master, strategy = published(sandbox)
    at_exchange(master.account)
    at_exchange(master.account, side="SELL")
    settings.FAILPOINTS_DIR = str(tmp_path)
    (tmp_path / point).write_text("raise")
    Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())
    polling.poll(strategy_id=strategy.pk, now=timezone.now())
    assert not (tmp_path / point).exists()

    poll(strategy)

    assert signals(strategy) == [("OPEN", "MARKET", D("0.01")), ("CLOSE", "MARKET", D("0.01"))]
    assert Fill.objects.count() == 2


def test_trades_between_the_opening_of_the_ledger_and_publishing_are_booked(
    sandbox: SandboxControl,
) -> None:
    mark("BTC/USDT", PRICE)
    sandbox.binance.price("BTCUSDT", PRICE)
    master = new_master(control=sandbox, balances=BALANCES)
    at_exchange(master.account)
    strategy = new_strategy(master=master)

    opening.begin(strategy=strategy, now=timezone.now())

    assert Fill.objects.get().strategy_id is None
    assert MasterPosition.objects.get(strategy=strategy).quantity == D("0.50999")
    poll(strategy)
    assert signals(strategy) == []
    assert wallet_balance(account_id=master.account.pk, asset="BTC") == D("0.50999")
