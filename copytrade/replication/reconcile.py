"""Comparing a subscription with the exchange, and mending what its legs themselves missed (EXE-1).

The subscription's row is the job, once in COPY_RECONCILE_SECONDS. Legs that ended with a rest
unfilled since the last time are looked up once more (weight 9 each, out of what the budget leaves
to opens): a fill that came after the end is booked and alarmed. Legs that ended filled can get no
more, and a subscription without such legs costs nothing. What the master no longer holds is closed.
"""

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import DecimalField, F, Sum
from django.db.models.functions import Coalesce, Greatest

from agora.lib import work
from agora.lib.failpoints import failpoint
from agora.lib.outcome import OutsideError
from agora.lib.work import Lease, LeaseLost
from compliance import audit
from copytrade import sizing
from copytrade.exchange import runner, weights
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import Market, OrderReport
from copytrade.ledger.booking import Booking, book
from copytrade.models import (
    CopyOrder,
    CopyPosition,
    MarkPrice,
    MasterOrder,
    MasterPosition,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication import stopping
from copytrade.replication.asking import ask
from copytrade.replication.publish import publish
from copytrade.states import (
    AccountState,
    LegState,
    MasterOrderState,
    StrategyState,
    SubscriptionState,
)

log = structlog.get_logger(__name__)
RECONCILE_TASK = "copytrade.tasks.reconcile_subscription"

_ACTOR = audit.system("reconcile")
_SECONDS = 15.0
_ZERO, _ONE = Decimal(0), Decimal(1)
_OPEN = (LegState.PLANNED, LegState.SENDING, LegState.WORKING)
# States in which a later fill of the order is thinkable: refused orders only when sent twice.
_ENDED_SHORT = (LegState.CANCELLED, LegState.REJECTED)
# An orphan that could not be closed is tried again, but not at every look.
_ORPHAN_AGAIN = timedelta(minutes=10)


def reconcile(*, subscription_id: uuid.UUID, now: datetime) -> Subscription | None:
    """Compare and mend one subscription; None when it is not due or leased elsewhere.

    Never raises for a failure outside: it is due again soon. Holds the rows of the strategy and of
    the account only while it publishes and books.
    """
    lease = work.claim(Subscription, pk=subscription_id)
    if lease is None:
        return None
    with (
        structlog.contextvars.bound_contextvars(subscription_id=str(subscription_id)),
        suppress(LeaseLost),
    ):
        _attempt(lease, now)
    return lease.row


def _attempt(lease: Lease[Subscription], now: datetime) -> None:
    subscription = lease.row
    failpoint("reconcile.claimed", key=subscription.pk)
    try:
        if subscription.account.state == AccountState.ACTIVE:
            book_late_fills(subscription=subscription, now=now)
        _wake_forgotten(subscription, now=now)
        if subscription.state == SubscriptionState.STOPPING:
            stopping.finish_stop(subscription=subscription, now=now)
        elif subscription.state == SubscriptionState.STOPPED:
            pass
        elif subscription.strategy.state == StrategyState.DELETED:
            # Its follower chose whether positions are kept: they are no orphans.
            stopping.begin_stop(subscription=subscription, reason="strategy_deleted", now=now)
        else:
            if subscription.state != SubscriptionState.ACTIVE:
                stopping.cancel_while_held_back(subscription=subscription, now=now)
            close_orphans(subscription=subscription, now=now)
    except OutsideError as error:
        _again(lease, error=error.message, now=now)
    except LeaseLost:
        raise
    except Exception as error:  # a bug, or a failpoint: all of it can be done again
        log.exception("reconcile.failed")
        _again(lease, error=f"{type(error).__name__}: {error}", now=now)
    else:
        _rest(lease, now)


def _rest(lease: Lease[Subscription], now: datetime) -> None:
    state = Subscription.objects.values_list("state", flat=True).get(pk=lease.row.pk)
    over = state == SubscriptionState.STOPPED
    period = timedelta(seconds=settings.COPY_RECONCILE_SECONDS)
    lease.release(again_at=None if over else now + period, reconciled_at=now)


def _again(lease: Lease[Subscription], *, error: str, now: datetime) -> None:
    """Soon again, less and less often, but never later than a period and never given up."""
    period = timedelta(seconds=settings.COPY_RECONCILE_SECONDS)
    log.warning("reconcile.retry", attempt=lease.row.attempts, error=error)
    lease.write(
        lease_token=None,
        lease_until=None,
        next_attempt_at=now + min(work.backoff(attempts=lease.row.attempts), period),
        last_error=error[:2000],
    )


# --- Late fills -----------------------------------------------------------------------------------


def book_late_fills(*, subscription: Subscription, now: datetime) -> int:
    """Look again at legs that ended short since the last comparison; how many had filled after all.

    A period is looked at twice, so that an exchange whose reads lag behind is not believed once.
    """
    period = timedelta(seconds=settings.COPY_RECONCILE_SECONDS)
    since = (subscription.reconciled_at or subscription.created_at) - period
    booked = Coalesce(Sum("fills__quantity"), _ZERO, output_field=DecimalField())
    ended = (
        CopyOrder.objects.filter(subscription=subscription, updated_at__gte=since)
        .exclude(kind=Signal.Kind.CANCEL)
        .annotate(booked=booked)
    )
    doubtful = [
        leg
        for leg in ended.filter(state__in=[*_ENDED_SHORT, LegState.FILLED])
        if leg.booked < leg.filled or _may_fill_late(leg)
    ]
    return sum(_mend(leg, report, now=now) for leg, report in _looked_up(subscription, doubtful))


def _may_fill_late(leg: CopyOrder) -> bool:
    if leg.state == LegState.REJECTED:
        return leg.sends > 1 or leg.attempts > 1
    return leg.state == LegState.CANCELLED


def _looked_up(
    subscription: Subscription, legs: Iterable[CopyOrder]
) -> Iterable[tuple[CopyOrder, OrderReport]]:
    creds, venue = credentials_of(subscription.account), runner.venue()
    for leg in legs:
        question = venue.find(creds, symbol=leg.symbol, client_order_id=leg.client_order_id)
        report = ask(question, weight=weights.FIND, urgent=False)
        if report is not None:
            yield leg, report


def _mend(leg: CopyOrder, report: OrderReport, *, now: datetime) -> bool:
    """Book what the exchange has beyond the ledger; whether there was any."""
    failpoint("reconcile.mend.before_commit", key=leg.pk)
    with transaction.atomic():
        new = book(
            [
                Booking(
                    account_id=leg.account_id,
                    trade=trade,
                    copy_order_id=leg.pk,
                    subscription_id=leg.subscription_id,
                )
                for trade in report.trades
            ],
            now=now,
        )
        late = report.filled > leg.filled
        if late:
            _raise_filled(leg, report, now=now)
    return bool(new) or late


def _raise_filled(leg: CopyOrder, report: OrderReport, *, now: datetime) -> None:
    """The leg's end was not the end: its figures follow the exchange, and a person has a look."""
    full = report.filled >= (leg.sent or report.quantity)
    CopyOrder.objects.filter(pk=leg.pk).update(
        state=LegState.FILLED if full else LegState.CANCELLED,
        reason=F("reason") if leg.state == LegState.CANCELLED else "partly_filled",
        filled=Greatest(F("filled"), report.filled),
        quote_filled=Greatest(F("quote_filled"), report.quote_filled),
        exchange_order_id=report.id,
        attention=True,
        updated_at=now,
    )
    evidence = {
        "was": str(leg.state),
        "filled_before": f"{leg.filled:f}",
        "filled": f"{report.filled:f}",
    }
    log.error("copy.filled_after_end", leg=str(leg.pk), **evidence)
    audit.record(
        actor=_ACTOR,
        action="copy_order.filled_after_end",
        object_type="copy_order",
        object_id=str(leg.pk),
        evidence=evidence,
        now=now,
    )


def _wake_forgotten(subscription: Subscription, *, now: datetime) -> None:
    """An open leg that nobody will look at again is due now."""
    CopyOrder.objects.filter(
        subscription=subscription, state__in=_OPEN, next_attempt_at=None, attention=False
    ).update(next_attempt_at=now)


# --- Orphans --------------------------------------------------------------------------------------


def close_orphans(*, subscription: Subscription, now: datetime) -> list[Signal]:
    """Close what the subscription holds of pairs that its master holds no more (research 2.4).

    Only when nothing is under way: no open order of the master's, no open leg of the subscription.
    What is too small to be sold is left.
    """
    held = {
        position.symbol: position.quantity
        for position in CopyPosition.objects.filter(subscription=subscription, quantity__gt=0)
    }
    for symbol in _in_motion(subscription, now=now):
        held.pop(symbol, None)
    if not held:
        return []
    markets = runner.run(runner.venue().markets(), timeout=_SECONDS)
    marks = _marks(subscription, held)
    found = []
    for symbol, quantity in sorted(held.items()):
        price, market = marks.get(symbol), markets.get(symbol)
        if price is None or market is None:
            continue
        if _is_orphan(subscription, symbol, quantity, price=price, market=market):
            signal = _close(subscription, symbol, price=price, market=market, now=now)
            if signal is not None:
                found.append(signal)
    return found


def _is_orphan(
    subscription: Subscription, symbol: str, quantity: Decimal, *, price: Decimal, market: Market
) -> bool:
    """Whether it can be sold although the master holds nothing that could be."""
    masters = _masters(subscription, symbol)
    return not _sellable(masters, price=price, market=market) and _sellable(
        quantity, price=price, market=market
    )


def _in_motion(subscription: Subscription, *, now: datetime) -> set[str]:
    """Pairs in which something is under way, or whose orphan was tried to be closed lately."""
    legs = CopyOrder.objects.filter(subscription=subscription, state__in=_OPEN)
    orders = MasterOrder.objects.filter(
        strategy=subscription.strategy_id,
        state__in=[MasterOrderState.PENDING, MasterOrderState.WORKING],
    )
    tried = Signal.objects.filter(
        subscription=subscription,
        cause=Signal.Cause.ORPHAN,
        created_at__gt=now - _ORPHAN_AGAIN,
    )
    return {
        symbol for rows in (legs, orders, tried) for symbol in rows.values_list("symbol", flat=True)
    }


def _marks(subscription: Subscription, symbols: Mapping[str, Decimal]) -> dict[str, Decimal]:
    marks = MarkPrice.objects.filter(
        exchange=subscription.strategy.exchange, symbol__in=list(symbols)
    )
    return dict(marks.values_list("symbol", "price"))


def _masters(subscription: Subscription, symbol: str) -> Decimal:
    position = MasterPosition.objects.filter(strategy=subscription.strategy_id, symbol=symbol)
    return position.values_list("quantity", flat=True).first() or _ZERO


def _sellable(quantity: Decimal, *, price: Decimal, market: Market) -> bool:
    sized = sizing.size_close(
        held=quantity,
        sold=_ZERO,
        cumulative=_ONE,
        position_before=_ONE,
        price=price,
        market=market,
    )
    return bool(sized.rounded)


def _close(
    subscription: Subscription, symbol: str, *, price: Decimal, market: Market, now: datetime
) -> Signal | None:
    """Publish the close, unless the master or the follower has moved since it was found.

    Who holds the strategy's row sees all that was published: an open that is just being copied is
    neither overtaken nor sold.
    """
    failpoint("reconcile.orphan.before_commit", key=subscription.pk)
    with transaction.atomic():
        Strategy.objects.select_for_update(no_key=True).only("pk").get(pk=subscription.strategy_id)
        subscription.refresh_from_db(fields=["state"])
        position = CopyPosition.objects.get(subscription=subscription, symbol=symbol)
        if (
            subscription.state in (SubscriptionState.STOPPING, SubscriptionState.STOPPED)
            or symbol in _in_motion(subscription, now=now)
            or not _is_orphan(subscription, symbol, position.quantity, price=price, market=market)
        ):
            return None
        log.warning("reconcile.orphan", symbol=symbol)
        return publish(
            strategy=subscription.strategy,
            kind=Signal.Kind.CLOSE,
            symbol=symbol,
            type="MARKET",
            price=price,
            at=now,
            now=now,
            cumulative=_ONE,
            position_before=_ONE,
            cause=Signal.Cause.ORPHAN,
            subscription=subscription,
        )
