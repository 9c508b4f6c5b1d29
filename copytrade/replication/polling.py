"""What a master does directly at the exchange, read from the account and made into signals (EXE-1).

The strategy's row is the job. One poll costs, in Binance's request weight (6,000 a minute for all
accounts behind one address):

    20   the balances: while nothing changed in them, nothing else is read
     6   for each pair that has open orders, where resting orders are copied while they rest: an
         order can be replaced without a change of the balances
     6   for each pair (80 at most) once something changed: which orders are open now
    20   for each pair whose base asset changed: its trades since the last one that was read
     9   for each order that is not open any more, or that came and went between two polls

So a quiet account costs 240 a minute at the default of one poll in 5 seconds. Whatever the trades
read do not explain of a change of the quote asset, such as a pair bought and sold between two
polls, has the trades of all pairs of the strategy read. What is left then is a deposit or a
withdrawal, which the proof of the ledger finds.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from agora.lib import work
from agora.lib.failpoints import failpoint
from agora.lib.outcome import OutsideError, Temporary
from agora.lib.work import Lease, LeaseLost
from copytrade.exchange import reasons, runner, weights
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import Balance, Credentials, OrderReport, Trade
from copytrade.ledger.booking import Booking, book
from copytrade.models import (
    QUOTE,
    AccountWatch,
    CopyOrder,
    MasterOrder,
    OrderType,
    Strategy,
)
from copytrade.replication import opening
from copytrade.replication.asking import ask
from copytrade.replication.sightings import due_again, record
from copytrade.selectors.equity import base_of_shares
from copytrade.states import AccountState, MasterOrderState, StrategyState

log = structlog.get_logger(__name__)
POLL_TASK = "copytrade.tasks.poll_strategy"

_ZERO = Decimal(0)
_PAGE = 1000
_SECONDS = 20.0
# From so many unknown orders of a pair on, its list is cheaper than one look-up each.
_MANY = 2
_ALARMED_AFTER = 5
_KEY_TROUBLE = frozenset({reasons.KEY_INVALID, reasons.KEY_NO_PERMISSION, reasons.IP_NOT_ALLOWED})
_LONGEST_PAUSE = timedelta(minutes=1)
_UNREADABLE_SUBJECT = gettext_noop("Your account of “%(strategy)s” cannot be read")
_UNREADABLE_BODY = gettext_noop(
    "Agora cannot read your exchange account, so what you do there is not copied at the moment. "
    "Check the key of the account. Once it can be read again, closes are copied late; opens that "
    "are too old by then are not."
)


# Ids count within a pair, so that two pairs have orders of the same id.
_Key = tuple[str, str]


@dataclass
class _Seen:
    """What one poll found: orders by pair and id, and the trades of each."""

    reports: dict[_Key, OrderReport] = field(default_factory=dict)
    trades: dict[_Key, list[Trade]] = field(default_factory=lambda: defaultdict(list))

    def take(self, report: OrderReport) -> None:
        self.reports[report.symbol, report.id] = report
        self.trades[report.symbol, report.id] += report.trades

    def in_order(self) -> list[_Key]:
        """Orders in the turn in which they did something."""
        return sorted(self.reports, key=lambda key: (self._moment(key), int(key[1])))

    def _moment(self, key: _Key) -> datetime:
        times = [trade.at for trade in self.trades.get(key, ())]
        return min(times) if times else self.reports[key].at


def poll(*, strategy_id: uuid.UUID, now: datetime) -> Strategy | None:
    """Read a strategy's account once; the strategy, or None when not due or leased elsewhere.

    Never raises for a failure outside: the account is due again later, and its master is told when
    it stays unreadable.
    """
    lease = work.claim(Strategy, pk=strategy_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(strategy_id=str(strategy_id)), suppress(LeaseLost):
        _attempt(lease, now)
    return lease.row


def _attempt(lease: Lease[Strategy], now: datetime) -> None:
    strategy = lease.row
    if strategy.state == StrategyState.DELETED:
        lease.release(again_at=None)
        return
    if strategy.account.state != AccountState.ACTIVE:
        lease.release(again_at=now + _LONGEST_PAUSE)
        return
    failpoint("poll.claimed", key=strategy.pk)
    try:
        if opening.is_open(strategy=strategy):
            _read(lease, now)
        else:
            opening.begin(strategy=strategy, now=now)
            _rest(lease, now)
    except OutsideError as error:
        _failed(lease, error=error.message, code=error.code, now=now)
    except LeaseLost:
        raise
    except Exception as error:  # a bug, or a failpoint: the same is read again
        log.exception("poll.failed")
        _failed(lease, error=f"{type(error).__name__}: {error}", code="", now=now)


def _read(lease: Lease[Strategy], now: datetime) -> None:
    strategy = lease.row
    creds = credentials_of(strategy.account)
    watch = AccountWatch.objects.get(strategy=strategy)
    balances = ask(runner.venue().balances(creds), weight=weights.BALANCES, urgent=False)
    held = opening.snapshot(balances)
    changed = {
        a for a in held.keys() | watch.balances.keys() if held.get(a) != watch.balances.get(a)
    }
    known = _known_open(strategy)
    resting = strategy.copy_on == Strategy.CopyOn.ACCEPT and any(known)
    if not changed and not resting:
        _rest(lease, now)
        return
    seen = _Seen()
    reader = _Reader(strategy=strategy, creds=creds, watch=watch, now=now)
    pairs = sorted(strategy.symbols) if changed else sorted({order.symbol for order in known})
    for report in reader.open_orders(pairs):
        seen.take(report)
    _read_trades(reader, seen, balances=balances, changed=changed)
    _find_missing(reader, seen, known=known)
    for key in seen.in_order():
        _take(strategy, seen.reports[key], seen.trades[key], now=timezone.now())
    _rest(lease, now, watch=watch, trade_ids=reader.trade_ids, balances=held)


def _known_open(strategy: Strategy) -> Sequence[MasterOrder]:
    """Orders that were open at the exchange as it was last looked at."""
    return list(
        MasterOrder.objects.filter(
            account=strategy.account_id,
            state=MasterOrderState.WORKING,
            exchange_order_id__isnull=False,
        )
    )


@dataclass
class _Reader:
    """Reads of one poll, and the watermark as it moves along with them."""

    strategy: Strategy
    creds: Credentials
    watch: AccountWatch
    now: datetime
    trade_ids: dict[str, int] = field(default_factory=dict)

    def open_orders(self, pairs: Sequence[str]) -> list[OrderReport]:
        """Open orders of the pairs, in whichever way costs less."""
        venue = runner.venue()
        if len(pairs) * weights.OPEN_ORDERS_OF_SYMBOL < weights.OPEN_ORDERS:
            weight = weights.OPEN_ORDERS_OF_SYMBOL
            return [
                order
                for pair in pairs
                for order in ask(venue.open_orders(self.creds, symbol=pair), weight=weight)
            ]
        found = ask(venue.open_orders(self.creds), weight=weights.OPEN_ORDERS)
        return [order for order in found if order.symbol in pairs]

    def trades(self, pair: str) -> list[Trade]:
        """Trades of a pair since the last one read, all pages."""
        last = self.trade_ids.get(pair, self.watch.trade_ids.get(pair))
        since = None if last is not None else self._since()
        found: list[Trade] = []
        while True:
            first = None if last is None else str(last + 1)
            page = ask(
                runner.venue().trades(self.creds, symbol=pair, from_id=first, since=since),
                weight=weights.TRADES,
            )
            found += page
            if page:
                last = self.trade_ids[pair] = opening.last_id(page)
            if len(page) < _PAGE:
                return found

    def _since(self) -> datetime:
        """Of a pair never traded before: since the last poll, with room for clocks."""
        last = self.strategy.polled_at or self.watch.began_at
        return max(last - timedelta(minutes=1), self.watch.began_at)


def _read_trades(
    reader: _Reader, seen: _Seen, *, balances: Mapping[str, Balance], changed: set[str]
) -> None:
    """Read what moved the balances: pairs whose base asset changed, and all others if need be."""
    markets = runner.run(runner.venue().markets(), timeout=_SECONDS)
    moved = {asset: delta for asset in changed if (delta := _delta(reader.watch, balances, asset))}
    pairs = sorted(f"{a}/{QUOTE}" for a in moved if a != QUOTE and f"{a}/{QUOTE}" in markets)
    explained = _collect(reader, seen, pairs)
    if moved.get(QUOTE, _ZERO) != explained:
        others = sorted(set(reader.strategy.symbols) - set(pairs))
        _collect(reader, seen, others)


def _delta(watch: AccountWatch, balances: Mapping[str, Balance], asset: str) -> Decimal:
    before = sum(map(Decimal, watch.balances.get(asset, "0 0").split()), _ZERO)
    return (balances[asset].total if asset in balances else _ZERO) - before


def _collect(reader: _Reader, seen: _Seen, pairs: Iterable[str]) -> Decimal:
    """Read the trades of pairs; what they changed of the quote asset."""
    total = _ZERO
    for pair in pairs:
        for trade in reader.trades(pair):
            seen.trades[pair, trade.order_id].append(trade)
            total += trade.quote_quantity if trade.side == "SELL" else -trade.quote_quantity
            total -= trade.fee if trade.fee_asset == QUOTE else _ZERO
    return total


def _find_missing(reader: _Reader, seen: _Seen, *, known: Sequence[MasterOrder]) -> None:
    """Orders that ended since, and orders that only show by their trades."""
    missing: dict[str, set[str]] = defaultdict(set)
    wanted = {(order.symbol, str(order.exchange_order_id)) for order in known}
    wanted |= {key for key, trades in seen.trades.items() if trades}
    for pair, order_id in wanted - seen.reports.keys():
        missing[pair].add(order_id)
    for pair, ids in missing.items():
        for report in _reports(reader, pair, ids):
            seen.take(report)
    if any(trades and key not in seen.reports for key, trades in seen.trades.items()):
        raise Temporary("The exchange tells of a trade, but not yet of its order.")


def _reports(reader: _Reader, pair: str, ids: set[str]) -> list[OrderReport]:
    venue = runner.venue()
    if len(ids) > _MANY:
        first = str(min(map(int, ids)))
        listed = ask(venue.orders(reader.creds, symbol=pair, from_id=first), weight=weights.ORDERS)
        found = [report for report in listed if report.id in ids]
        ids = ids - {report.id for report in found}
    else:
        found = []
    for order_id in ids:
        report = ask(venue.get(reader.creds, symbol=pair, order_id=order_id), weight=weights.FIND)
        if report is not None:
            found.append(report)
    return found


# --- Taking in ------------------------------------------------------------------------------------


def _take(
    strategy: Strategy, report: OrderReport, trades: Sequence[Trade], *, now: datetime
) -> None:
    """Take in one order with its trades, in a transaction of its own."""
    failpoint("poll.take.before_commit", key=strategy.pk)
    with transaction.atomic():
        copy = CopyOrder.objects.filter(
            account=strategy.account_id, client_order_id=report.client_order_id
        ).first()
        if copy is not None:
            _book_copy(copy, trades, now=now)
            return
        if report.symbol not in strategy.symbols:
            _book_apart(strategy, trades, now=now)
            return
        order = _order_of(strategy, report, now=now)
        if order is None or _is_known(order, report, trades):
            return
        seen = record(order=order, report=report, trades=trades, now=now)
        MasterOrder.objects.filter(pk=seen.pk, lease_token=None).update(
            next_attempt_at=due_again(order=seen, now=now)
        )
    failpoint("poll.take.after_commit", key=strategy.pk)


def _book_copy(copy: CopyOrder, trades: Sequence[Trade], *, now: datetime) -> None:
    """The account also copies others: those trades belong to the subscription."""
    book(
        [
            Booking(
                account_id=copy.account_id,
                trade=trade,
                copy_order_id=copy.pk,
                subscription_id=copy.subscription_id,
            )
            for trade in trades
        ],
        now=now,
    )


def _book_apart(strategy: Strategy, trades: Sequence[Trade], *, now: datetime) -> None:
    """A pair that the strategy does not trade: part of its track record, but no signal."""
    book(
        [
            Booking(account_id=strategy.account_id, trade=trade, strategy_id=strategy.pk)
            for trade in trades
        ],
        now=now,
    )


def _order_of(strategy: Strategy, report: OrderReport, *, now: datetime) -> MasterOrder | None:
    """The row of an order: ours by its client id, a known one, or a new one.

    None for an order of which neither quantity nor fill is known (bought by value, nothing yet).
    """
    of_account = MasterOrder.objects.filter(account=strategy.account_id)
    known = of_account.filter(symbol=report.symbol, exchange_order_id=report.id).first()
    known = known or of_account.filter(client_order_id=report.client_order_id).first()
    quantity = report.quantity or report.filled
    if known is not None or not quantity:
        return known
    row, _created = MasterOrder.objects.get_or_create(
        account_id=strategy.account_id,
        symbol=report.symbol,
        exchange_order_id=report.id,
        defaults={
            "strategy": strategy,
            "source": MasterOrder.Source.EXCHANGE,
            "client_order_id": report.client_order_id[:36],
            "side": report.side,
            "type": OrderType.LIMIT if _rests(report) else OrderType.MARKET,
            "quantity": quantity,
            "price": report.price if _rests(report) else None,
            "equity_before": base_of_shares(strategy=strategy, now=now),
            "placed_at": report.created_at,
            "updated_at": now,
        },
    )
    return row


def _is_known(order: MasterOrder, report: OrderReport, trades: Sequence[Trade]) -> bool:
    """Whether the report tells nothing new of an open order: one write less for each poll."""
    return (
        order.state == MasterOrderState.WORKING
        and report.is_open
        and report.filled <= order.filled
        and not trades
    )


def _rests(report: OrderReport) -> bool:
    """Whether followers can rest the same order; stop orders are copied as they fill."""
    return report.type in ("LIMIT", "LIMIT_MAKER") and report.price is not None


# --- The end of a poll ----------------------------------------------------------------------------


def _rest(
    lease: Lease[Strategy],
    now: datetime,
    *,
    watch: AccountWatch | None = None,
    trade_ids: Mapping[str, int] | None = None,
    balances: Mapping[str, str] | None = None,
) -> None:
    """Move the watermark, and let the account rest until the next poll."""
    failpoint("poll.rest.before_commit", key=lease.row.pk)
    with transaction.atomic():
        lease.release(
            again_at=now + timedelta(seconds=settings.COPY_POLL_SECONDS),
            polled_at=now,
            attention=False,
        )
        if watch is not None:
            watch.trade_ids |= trade_ids or {}
            watch.balances = dict(balances or {})
            watch.save(update_fields=["trade_ids", "balances"])


def _failed(lease: Lease[Strategy], *, error: str, code: str, now: datetime) -> None:
    """Read again later, less and less often; never given up, but told to the master."""
    strategy = lease.row
    alarmed = strategy.attempts >= _ALARMED_AFTER
    log.log(40 if alarmed else 30, "poll.retry", attempt=strategy.attempts, error=error)
    with transaction.atomic():
        lease.write(
            lease_token=None,
            lease_until=None,
            next_attempt_at=now + min(work.backoff(attempts=strategy.attempts), _LONGEST_PAUSE),
            last_error=error[:2000],
            attention=alarmed,
        )
        if alarmed and code in _KEY_TROUBLE:
            notices.notify(
                user=strategy.master,
                kind="strategy_unreadable",
                subject=_UNREADABLE_SUBJECT,
                body=_UNREADABLE_BODY,
                params={"strategy": strategy.name},
                url=reverse("exchange-accounts"),
                level=Notice.Level.WARNING,
                dedupe_key=f"unreadable:{strategy.pk}:{now:%Y-%m-%d}",
                now=now,
            )
