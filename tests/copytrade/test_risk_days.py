"""Where a subscription stood as its person's day began: on time, late, and after changed zones."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from copytrade.exchange.types import Trade
from copytrade.ledger.booking import Booking, book
from copytrade.models import DailyPrice, RiskDay, RiskLimits, Subscription
from copytrade.selectors.equity import subscription_equity
from copytrade.selectors.risk import standings
from copytrade.services.risk import begin_days
from tests.copying import mark, new_subscription

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
LONG_AGO = MIDNIGHT - timedelta(days=30)


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription(now=LONG_AGO)


def trade(
    subscription: Subscription,
    side: str,
    quantity: str,
    price: str,
    at: datetime,
    *,
    fee: str = "0",
    fee_asset: str = "USDT",
    symbol: str = "BTC/USDT",
) -> None:
    """Book a copied trade."""
    amount = Decimal(quantity)
    told = Trade(
        id=str(uuid.uuid4().int % 10**15),
        order_id="1",
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        price=Decimal(price),
        quantity=amount,
        quote_quantity=amount * Decimal(price),
        fee=Decimal(fee),
        fee_asset=fee_asset,
        at=at,
        maker=False,
    )
    booking = Booking(
        account_id=subscription.account_id, trade=told, subscription_id=subscription.pk
    )
    assert book([booking], now=at) == 1


def day_of(subscription: Subscription) -> RiskDay:
    return RiskDay.objects.filter(subscription=subscription).latest("day")


def in_zone(subscription: Subscription, zone: str) -> None:
    RiskLimits.objects.update_or_create(
        user=subscription.follower, defaults={"timezone": zone, "updated_at": LONG_AGO}
    )


def test_the_first_day_of_a_new_subscription_begins_at_nothing(subscription: Subscription) -> None:
    assert begin_days(now=MIDNIGHT) == 1

    day = day_of(subscription)
    assert (day.day, day.begins_at, day.pnl_start) == (date(2026, 11, 20), MIDNIGHT, 0)


def test_a_day_begins_once(subscription: Subscription) -> None:
    begin_days(now=MIDNIGHT)
    before = list(RiskDay.objects.values())

    assert begin_days(now=MIDNIGHT + timedelta(hours=5)) == 0
    assert list(RiskDay.objects.values()) == before


def test_a_stopped_subscription_has_no_more_days() -> None:
    new_subscription(state="STOPPED", stopped_at=LONG_AGO, now=LONG_AGO)

    assert begin_days(now=MIDNIGHT) == 0


def test_on_time_it_is_realized_and_unrealized_at_the_newest_price(
    subscription: Subscription,
) -> None:
    trade(subscription, "BUY", "0.02", "50000", LONG_AGO, fee="1")
    trade(subscription, "SELL", "0.01", "51000", LONG_AGO + timedelta(days=1), fee="0.5")
    mark("BTC/USDT", "52000", at=MIDNIGHT)

    begin_days(now=MIDNIGHT + timedelta(seconds=40))

    # Sold at 10 over cost, still holds one 20 over, and 1.5 went to fees.
    day = day_of(subscription)
    assert (day.pnl_start, day.rebuilt) == (Decimal("28.5"), False)
    assert day.pnl_start == subscription_equity(subscription=subscription).total - 1000


def test_a_missed_snapshot_is_rebuilt_from_trades_before_the_edge_and_its_price(
    subscription: Subscription,
) -> None:
    trade(subscription, "BUY", "0.02", "50000", LONG_AGO, fee="1")
    DailyPrice.objects.create(
        exchange="binance", symbol="BTC/USDT", day=date(2026, 11, 19), close=Decimal(49000)
    )
    trade(subscription, "SELL", "0.02", "60000", MIDNIGHT + timedelta(hours=3), fee="2")
    mark("BTC/USDT", "61000", at=MIDNIGHT + timedelta(hours=9))

    begin_days(now=MIDNIGHT + timedelta(hours=9))

    # 0.02 held at the edge, 1000 under cost each, one fee paid; what came later plays no part.
    day = day_of(subscription)
    assert (day.pnl_start, day.rebuilt) == (Decimal("-21"), True)


def test_a_rebuilt_day_takes_an_own_trade_that_is_newer_than_the_daily_price(
    subscription: Subscription,
) -> None:
    in_zone(subscription, "America/Sao_Paulo")
    edge = MIDNIGHT + timedelta(hours=3)
    DailyPrice.objects.create(
        exchange="binance", symbol="BTC/USDT", day=date(2026, 11, 19), close=Decimal(40000)
    )
    trade(subscription, "BUY", "0.01", "50000", MIDNIGHT + timedelta(hours=2))
    mark("BTC/USDT", "61000", at=edge + timedelta(hours=9))

    begin_days(now=edge + timedelta(hours=9))

    assert (day_of(subscription).begins_at, day_of(subscription).pnl_start) == (edge, 0)


def test_a_fee_in_the_base_asset_counts_once(subscription: Subscription) -> None:
    trade(subscription, "BUY", "0.01", "50000", LONG_AGO, fee="0.00001", fee_asset="BTC")
    mark("BTC/USDT", "50000", at=MIDNIGHT)
    late = MIDNIGHT + timedelta(hours=2)
    trade(
        subscription, "SELL", "0.005", "70000", MIDNIGHT + timedelta(hours=1),
        fee="0.00001", fee_asset="BTC",
    )  # fmt: skip

    begin_days(now=late)

    assert day_of(subscription).pnl_start == Decimal("-0.5")


def test_a_losing_day_cannot_be_cut_short_by_changing_the_time_zone(
    subscription: Subscription,
) -> None:
    begin_days(now=MIDNIGHT)
    in_zone(subscription, "Asia/Tokyo")

    # In Tokyo a new day began at 15:00 UTC, but the running one is not over yet.
    assert begin_days(now=MIDNIGHT + timedelta(hours=16)) == 0
    assert begin_days(now=MIDNIGHT + timedelta(hours=39)) == 1
    assert day_of(subscription).begins_at == MIDNIGHT + timedelta(hours=39)


def test_the_short_day_of_a_clock_change_has_its_snapshot(subscription: Subscription) -> None:
    in_zone(subscription, "America/New_York")
    begin_days(now=datetime(2027, 3, 14, 5, tzinfo=UTC))  # this day has 23 hours

    assert begin_days(now=datetime(2027, 3, 15, 3, 59, tzinfo=UTC)) == 0
    assert begin_days(now=datetime(2027, 3, 15, 4, 0, tzinfo=UTC)) == 1


def test_the_loss_of_the_day_is_what_profit_and_loss_fell_by(subscription: Subscription) -> None:
    trade(subscription, "BUY", "0.01", "50000", LONG_AGO)
    mark("BTC/USDT", "52000", at=MIDNIGHT)
    begin_days(now=MIDNIGHT)
    mark("BTC/USDT", "49000", at=MIDNIGHT + timedelta(hours=1))

    standing = standings(subscription_ids=[subscription.pk], now=MIDNIGHT + timedelta(hours=1))
    assert standing[subscription.pk].loss == 30
    assert standing[subscription.pk].equity == 990


def test_more_capital_is_neither_profit_nor_loss(subscription: Subscription) -> None:
    begin_days(now=MIDNIGHT)
    Subscription.objects.filter(pk=subscription.pk).update(allocated=500)

    assert standings(subscription_ids=[subscription.pk], now=MIDNIGHT)[subscription.pk].loss == 0
