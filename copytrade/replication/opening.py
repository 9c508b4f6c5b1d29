"""Beginning to watch a master's account: what was there before is no signal, but it is booked."""

from datetime import datetime

from django.db import transaction

from agora.lib.outcome import Temporary
from copytrade.exchange import runner, weights
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import Balance, Credentials, Trade
from copytrade.ledger.booking import (
    Booking,
    book,
    lock_accounts,
    open_books,
    open_positions,
)
from copytrade.models import QUOTE, AccountWatch, CopyOrder, ExchangeAccount, Strategy
from copytrade.replication.asking import ask
from copytrade.replication.prices import note_prices

_TRIES = 3


def is_open(*, strategy: Strategy) -> bool:
    """Whether the account of the strategy is being watched."""
    return AccountWatch.objects.filter(strategy=strategy).exists()


def begin(*, strategy: Strategy, now: datetime) -> None:
    """Set the watermark of a strategy's account and open its books and positions; once.

    Holds the account's row while it writes. Costs 20 of request weight for each pair, 40 for the
    balances and 4 for prices. Raises the adapter's errors, Temporary while the account does not
    stand still.
    """
    creds = credentials_of(strategy.account)
    balances, trades = _standstill(creds, list(strategy.symbols))
    wanted = {*strategy.symbols, *(f"{asset}/{QUOTE}" for asset in balances)}
    prices = ask(runner.venue().prices(), weight=weights.PRICES)
    note_prices(
        exchange=strategy.exchange,
        prices={symbol: prices[symbol] for symbol in wanted & prices.keys()},
        at=now,
    )
    with transaction.atomic():
        lock_accounts([strategy.account_id])
        if is_open(strategy=strategy):
            return
        _open(strategy, balances=balances, trades=trades, now=now)
        AccountWatch.objects.create(
            strategy=strategy,
            trade_ids={s: last_id(found) for s, found in trades.items() if found},
            balances=snapshot(balances),
            began_at=now,
        )


def _standstill(
    creds: Credentials, symbols: list[str]
) -> tuple[dict[str, Balance], dict[str, list[Trade]]]:
    """Balances and newest trades of one moment: balances read before and after are the same."""
    venue = runner.venue()
    before = ask(venue.balances(creds), weight=weights.BALANCES)
    for _try in range(_TRIES):
        trades = {
            symbol: ask(venue.trades(creds, symbol=symbol), weight=weights.TRADES)
            for symbol in symbols
        }
        after = ask(venue.balances(creds), weight=weights.BALANCES)
        if after == before:
            return after, trades
        before = after
    raise Temporary("The account keeps changing while it is read.")


def _open(
    strategy: Strategy,
    *,
    balances: dict[str, Balance],
    trades: dict[str, list[Trade]],
    now: datetime,
) -> None:
    """Open the ledger where it is not; book what was traded since it was, then the positions."""
    account = ExchangeAccount.objects.get(pk=strategy.account_id)
    if account.opened_at is None or not account.entries.exists():
        totals = {asset: balance.total for asset, balance in balances.items()}
        open_books(account=account, balances=totals, now=now)
        ExchangeAccount.objects.filter(pk=account.pk, opened_at=None).update(opened_at=now)
    else:
        since = account.opened_at
        missed = [t for found in trades.values() for t in found if t.at > since]
        copies = CopyOrder.objects.filter(
            account=account, exchange_order_id__in={trade.order_id for trade in missed}
        )
        copied = set(copies.values_list("symbol", "exchange_order_id"))
        by_hand = [trade for trade in missed if (trade.symbol, trade.order_id) not in copied]
        book([Booking(account_id=account.pk, trade=trade) for trade in by_hand], now=now)
    open_positions(strategy=strategy, now=now)


def last_id(trades: list[Trade]) -> int:
    """The highest trade id; trades are numbered upwards within a pair."""
    return max(int(trade.id) for trade in trades)


def snapshot(balances: dict[str, Balance]) -> dict[str, str]:
    """Balances in the form in which the watermark keeps them."""
    return {
        asset: f"{balance.free.normalize():f} {balance.locked.normalize():f}"
        for asset, balance in balances.items()
    }
