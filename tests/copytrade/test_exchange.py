"""The exchange through the product's adapter, judged by the sandbox's own books."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from agora.lib.outcome import Rejected, Temporary
from copytrade.exchange import reasons
from copytrade.exchange.types import Balance, Credentials, KeyRights
from tests.trading_at import Trading, done, open_account, order

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from copytrade.exchange.venue import Venue

ORDER = "* /binance/api/v3/order"


@pytest.fixture
def account(venue: "Venue", sandbox: "SandboxControl") -> Trading:
    sandbox.binance.venue(prices={"BTCUSDT": "50000", "ETHUSDT": "3000"})
    return open_account(venue, sandbox)


def count_of(control: "SandboxControl", path: str, *, after: int) -> int:
    return sum(entry["path"].split("?")[0].endswith(path) for entry in control.journal(after=after))


def end_of_journal(control: "SandboxControl") -> int:
    last = 0
    while page := control.journal(after=last):
        last = page[-1]["n"]
    return last


# --- Orders ---------------------------------------------------------------------------------


def test_a_market_order_comes_back_filled_with_its_trades(account: Trading) -> None:
    report = account.place(side="BUY", quantity="0.01")

    assert (report.status, report.is_open) == ("FILLED", False)
    assert (report.filled, report.price) == (Decimal("0.01"), None)
    (trade,) = report.trades
    assert trade.order_id == report.id
    assert trade.price == report.average_price
    assert trade.quote_quantity == trade.price * trade.quantity == report.quote_filled
    assert (trade.fee, trade.fee_asset) == (Decimal("0.00001"), "BTC")
    assert datetime.now(UTC) - timedelta(seconds=30) < trade.at < datetime.now(UTC)


def test_a_filled_order_costs_one_request_of_weight_one(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    done(account.venue.load())
    before = sandbox.binance.summary(label=account.label)

    account.place()

    after = sandbox.binance.summary(label=account.label)
    assert after["weight"] - before["weight"] == 1
    assert after["requests"] - before["requests"] == 1


def test_a_limit_order_rests_until_it_is_cancelled(account: Trading) -> None:
    placed = account.place(price="40000")
    assert (placed.status, placed.filled, placed.trades) == ("NEW", Decimal(0), ())
    assert placed.price == Decimal(40000)

    ended = account.cancel(placed.client_order_id)

    assert ended is not None
    assert ended.status == "CANCELLED"
    assert (ended.id, ended.client_order_id) == (placed.id, placed.client_order_id)


def test_what_an_ioc_order_leaves_expires(account: Trading) -> None:
    report = account.place(price="40000", time_in_force="IOC")

    assert (report.status, report.filled) == ("EXPIRED", Decimal(0))


def test_part_fills_are_told_trade_by_trade(account: Trading, sandbox: "SandboxControl") -> None:
    sandbox.binance.script(account=account.label, parts=["40%", "10%"], outcome="never")

    report = account.place(price="50001", quantity="0.1")

    assert (report.status, report.is_open) == ("PARTIALLY_FILLED", True)
    assert [trade.quantity for trade in report.trades] == [Decimal("0.04"), Decimal("0.01")]
    assert report.has_all_trades


def test_an_order_is_found_by_either_id_with_its_trades(account: Trading) -> None:
    placed = account.place()

    found = account.find(placed.client_order_id)
    got = done(account.venue.get(account.credentials, symbol="BTC/USDT", order_id=placed.id))

    assert found == got
    assert found is not None
    assert [trade.id for trade in found.trades] == [trade.id for trade in placed.trades]
    assert (found.status, found.filled, found.quote_filled) == (
        placed.status,
        placed.filled,
        placed.quote_filled,
    )


def test_looking_up_an_order_without_fills_costs_no_second_request(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    placed = account.place(price="40000")
    before = sandbox.binance.summary(label=account.label)

    account.find(placed.client_order_id)

    assert sandbox.binance.summary(label=account.label)["weight"] - before["weight"] == 4


def test_an_order_that_never_was_is_not_found(account: Trading) -> None:
    assert account.find("never") is None
    assert account.cancel("never") is None


def test_cancelling_what_filled_tells_the_fill(account: Trading) -> None:
    placed = account.place()

    ended = account.cancel(placed.client_order_id)

    assert ended is not None
    assert ended.status == "FILLED"
    assert [trade.id for trade in ended.trades] == [trade.id for trade in placed.trades]


def test_cancelling_twice_tells_the_same_end(account: Trading) -> None:
    placed = account.place(price="40000")

    first, second = (account.cancel(placed.client_order_id) for _ in range(2))

    assert first is not None
    assert second is not None
    assert first.status == second.status == "CANCELLED"


def test_an_order_must_be_named_by_one_id(account: Trading) -> None:
    with pytest.raises(ValueError, match="one of both"):
        done(account.venue.cancel(account.credentials, symbol="BTC/USDT"))


def test_a_symbol_that_is_not_traded_is_refused_unsent(account: Trading) -> None:
    with pytest.raises(Rejected) as refused:
        account.place(symbol="BTC/NONE")

    assert refused.value.code == reasons.UNKNOWN_SYMBOL


# --- Cancel and replace ---------------------------------------------------------------------


def test_an_order_is_replaced_by_another(account: Trading) -> None:
    old = account.place(price="40000")

    result = done(
        account.venue.replace(
            account.credentials,
            order=order(price="41000"),
            client_order_id=old.client_order_id,
        )
    )

    assert result.cancelled is not None
    assert (result.cancelled.id, result.cancelled.status) == (old.id, "CANCELLED")
    assert result.placed is not None
    assert (result.placed.status, result.placed.price) == ("NEW", Decimal(41000))


def test_nothing_replaces_an_order_that_has_filled(account: Trading) -> None:
    old = account.place()

    result = done(
        account.venue.replace(account.credentials, order=order(price="41000"), order_id=old.id)
    )

    assert result.placed is None
    assert result.cancelled is not None
    assert result.cancelled.status == "FILLED"
    assert len(account.books) == 1


def test_an_order_cancelled_for_one_that_was_refused_is_told_as_cancelled(account: Trading) -> None:
    old = account.place(price="40000")

    result = done(
        account.venue.replace(
            account.credentials,
            order=order(price="41000", quantity="100"),
            client_order_id=old.client_order_id,
        )
    )

    assert result.cancelled is not None
    assert result.cancelled.status == "CANCELLED"
    assert result.placed is None
    assert isinstance(result.refusal, Rejected)
    assert result.refusal.code == reasons.INSUFFICIENT_FUNDS


# --- Reading accounts -----------------------------------------------------------------------


def test_open_orders_are_listed_for_one_symbol_or_all(account: Trading) -> None:
    account.place()
    bitcoin = account.place(price="40000")
    ether = account.place(symbol="ETH/USDT", price="2900", quantity="1")

    some = done(account.venue.open_orders(account.credentials, symbol="BTC/USDT"))
    every = done(account.venue.open_orders(account.credentials))

    assert [report.id for report in some] == [bitcoin.id]
    assert {(report.symbol, report.id) for report in every} == {
        ("BTC/USDT", bitcoin.id),
        ("ETH/USDT", ether.id),
    }


def test_orders_are_read_on_from_an_id(account: Trading) -> None:
    first, second = account.place(), account.place(price="40000")

    def orders(**wanted: str) -> list[str]:
        read = account.venue.orders(account.credentials, symbol="BTC/USDT", **wanted)  # type: ignore[arg-type]
        return [report.id for report in done(read)]

    assert orders() == [first.id, second.id]
    assert orders(from_id=second.id) == [second.id]


def test_trades_are_read_on_from_an_id_or_a_time(account: Trading) -> None:
    first = account.place().trades[0]
    second = account.place(side="SELL", quantity="0.005").trades[0]
    read = account.venue.trades

    all_of_them = done(read(account.credentials, symbol="BTC/USDT", since=first.at))
    later = done(read(account.credentials, symbol="BTC/USDT", from_id=second.id))
    of_order = done(read(account.credentials, symbol="BTC/USDT", order_id=first.order_id))

    assert [trade.id for trade in all_of_them] == [first.id, second.id]
    assert [(trade.id, trade.side) for trade in later] == [(second.id, "SELL")]
    assert of_order == [all_of_them[0]]


def test_balances_tell_what_is_free_and_what_is_locked(account: Trading) -> None:
    account.place(price="40000", quantity="0.1")

    balances = done(account.venue.balances(account.credentials))

    assert balances == {"USDT": Balance(Decimal(6000), Decimal(4000))}


# --- Keys -----------------------------------------------------------------------------------


def test_a_key_tells_what_it_may_do(venue: "Venue", sandbox: "SandboxControl") -> None:
    plain = open_account(venue, sandbox)
    withdrawing = open_account(venue, sandbox, withdraw=True, ip_restrict=True)
    reading = open_account(venue, sandbox, trade=False)

    assert [done(venue.rights(one.credentials)) for one in (plain, withdrawing, reading)] == [
        KeyRights(can_read=True, can_trade=True, can_withdraw=False, ip_restricted=False),
        KeyRights(can_read=True, can_trade=True, can_withdraw=True, ip_restricted=True),
        KeyRights(can_read=True, can_trade=False, can_withdraw=False, ip_restricted=False),
    ]


def test_where_rights_are_not_told_a_test_order_tells_the_right_to_trade(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    """Binance's testnet has no /sapi."""
    trading, reading = open_account(venue, sandbox), open_account(venue, sandbox, trade=False)
    sandbox.fault("GET /binance/sapi/*", "status", status=404, body="<html>", count=None)

    assert done(venue.rights(trading.credentials)) == KeyRights(True, True, None, None)
    assert done(venue.rights(reading.credentials)) == KeyRights(True, False, None, None)
    assert trading.books == []


