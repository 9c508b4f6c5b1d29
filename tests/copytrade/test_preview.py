"""What a subscription would have copied of the master's last 90 days (SUB-1)."""

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.exchange.types import Trade
from copytrade.ledger import booking
from copytrade.ledger.booking import Booking
from copytrade.models import NavPoint, RiskLimits, Strategy
from copytrade.selectors import preview as previews
from copytrade.selectors.preview import Line, Preview
from copytrade.services.terms import Terms
from tests.copying import mark, new_master, new_strategy
from tests.people import new_user

pytestmark = pytest.mark.django_db
_ids = itertools.count(1)


@pytest.fixture(autouse=True)
def _exchange(sandbox: SandboxControl) -> None:
    """The exchange's real rules: lots of 0.00001 BTC, orders from 5 USDT."""
    runner.close()


@pytest.fixture
def strategy() -> Strategy:
    """A master with 10,000 USDT."""
    return new_strategy(master=new_master())


def trade(
    strategy: Strategy,
    *,
    side: str = "BUY",
    quantity: str = "0.1",
    price: str = "50000",
    days_ago: float = 10,
    symbol: str = "BTC/USDT",
    order: str = "",
) -> None:
    """Book a trade on the master's account."""
    number = str(next(_ids))
    at: datetime = strategy.created_at - timedelta(days=days_ago)
    told = Trade(
        id=number,
        order_id=order or number,
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quantity) * Decimal(price),
        fee=Decimal(0),
        fee_asset="USDT",
        at=at,
        maker=False,
    )
    made = Booking(account_id=strategy.account_id, trade=told, strategy_id=strategy.pk)
    booking.book([made], now=strategy.created_at)


def preview(
    strategy: Strategy,
    *,
    user: User | None = None,
    stop_equity: Decimal | None = None,
    **changes: Any,
) -> Preview:
    values: dict[str, Any] = {
        "sizing": "proportional",
        "factor": Decimal(1),
        "allocated": Decimal(1000),
        "symbols": strategy.symbols,
        "slippage_bps": 50,
        "max_open": 20,
        "minimum": "skip",
        "on_stop": "close",
    }
    return previews.preview_of(
        user=user or new_user(),
        strategy=strategy,
        terms=Terms(**{**values, **changes}),
        stop_equity=stop_equity,
        now=strategy.created_at,
    )


def only(found: Preview) -> Line:
    assert len(found.lines) == 1
    return found.lines[0]


def test_a_master_who_did_nothing_shows_nothing(strategy: Strategy) -> None:
    found = preview(strategy)
    assert (found.orders, found.copied) == (0, 0)
    assert not found.result
    assert not found.fees


def test_sizes_follow_the_share_of_equity(strategy: Strategy) -> None:
    mark()
    trade(strategy, quantity="0.1")
    # The master had 10,000 USDT, the copy has 1,000: a tenth of 0.1 BTC.
    assert only(preview(strategy)).quantity == Decimal("0.01")


def test_equity_is_that_of_the_evening_before(strategy: Strategy) -> None:
    day = (strategy.created_at - timedelta(days=11)).date()
    NavPoint.objects.create(strategy=strategy, day=day, nav=1, equity=Decimal(20_000))
    trade(strategy, quantity="0.1")
    assert only(preview(strategy)).quantity == Decimal("0.005")


def test_sizes_follow_a_multiple_or_a_fixed_amount(strategy: Strategy) -> None:
    trade(strategy, quantity="0.01")
    assert only(preview(strategy, sizing="multiplier", factor=Decimal("1.5"))).quantity == Decimal(
        "0.015"
    )
    fixed = only(preview(strategy, sizing="fixed", factor=Decimal(100)))
    assert fixed.quantity == Decimal("0.002")


def test_trades_of_one_order_are_one_line(strategy: Strategy) -> None:
    mark()
    trade(strategy, quantity="0.04", order="77")
    trade(strategy, quantity="0.06", order="77", price="60000")
    line = only(preview(strategy))
    assert line.master_quantity == Decimal("0.1")
    assert line.price == 56_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"symbols": ["ETH/USDT"]}, "symbol_not_allowed"),
        ({"sizing": "fixed", "factor": Decimal(1)}, "below_minimum"),
        ({"sizing": "fixed", "factor": Decimal(1), "minimum": "accumulate"}, "accumulated"),
    ],
)
def test_a_skipped_order_says_why(strategy: Strategy, changes: dict[str, Any], reason: str) -> None:
    trade(strategy)
    found = preview(strategy, **changes)
    assert only(found).reason == reason
    assert str(only(found).why)
    assert [(code, count) for code, _why, count in found.skipped] == [(reason, 1)]
    assert found.copied == 0
    assert not found.fees
    assert not found.result


