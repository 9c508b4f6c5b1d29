"""Track records: neutral to deposits, and right by hand (MKT-1)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrade.exchange.types import Side, Trade
from copytrade.ledger import booking, nav, records
from copytrade.models import DailyPrice, LedgerEntry, NavPoint, Strategy
from copytrade.tasks.records import due
from tests.copying import new_master, new_strategy, new_subscription

DAY = date(2026, 3, 1)
amounts = st.decimals(0, 10**9, places=8)
rises = st.decimals("-0.99", "3", places=6)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def days(worths: list[tuple[str, str, str]]) -> list[nav.Day]:
    """(equity, deposits, withdrawals) of consecutive days."""
    return [
        nav.Day(DAY + timedelta(days=number), *map(Decimal, worth))
        for number, worth in enumerate(worths)
    ]


def test_a_hand_computed_curve() -> None:
    """1,000 grow by 10 %, get a deposit of 900, lose 5 %, pay out 400, and gain 20 %."""
    curve = list(
        nav.unit_values(
            days(
                [
                    ("1000", "1000", "0"),
                    ("1100", "0", "0"),
                    ("2000", "900", "0"),
                    ("1900", "0", "0"),
                    ("1500", "0", "400"),
                    ("1800", "0", "0"),
                ]
            )
        )
    )

    assert [point.nav for point in curve] == [
        Decimal(each) for each in ("1", "1.1", "1.1", "1.045", "1.045", "1.254")
    ]
    found = nav.figures(curve, before=None)
    assert found.roi == Decimal("0.254")
    assert found.pnl == Decimal("300")  # 100 - 100 + 300
    assert found.max_drawdown == Decimal("0.05")
    assert found.sharpe is None  # six returns are too few


def test_sharpe_is_the_mean_over_the_deviation_of_a_year() -> None:
    returns = [Decimal(each) for each in ("0.01", "-0.01", "0.02", "0", "0.01", "-0.02", "0.03")]
    mean = sum(returns, Decimal(0)) / 7
    deviation = (sum(((r - mean) ** 2 for r in returns), Decimal(0)) / 6).sqrt()

    found = nav.sharpe(returns)

    assert found is not None
    assert abs(found - mean / deviation * Decimal(365).sqrt()) < Decimal("1E-20")
    assert nav.sharpe(returns[:6]) is None
    assert nav.sharpe([Decimal("0.01")] * 10) is None


@given(st.lists(st.tuples(amounts, amounts), max_size=20), amounts)
def test_deposits_and_withdrawals_never_move_the_unit_value(
    flows: list[tuple[Decimal, Decimal]], first: Decimal
) -> None:
    """Whatever comes and goes: without a profit each unit stays worth 1."""
    equity, told = first, [nav.Day(DAY, first, first)]
    for came, asked in flows:
        left = min(asked, equity + came)
        equity += came - left
        told.append(nav.Day(DAY, equity, came, left))

    assert {point.nav for point in nav.unit_values(told)} == {Decimal(1)}


@given(st.lists(st.tuples(rises, amounts), min_size=1, max_size=20))
def test_a_deposit_before_a_day_of_trading_leaves_that_days_return(
    steps: list[tuple[Decimal, Decimal]],
) -> None:
    """The same returns with and without deposits give the same curve."""
    plain, paid_in = [], []
    alone = together = Decimal(1000)
    for number, (rise, deposit) in enumerate(steps):
        day = DAY + timedelta(days=number)
        first = Decimal(1000) if number == 0 else Decimal(0)
        alone *= 1 + rise
        plain.append(nav.Day(day, alone, first))
        together = (together + deposit) * (1 + rise)
        paid_in.append(nav.Day(day, together, first + deposit))

    curves = zip(nav.unit_values(plain), nav.unit_values(paid_in), strict=True)
    assert all(abs(a.nav - b.nav) <= Decimal("1E-6") * (1 + a.nav) for a, b in curves)


@given(st.lists(st.decimals(0, 10**6, places=12), min_size=1, max_size=50))
def test_a_drawdown_is_between_nothing_and_all(curve: list[Decimal]) -> None:
    assert 0 <= nav.max_drawdown(curve) <= 1


@given(st.lists(st.tuples(amounts, amounts, amounts), max_size=30))
def test_any_days_give_a_curve_that_fits_its_columns(
    worths: list[tuple[Decimal, Decimal, Decimal]],
) -> None:
    told = [nav.Day(DAY + timedelta(days=n), *worth) for n, worth in enumerate(worths)]
    curve = list(nav.unit_values(told))
    found = nav.figures(curve, before=None)

    assert all(0 <= point.nav < Decimal("1E12") for point in curve)
    assert -1 <= found.roi < Decimal("1E10")
    assert 0 <= found.max_drawdown <= 1
    assert found.sharpe is None or abs(found.sharpe) < Decimal("1E12")


# --- the job, on rows ---------------------------------------------------------------------


@pytest.fixture
def strategy(db: None) -> Strategy:
    """A strategy whose account began on 1 March with 1,000 USDT."""
    strategy = new_strategy(master=new_master(balances={}), now=at(1))
    booking.open_books(account=strategy.account, balances={"USDT": Decimal(1000)}, now=at(1, 0))
    close(*["100"] * 5)
    return strategy


def close(*prices: str, symbol: str = "BTC/USDT", first: int = 1) -> None:
    for number, price in enumerate(prices, start=first):
        DailyPrice.objects.update_or_create(
            exchange="binance",
            symbol=symbol,
            day=date(2026, 3, number),
            defaults={"close": Decimal(price)},
        )


_ids: Iterator[int] = iter(range(1, 10**6))


def trade(
    strategy: Strategy,
    *,
    when: datetime,
    side: Side = "BUY",
    quantity: str = "5",
    price: str = "100",
    fee: str = "0",
    order: str = "",
    booked: datetime | None = None,
) -> None:
    number = next(_ids)
    told = Trade(
        id=str(number),
        order_id=order or f"order-{number}",
        symbol="BTC/USDT",
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        quote_quantity=Decimal(quantity) * Decimal(price),
        fee=Decimal(fee),
        fee_asset="USDT",
        at=when,
        maker=False,
    )
    by = booking.Booking(account_id=strategy.account_id, trade=told, strategy_id=strategy.pk)
    assert booking.book([by], now=booked or when) == 1


def curve(strategy: Strategy) -> list[Decimal]:
    points = NavPoint.objects.filter(strategy=strategy).order_by("day")
    return [point.nav.normalize() for point in points]


def test_the_opening_balance_is_a_deposit(strategy: Strategy) -> None:
    records.refresh(strategy_id=strategy.pk, now=at(2))

    first, second = NavPoint.objects.filter(strategy=strategy).order_by("day")
    assert [first.nav, first.equity, first.flows] == [1, 1000, 1000]
    assert [second.nav, second.equity, second.flows] == [1, 1000, 0]
    assert second.holdings == {"USDT": "1000"}


def test_a_position_is_worth_the_close_of_each_day(strategy: Strategy) -> None:
    """5 BTC bought at 100: worth 600 and 450 at the next closes."""
    trade(strategy, when=at(1))
    close("120", "90", first=2)

    records.refresh(strategy_id=strategy.pk, now=at(3))

    assert curve(strategy) == [Decimal(each) for each in ("1", "1.1", "0.95")]
    record = strategy.records.get(period=7)
    assert (record.roi, record.pnl) == (Decimal("-0.05"), Decimal("-50"))
    assert record.max_drawdown == Decimal("0.13636364")  # from 1.1 to 0.95
    assert record.sharpe is None


def test_a_deposit_in_kind_is_worth_that_days_price_and_no_profit(strategy: Strategy) -> None:
    booking.book_external(
        account=strategy.account, asset="BTC", amount=Decimal(3), note="", at=at(2), now=at(2)
    )
    booking.book_external(
        account=strategy.account, asset="USDT", amount=Decimal(-700), note="", at=at(3), now=at(3)
    )

    records.refresh(strategy_id=strategy.pk, now=at(4))

    assert set(curve(strategy)) == {Decimal(1)}
    assert strategy.records.get(period=7).pnl == 0
    assert [p.flows for p in NavPoint.objects.order_by("day")] == [1000, 300, -700, 0]


def test_a_corrected_deposit_leaves_no_trace_in_the_return(strategy: Strategy) -> None:
    wrong = booking.book_external(
        account=strategy.account, asset="USDT", amount=Decimal(500), note="", at=at(2), now=at(2)
    )
    booking.reverse(entry=wrong, note="typed twice", now=at(3))

    records.refresh(strategy_id=strategy.pk, now=at(4))

    assert set(curve(strategy)) == {Decimal(1)}


def test_a_late_fill_changes_the_days_since_it_happened(strategy: Strategy) -> None:
    close("100", "110", "120", "130", "140", first=1)
    records.refresh(strategy_id=strategy.pk, now=at(5))
    assert set(curve(strategy)) == {Decimal(1)}

    trade(strategy, when=at(2), price="110", booked=at(5, 13))
    records.refresh(strategy_id=strategy.pk, now=at(5, 14))

    late = curve(strategy)
    assert late == [Decimal(each) for each in ("1", "1", "1.05", "1.1", "1.15")]
    NavPoint.objects.all().delete()
    records.refresh(strategy_id=strategy.pk, now=at(5, 15))
    assert curve(strategy) == late, "computed from nothing it is the same"


def test_only_days_that_changed_are_computed_anew(strategy: Strategy) -> None:
    records.refresh(strategy_id=strategy.pk, now=at(5))
    before = dict(NavPoint.objects.values_list("day", "pk"))

    trade(strategy, when=at(5, 13))
    records.refresh(strategy_id=strategy.pk, now=at(5, 14))

    after = dict(NavPoint.objects.values_list("day", "pk"))
    assert [day.day for day in before if after[day] == before[day]] == [1, 2, 3]


def test_without_a_close_the_newest_trade_or_older_close_counts(strategy: Strategy) -> None:
    DailyPrice.objects.all().delete()
    trade(strategy, when=at(1))
    trade(strategy, when=at(3), quantity="1", price="150")

    records.refresh(strategy_id=strategy.pk, now=at(4))

    assert curve(strategy) == [Decimal(each) for each in ("1", "1", "1.25", "1.25")]


def test_a_win_is_a_closing_order_with_a_gain_whatever_its_slices(strategy: Strategy) -> None:
    trade(strategy, when=at(1), quantity="8")
    trade(strategy, when=at(2), side="SELL", quantity="2", price="130", order="a")
    trade(strategy, when=at(2), side="SELL", quantity="2", price="90", order="a")
    trade(strategy, when=at(3), side="SELL", quantity="1", price="80", order="b")
    trade(strategy, when=at(3), side="SELL", quantity="1", price="100", fee="0.1", order="c")

    records.refresh(strategy_id=strategy.pk, now=at(4))

    record = strategy.records.get(period=30)
    assert (record.trades, record.win_rate) == (3, Decimal("0.33333333"))


def test_each_period_looks_back_as_far_as_it_says(strategy: Strategy) -> None:
    """Gained on day 2, ten days ago: in the record of 30 days, not in that of 7."""
    trade(strategy, when=at(1))
    trade(strategy, when=at(2), side="SELL", price="140")

    records.refresh(strategy_id=strategy.pk, now=at(12))

    week, month = (strategy.records.get(period=p) for p in (7, 30))
    assert [week.roi, week.pnl, week.trades, week.win_rate] == [0, 0, 0, None]
    assert [month.roi, month.pnl, month.trades, month.win_rate] == [Decimal("0.2"), 200, 1, 1]


def test_an_account_without_bookings_has_a_record_of_nothing(db: None) -> None:
    strategy = new_strategy(master=new_master(balances={}))

    records.refresh(strategy_id=strategy.pk, now=at(3))

    assert not NavPoint.objects.exists()
    assert {r.roi for r in strategy.records.all()} == {0}
    assert strategy.records.count() == 4


def test_a_made_up_curve_without_bookings_stays(db: None) -> None:
    demo = new_strategy(master=new_master(balances={}), is_demo=True)
    for number, value in enumerate(("1", "1.2", "1.1"), start=1):
        NavPoint.objects.create(
            strategy=demo, day=date(2026, 3, number), nav=Decimal(value), equity=1000
        )

    records.refresh(strategy_id=demo.pk, now=at(3))

    assert curve(demo) == [Decimal(each) for each in ("1", "1.2", "1.1")]
    assert demo.records.get(period=30).roi == Decimal("0.1")


def test_copied_capital_is_what_running_subscriptions_were_given(strategy: Strategy) -> None:
    new_subscription(strategy=strategy, allocated=Decimal(700))
    new_subscription(strategy=strategy, allocated=Decimal(50), state="PAUSED")
    new_subscription(strategy=strategy, allocated=Decimal(9), state="STOPPED")

    records.refresh(strategy_id=strategy.pk, now=at(3))

    strategy.refresh_from_db()
    assert strategy.aum == 750


def test_due_are_new_old_and_just_traded_strategies_only(db: None) -> None:
    now = datetime.now(UTC)
    fresh, traded, old, never, deleted = (
        new_strategy(master=new_master(balances={})) for _each in range(5)
    )
    for each, computed in (
        (fresh, now - timedelta(minutes=10)),
        (traded, now - timedelta(minutes=10)),
        (old, now - timedelta(hours=2)),
    ):
        records.refresh(strategy_id=each.pk, now=computed)
    trade(traded, when=now)
    Strategy.objects.filter(pk=deleted.pk).update(state="DELETED")

    assert due(limit=10) == [never.pk, old.pk, traded.pk]
    assert due(limit=1) == [never.pk]


def test_the_books_still_balance(strategy: Strategy) -> None:
    """The job only reads the ledger."""
    trade(strategy, when=at(1))
    before = list(LedgerEntry.objects.values_list("pk", "amount"))

    records.refresh(strategy_id=strategy.pk, now=at(2))

    assert list(LedgerEntry.objects.values_list("pk", "amount")) == before
