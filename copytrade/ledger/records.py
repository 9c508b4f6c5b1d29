"""The job that computes unit values and track records from the ledger alone (MKT-1).

Only bookings and closing prices go in, so that anybody can compute the same again, and a master
cannot improve it: the record is that of the whole exchange account since its books were opened,
an earlier strategy on it included.
"""

import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, Count, F, Max, Min, Q, Sum, When
from django.db.models.functions import Coalesce, TruncDate

from agora.lib.money import plain
from copytrade.ledger import nav
from copytrade.models import (
    QUOTE,
    DailyPrice,
    Fill,
    LedgerEntry,
    NavPoint,
    Strategy,
    Subscription,
    TrackRecord,
)
from copytrade.states import SubscriptionState

REFRESH_TASK = "copytrade.tasks.records.refresh_track_record"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('copytrade.records'), hashtext(%s))"
# A booking that was under way while the last run read may have an earlier time than that run.
_OVERLAP = timedelta(minutes=10)
_ONE_DAY = timedelta(days=1)
_WALLET, _EXTERNAL = LedgerEntry.Book.WALLET, LedgerEntry.Book.EXTERNAL
_RATIO, _SHARPE = Decimal("1E-8"), Decimal("1E-6")


def refresh(*, strategy_id: uuid.UUID, now: datetime) -> None:
    """Bring curve, records and copied capital of a strategy up to `now`, in one transaction.

    Days are recomputed from the first on which something was booked since the last time, late fills
    and corrections included. One run a strategy at a time; holds no row that orders need for long.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [str(strategy_id)])
        strategy = Strategy.objects.get(pk=strategy_id)
        today = now.astimezone(UTC).date()
        start = _first_changed_day(strategy)
        if start is not None and start <= today:
            _rewrite_curve(strategy, start=start, today=today)
        _write_records(strategy, today=today, now=now)
        _write_copied_capital(strategy)


def _first_changed_day(strategy: Strategy) -> date | None:
    """The day to compute from: None without bookings. The last two may have got a price since."""
    last = NavPoint.objects.filter(strategy=strategy).aggregate(last=Max("day"))["last"]
    entries = LedgerEntry.objects.filter(account_id=strategy.account_id)
    if not entries.exists():
        return None  # the made-up curve of a demo strategy stays
    computed = strategy.records.aggregate(at=Min("computed_at"))["at"]
    if last is not None and computed is not None:
        entries = entries.filter(booked_at__gte=computed - _OVERLAP)
    booked = entries.aggregate(first=Min("at"))["first"]
    days = [booked.astimezone(UTC).date()] if booked else []
    return min([*days, last - _ONE_DAY] if last else days, default=None)


@dataclass
class _Moves:
    """What moved on one day, by asset: net, and of that what came from or went outside."""

    net: dict[str, Decimal] = field(default_factory=dict)
    came: dict[str, Decimal] = field(default_factory=dict)
    left: dict[str, Decimal] = field(default_factory=dict)


def _moves(strategy: Strategy, *, start: date) -> dict[date, _Moves]:
    into, out = Q(debit=_WALLET), Q(credit=_WALLET)
    rows = (
        LedgerEntry.objects.filter(
            into | out, account_id=strategy.account_id, at__gte=_begin(start)
        )
        .annotate(day=TruncDate("at", tzinfo=UTC))
        .values_list("day", "asset")
        .annotate(
            net=Sum(Case(When(into, then=F("amount")), default=-F("amount"))),
            came=Sum("amount", filter=into & Q(credit=_EXTERNAL), default=Decimal(0)),
            left=Sum("amount", filter=out & Q(debit=_EXTERNAL), default=Decimal(0)),
        )
        .order_by()
    )
    days: dict[date, _Moves] = defaultdict(_Moves)
    for day, asset, net, came, left in rows:
        moves = days[day]
        moves.net[asset], moves.came[asset], moves.left[asset] = net, came, left
    return days


class _Prices:
    """Closing prices by asset; on a day without one the newest before it, such as an own trade."""

    def __init__(self, known: Mapping[str, Mapping[date, Decimal]]) -> None:
        self._days = {asset: sorted(prices) for asset, prices in known.items()}
        self._known = known

    def of(self, asset: str, day: date) -> Decimal:
        """An asset never priced is worth nothing; one priced later, what it was worth first."""
        if asset == QUOTE:
            return Decimal(1)
        days = self._days.get(asset)
        if not days:
            return Decimal(0)
        return self._known[asset][days[max(0, bisect_right(days, day) - 1)]]

    def worth(self, amounts: Mapping[str, Decimal], day: date) -> Decimal:
        return sum((held * self.of(asset, day) for asset, held in amounts.items()), Decimal(0))


def _prices(strategy: Strategy, assets: set[str], *, start: date) -> _Prices:
    symbols = [f"{asset}/{QUOTE}" for asset in assets - {QUOTE}]
    known: dict[str, dict[date, Decimal]] = defaultdict(dict)
    traded = (
        Fill.objects.filter(
            account_id=strategy.account_id, symbol__in=symbols, at__gte=_begin(start)
        )
        .annotate(day=TruncDate("at", tzinfo=UTC))
        .order_by("symbol", "day", "-at", "-id")
        .distinct("symbol", "day")
        .values_list("symbol", "day", "price")
    )
    closes = DailyPrice.objects.filter(exchange=strategy.exchange, symbol__in=symbols)
    for symbol, day, price in [*traded, *closes.values_list("symbol", "day", "close")]:
        known[symbol.partition("/")[0]][day] = price  # a close counts for more than a trade
    return _Prices(known)


def _rewrite_curve(strategy: Strategy, *, start: date, today: date) -> None:
    points = NavPoint.objects.filter(strategy=strategy)
    before = points.filter(day__lt=start).order_by("-day").first()
    moves = _moves(strategy, start=start)
    first = start if before is None else before.day + _ONE_DAY
    holdings = {a: Decimal(v) for a, v in before.holdings.items()} if before else {}
    assets = set(holdings).union(*(m.net for m in moves.values()))
    prices = _prices(strategy, assets, start=start - _ONE_DAY)
    held: list[dict[str, Decimal]] = []

    def days() -> Iterator[nav.Day]:
        day, amounts = first, holdings
        while day <= today:
            moved = moves.get(day, _Moves())
            amounts = _sum(amounts, moved.net)
            held.append(amounts)
            yield nav.Day(
                day,
                equity=prices.worth(amounts, day),
                deposits=prices.worth(moved.came, day),
                withdrawals=prices.worth(moved.left, day),
            )
            day += _ONE_DAY

    base = {"nav": before.nav, "equity": before.equity} if before else {}
    fresh = list(nav.unit_values(days(), **base))
    points.filter(day__gte=first).delete()
    NavPoint.objects.bulk_create(
        NavPoint(
            strategy=strategy,
            day=point.day,
            nav=point.nav,
            equity=point.equity,
            flows=point.flows,
            holdings={asset: plain(amount) for asset, amount in amounts.items()},
        )
        for point, amounts in zip(fresh, held, strict=True)
    )


def _sum(amounts: Mapping[str, Decimal], moved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    total = dict(amounts)
    for asset, amount in moved.items():
        total[asset] = total.get(asset, Decimal(0)) + amount
    return {asset: amount for asset, amount in total.items() if amount}


def _write_records(strategy: Strategy, *, today: date, now: datetime) -> None:
    longest = max(TrackRecord.Period.values)
    newest = NavPoint.objects.filter(strategy=strategy).order_by("-day")
    rows = newest.values_list("day", "nav", "equity", "flows")[: longest + 1]
    points = [nav.Point(*row) for row in reversed(rows)]
    trades = _closed_trades(strategy, today=today)
    records = []
    for period in TrackRecord.Period.values:
        before = points[-period - 1] if len(points) > period else None
        found = nav.figures(points[-period:], before=before)
        closed, won = trades[f"closed{period}"], trades[f"won{period}"]
        records.append(
            TrackRecord(
                strategy=strategy,
                period=period,
                roi=found.roi.quantize(_RATIO),
                pnl=found.pnl,
                max_drawdown=found.max_drawdown.quantize(_RATIO),
                sharpe=None if found.sharpe is None else found.sharpe.quantize(_SHARPE),
                win_rate=(Decimal(won) / closed).quantize(_RATIO) if closed else None,
                trades=closed,
                computed_at=now,
            )
        )
    figures = ["roi", "pnl", "max_drawdown", "sharpe", "win_rate", "trades", "computed_at"]
    TrackRecord.objects.bulk_create(
        records,
        update_conflicts=True,
        unique_fields=["strategy", "period"],
        update_fields=figures,
    )


def _closed_trades(strategy: Strategy, *, today: date) -> dict[str, Any]:
    """Closing orders, and those of them with a gain, within each period; an order counts once."""
    since = {p: _begin(today - timedelta(days=p - 1)) for p in TrackRecord.Period.values}
    orders = (
        Fill.objects.filter(strategy=strategy, realized__isnull=False, at__gte=min(since.values()))
        .values("symbol", "exchange_order_id")
        .annotate(gain=Sum("realized"), closed_at=Max("at"))
        .order_by()
    )
    counts = {}
    for period, begin in since.items():
        within = Q(closed_at__gte=begin)
        counts[f"closed{period}"] = Count("closed_at", filter=within)
        counts[f"won{period}"] = Count("closed_at", filter=within & Q(gain__gt=0))
    return orders.aggregate(**counts)


def _write_copied_capital(strategy: Strategy) -> None:
    running = Subscription.objects.filter(strategy=strategy).exclude(
        state=SubscriptionState.STOPPED
    )
    copied = running.aggregate(sum=Coalesce(Sum("allocated"), Decimal(0)))["sum"]
    if copied != strategy.aum:
        Strategy.objects.filter(pk=strategy.pk).update(aum=copied)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
