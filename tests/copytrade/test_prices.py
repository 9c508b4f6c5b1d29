"""Prices: only those needed, newest only, days back to a year."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agora.lib.outcome import OutsideError
from agora.sandbox.client import SandboxControl
from copytrade.models import DailyPrice, MarkPrice, Strategy
from copytrade.replication import prices
from tests.copying import hold, new_strategy, new_subscription

pytestmark = pytest.mark.django_db
D = Decimal


def _requests(sandbox: SandboxControl) -> int:
    return int(sandbox.binance.summary()["requests"])


def test_nothing_is_asked_while_there_is_nothing_to_price(sandbox: SandboxControl) -> None:
    before = _requests(sandbox)

    assert prices.refresh(now=timezone.now()) == 0
    assert _requests(sandbox) == before


def test_pairs_of_strategies_and_positions_are_priced_and_no_others(
    sandbox: SandboxControl,
) -> None:
    sandbox.binance.price("BTCUSDT", "61000.5")
    strategy = new_strategy(symbols=["BTC/USDT"])
    hold(new_subscription(strategy=strategy), symbol="SOL/USDT", quantity="1")

    assert prices.refresh(now=timezone.now()) == 3

    marks = dict(MarkPrice.objects.values_list("symbol", "price"))
    assert set(marks) == {"BTC/USDT", "SOL/USDT", "BNB/USDT"}
    assert marks["BTC/USDT"] == D("61000.5")


def test_all_prices_cost_one_request(sandbox: SandboxControl) -> None:
    new_strategy()
    prices.refresh(now=timezone.now())
    before = _requests(sandbox)

    prices.refresh(now=timezone.now())

    assert _requests(sandbox) == before + 1


def test_an_older_answer_replaces_no_newer_price() -> None:
    now = timezone.now()
    prices.note_prices(exchange="binance", prices={"BTC/USDT": D(2)}, at=now)
    prices.note_prices(exchange="binance", prices={"BTC/USDT": D(1)}, at=now - timedelta(seconds=1))

    assert MarkPrice.objects.get().price == 2


def test_without_an_answer_the_old_price_stays_with_its_time(sandbox: SandboxControl) -> None:
    new_strategy(symbols=["BTC/USDT"])
    first = timezone.now()
    prices.refresh(now=first)
    sandbox.fault("GET /binance/api/v3/ticker/price", "status", count=None)

    with pytest.raises(OutsideError):
        prices.refresh(now=timezone.now())

    assert MarkPrice.objects.get(symbol="BTC/USDT").at == first


def test_a_new_pair_gets_a_year_of_days_and_then_only_what_is_new(
    sandbox: SandboxControl,
) -> None:
    new_strategy(symbols=["BTC/USDT"])
    now = timezone.now()

    prices.refresh_days(now=now)

    days = DailyPrice.objects.filter(symbol="BTC/USDT").values_list("day", flat=True)
    yesterday = now.date() - timedelta(days=1)
    assert len(days) == 365
    assert (min(days), max(days)) == (now.date() - timedelta(days=365), yesterday)
    before = _requests(sandbox)
    assert prices.refresh_days(now=now) == 0
    assert _requests(sandbox) == before


def test_a_pair_that_fails_keeps_no_other_from_its_days(sandbox: SandboxControl) -> None:
    new_strategy(symbols=["BTC/USDT", "ETH/USDT"])
    sandbox.fault("GET /binance/api/v3/klines", "status", match="BTCUSDT", count=None)

    prices.refresh_days(now=timezone.now())

    symbols = set(DailyPrice.objects.values_list("symbol", flat=True))
    assert "ETH/USDT" in symbols
    assert "BTC/USDT" not in symbols


def test_a_deleted_strategy_needs_no_price() -> None:
    Strategy.objects.filter(pk=new_strategy().pk).update(state="DELETED")

    assert prices.priced_symbols() == set()