def test_a_key_that_is_none_is_refused(venue: "Venue") -> None:
    with pytest.raises(Rejected) as refused:
        done(venue.rights(Credentials(uuid.uuid4(), "x" * 64, "y" * 64)))

    assert refused.value.code == reasons.KEY_INVALID


def test_a_revoked_key_is_refused_also_after_it_worked(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    """ccxt calls that a rate limit, to be tried again."""
    account.place()
    sandbox.binance.key(account.label, revoked=True)

    with pytest.raises(Rejected) as refused:
        account.place()

    assert refused.value.code == reasons.KEY_INVALID


def test_concurrent_calls_never_use_each_others_key(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    accounts = [open_account(venue, sandbox) for _ in range(25)]
    sandbox.binance.venue(latency_ms=20)
    sent = {one.label: [order(quantity="0.001") for _ in range(4)] for one in accounts}

    async def place_all() -> None:
        await asyncio.gather(
            *(
                venue.place(one.credentials, sent[one.label][turn])
                for turn in range(4)
                for one in accounts
            )
        )

    done(place_all())

    for one in accounts:
        booked = {entry["client_id"] for entry in one.books}
        assert booked == {new.client_order_id for new in sent[one.label]}


# --- Markets and prices ---------------------------------------------------------------------


def test_a_market_tells_the_rules_of_its_orders(venue: "Venue") -> None:
    market = done(venue.market("BTC/USDT"))

    assert (market.id, market.base, market.quote, market.trading) == (
        "BTCUSDT",
        "BTC",
        "USDT",
        True,
    )
    assert market.step > 0
    assert market.tick > 0
    assert market.min_quantity >= market.step
    assert market.min_notional > 0
    assert market.buy_multiplier_up is not None
    assert market.buy_multiplier_up > 1
    assert {"LIMIT", "MARKET"} <= market.order_types


def test_prices_of_all_symbols_come_in_one_request(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    sandbox.binance.venue(prices={"BTCUSDT": "50000.5"})

    prices = done(venue.prices())

    assert prices["BTC/USDT"] == Decimal("50000.5")
    assert set(prices) == set(done(venue.markets()))


def test_daily_closes_end_today(venue: "Venue") -> None:
    closes = done(venue.daily_closes("BTC/USDT", days=30))

    days = [day for day, _ in closes]
    assert len(days) == 30
    assert days == sorted(days)
    assert days[-1] == datetime.now(UTC).date()
    assert all(close > 0 for _, close in closes)


def test_markets_are_read_once_however_many_ask_at_once(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    start = end_of_journal(sandbox)

    async def all_at_once() -> None:
        await asyncio.gather(*(venue.market("ETH/USDT") for _ in range(50)))

    done(all_at_once())
    done(venue.market("BTC/USDT"))

    assert count_of(sandbox, "/exchangeInfo", after=start) == 1


def test_rules_are_read_again_after_a_refusal_shows_that_they_changed(
    venue: "Venue", sandbox: "SandboxControl", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copytrade.exchange.markets._PAUSE_SECONDS", 0)
    account = open_account(venue, sandbox)
    account.place()
    start = end_of_journal(sandbox)
    sandbox.fault(
        "POST /binance/api/v3/order",
        "status",
        status=400,
        body='{"code":-1013,"msg":"Filter failure: LOT_SIZE"}',
    )

    with pytest.raises(Rejected) as refused:
        account.place()
    account.place()

    assert refused.value.code == reasons.LOT_SIZE

    async def until_read() -> None:
        while not count_of(sandbox, "/exchangeInfo", after=start):
            await asyncio.sleep(0.01)

    done(until_read())


# --- Time -----------------------------------------------------------------------------------


def test_requests_are_signed_by_the_exchanges_clock(
    venue: "Venue", sandbox: "SandboxControl"
) -> None:
    sandbox.binance.venue(clock_offset_ms=-7000)
    account = open_account(venue, sandbox)

    assert account.place().status == "FILLED"


def test_a_clock_that_moved_is_measured_again(account: Trading, sandbox: "SandboxControl") -> None:
    account.place()
    sandbox.binance.venue(clock_offset_ms=-7000)

    with pytest.raises(Temporary) as refused:
        account.place()
    done(account.venue.sync_clock())

    assert refused.value.code == reasons.CLOCK_SKEW
    assert account.place().status == "FILLED"


def test_an_order_that_comes_late_is_refused_by_the_exchange(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    """What a paused worker sends after it wakes up must not be taken."""
    done(account.venue.load())
    sandbox.binance.venue(latency_ms=1000)

    with pytest.raises(Temporary) as refused:
        account.place(signed_at=datetime.now(UTC) - timedelta(seconds=4.5))

    assert refused.value.code == reasons.CLOCK_SKEW
    assert account.books == []


def test_an_order_signed_too_long_ago_is_not_even_sent(
    account: Trading, sandbox: "SandboxControl"
) -> None:
    done(account.venue.load())
    start = end_of_journal(sandbox)

    with pytest.raises(Temporary) as refused:
        account.place(signed_at=datetime.now(UTC) - timedelta(seconds=6))

    assert refused.value.code == reasons.STALE
    assert count_of(sandbox, "/order", after=start) == 0