def test_small_orders_accumulate_until_they_are_large_enough(strategy: Strategy) -> None:
    for number in range(6):
        trade(strategy, days_ago=20 - number)
    found = preview(strategy, sizing="fixed", factor=Decimal(1), minimum="accumulate")
    reasons = [line.reason for line in reversed(found.lines)]
    assert reasons[:5] == ["accumulated"] * 5
    assert found.lines[0].copied


def test_small_orders_are_raised_when_asked(strategy: Strategy) -> None:
    trade(strategy)
    line = only(preview(strategy, sizing="fixed", factor=Decimal(1), minimum="bump"))
    assert line.value >= 5


def test_the_allocation_is_never_exceeded(strategy: Strategy) -> None:
    for days in (9, 8, 7):
        trade(strategy, quantity="0.01", days_ago=days)
    found = preview(strategy, sizing="multiplier", factor=Decimal(1))
    assert [line.reason for line in reversed(found.lines)] == [
        "",
        "allocation_used_up",
        "allocation_used_up",
    ]
    assert found.most_used <= 1000


def test_no_more_pairs_are_opened_than_allowed(strategy: Strategy) -> None:
    trade(strategy, days_ago=9, quantity="0.01")
    trade(strategy, days_ago=8, symbol="ETH/USDT", quantity="0.1", price="2000")
    found = preview(strategy, sizing="fixed", factor=Decimal(100), max_open=1)
    assert [line.reason for line in found.lines] == ["max_open_reached", ""]


def test_ones_own_risk_limits_count(strategy: Strategy) -> None:
    user = new_user()
    RiskLimits.objects.create(user=user, max_order=Decimal(50), updated_at=strategy.created_at)
    trade(strategy)
    line = only(preview(strategy, user=user, sizing="fixed", factor=Decimal(500)))
    assert line.copied
    assert line.value <= 50
    assert line.reason == "risk_max_order"


def test_closes_are_copied_by_their_fraction_whatever_the_limits(strategy: Strategy) -> None:
    trade(strategy, days_ago=9, quantity="0.1")
    trade(strategy, days_ago=8, side="SELL", quantity="0.05", price="60000")
    buy, sell = reversed(preview(strategy, sizing="fixed", factor=Decimal(500)).lines)
    assert buy.quantity == Decimal("0.01")
    assert sell.quantity == Decimal("0.00499")  # half of what the fee left of it


def test_a_close_without_a_position_is_told(strategy: Strategy) -> None:
    trade(strategy, side="SELL")
    assert only(preview(strategy)).reason == "no_position"


def test_the_result_is_what_was_earned_less_fees(strategy: Strategy) -> None:
    trade(strategy, days_ago=9, quantity="0.1", price="50000")
    trade(strategy, days_ago=8, side="SELL", quantity="0.1", price="60000")
    found = preview(strategy, sizing="fixed", factor=Decimal(500))
    gain = Decimal("0.01") * 10_000
    assert gain - 3 < found.result < gain
    assert Decimal("1.0") < found.fees < Decimal("1.2")


def test_open_positions_count_at_their_last_price(strategy: Strategy) -> None:
    trade(strategy, days_ago=9, quantity="0.1", price="50000")
    trade(strategy, days_ago=8, side="SELL", quantity="0.0001", price="40000")
    assert preview(strategy, sizing="fixed", factor=Decimal(500)).result < -90


def test_the_stop_loss_ends_the_replay(strategy: Strategy) -> None:
    trade(strategy, days_ago=9, quantity="0.1", price="50000")
    trade(strategy, days_ago=8, quantity="0.001", price="25000")
    trade(strategy, days_ago=7, quantity="0.001", price="25000")
    found = preview(strategy, sizing="fixed", factor=Decimal(900), stop_equity=Decimal(800))
    assert found.stopped_at == strategy.created_at - timedelta(days=8)
    assert [line.copied for line in found.lines] == [False, False, True]


def test_what_is_older_than_ninety_days_is_not_shown(strategy: Strategy) -> None:
    trade(strategy, days_ago=91, quantity="0.2")
    trade(strategy, days_ago=1, side="SELL", quantity="0.1")
    line = only(preview(strategy))
    assert (line.side, line.reason) == ("SELL", "no_position")


def test_the_exchange_may_be_away(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "_rules", dict)
    trade(strategy)
    found = preview(strategy, sizing="fixed", factor=Decimal(4))
    assert not found.has_rules
    assert only(found).reason == "below_minimum"


def test_the_number_of_queries_does_not_grow_with_the_orders(strategy: Strategy) -> None:
    trade(strategy)
    with CaptureQueriesContext(
        connection,
    ) as few:
        preview(strategy, user=strategy.master)
    for days in range(30):
        trade(strategy, days_ago=days + 1, quantity="0.001")
    with CaptureQueriesContext(connection) as many:
        assert preview(strategy, user=strategy.master).orders == 31
    assert len(many) == len(few)
    assert len(many) <= 10
