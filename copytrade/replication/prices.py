"""Prices: the newest of each pair that somebody holds or trades, and closing prices of days."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog
from django.db import connection
from django.db.models import Max

from agora.lib.outcome import OutsideError
from copytrade.exchange import runner, weights
from copytrade.models import (
    QUOTE,
    CopyPosition,
    DailyPrice,
    Exchange,
    MarkPrice,
    MasterPosition,
    Strategy,
)
from copytrade.replication.asking import ask
from copytrade.states import StrategyState

log = structlog.get_logger(__name__)
BACKFILL_DAYS = 365

# Fees at Binance may be paid in this asset; the ledger values them by its price.
_FEE_PAIR = f"BNB/{QUOTE}"

_UPSERT = """
INSERT INTO copytrade_markprice (exchange, symbol, price, at)
SELECT %s, t.symbol, t.price, %s FROM unnest(%s::text[], %s::numeric[]) AS t(symbol, price)
WHERE t.price > 0
ON CONFLICT (exchange, symbol) DO UPDATE SET price = EXCLUDED.price, at = EXCLUDED.at
WHERE copytrade_markprice.at <= EXCLUDED.at
"""


def priced_symbols() -> set[str]:
    """Pairs that need a price: of living strategies, and of every position; empty: nothing to do."""
    listed = Strategy.objects.exclude(state=StrategyState.DELETED).values_list("symbols", flat=True)
    wanted = {symbol for symbols in listed for symbol in symbols}
    for positions in (CopyPosition.objects, MasterPosition.objects):
        held = positions.filter(quantity__gt=0).values_list("symbol", flat=True)
        wanted.update(held.distinct())
    return wanted | {_FEE_PAIR} if wanted else wanted


def refresh(*, now: datetime) -> int:
    """Read all prices in one request (weight 4) and keep those needed; how many.

    Nothing is asked while there is nothing to price. Raises Temporary; then the old prices stay, and
    their time tells that they are old.
    """
    wanted = priced_symbols()
    if not wanted:
        return 0
    prices = ask(runner.venue().prices(), weight=weights.PRICES)
    found = {symbol: prices[symbol] for symbol in wanted & prices.keys()}
    note_prices(exchange=Exchange.BINANCE, prices=found, at=now)
    return len(found)


def note_prices(*, exchange: str, prices: Mapping[str, Decimal], at: datetime) -> None:
    """Keep prices as of `at`, in one statement; newer ones that are known already stay."""
    rows = sorted(prices.items())  # in one order, so that two writers cannot deadlock
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [exchange, at, [s for s, _ in rows], [p for _, p in rows]])


def refresh_days(*, now: datetime) -> int:
    """Keep the closing prices of days that are over, a year back for new pairs; how many came new.

    One request (weight 2) for each pair that lacks yesterday's; a pair that fails is left to the
    next run.
    """
    yesterday = now.date() - timedelta(days=1)
    known = dict(
        DailyPrice.objects.filter(exchange=Exchange.BINANCE)
        .values_list("symbol")
        .annotate(last=Max("day"))
    )
    came = 0
    for symbol in sorted(priced_symbols()):
        last = known.get(symbol)
        if last is None or last < yesterday:
            came += _read_days(symbol, last=last, yesterday=yesterday)
    return came


def _read_days(symbol: str, *, last: date | None, yesterday: date) -> int:
    days = BACKFILL_DAYS if last is None else (yesterday - last).days
    try:  # the newest candle is today's, which is not over
        closes = ask(
            runner.venue().daily_closes(symbol, days=days + 1),
            weight=weights.DAILY_CLOSES,
            urgent=False,
        )
    except OutsideError as error:
        log.warning("prices.days_failed", symbol=symbol, error=error.message)
        return 0
    rows = [
        DailyPrice(exchange=Exchange.BINANCE, symbol=symbol, day=day, close=close)
        for day, close in closes
        if day <= yesterday and close > 0 and (last is None or day > last)
    ]
    return len(DailyPrice.objects.bulk_create(rows, ignore_conflicts=True))


def mark_of(*, exchange: str, symbol: str) -> MarkPrice | None:
    """The newest known price of a pair."""
    return MarkPrice.objects.filter(exchange=exchange, symbol=symbol).first()
