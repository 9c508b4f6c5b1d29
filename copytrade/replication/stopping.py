"""Ending a subscription: cancel what rests, close what is held if so chosen, then free the slot.

STOPPING lasts until the exchange has done it, however long an account or a market is away. Rows are
locked in the order strategy, subscription.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import F, Sum
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from agora.lib.money import plain
from agora.lib.outcome import OutsideError
from compliance import audit
from copytrade import sizing
from copytrade.exchange import runner
from copytrade.exchange.types import Market
from copytrade.models import (
    CopyOrder,
    CopyPosition,
    MarkPrice,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication.publish import publish
from copytrade.states import SUBSCRIPTION_MOVES, LegState, SubscriptionState

log = structlog.get_logger(__name__)

OPEN_LEGS = (LegState.PLANNED, LegState.SENDING, LegState.WORKING)
_MARKETS_SECONDS = 5.0
# A close that the exchange refused is tried again, but not at every look.
_AGAIN_AFTER_REFUSAL = timedelta(minutes=10)


def begin_stop(
    *,
    subscription: Subscription,
    reason: str,
    now: datetime,
    on_stop: str = "",
    actor: str = "",
) -> bool:
    """Begin to end a subscription, `on_stop` (its own choice by default); False when it had begun.

    One that is closing may still be told to keep what it holds.
    Joins the caller's transaction; the given row is brought up to date. Ends at once when nothing
    is held or open. Tells nobody that it began: whoever asks for it knows why.
    """
    with transaction.atomic():
        _lock(subscription)
        if subscription.state in (SubscriptionState.STOPPING, SubscriptionState.STOPPED):
            _give_up_closing(subscription, on_stop=on_stop, actor=actor, now=now)
            return False
        SUBSCRIPTION_MOVES.check(subscription.state, SubscriptionState.STOPPING)
        subscription.state, subscription.state_reason = SubscriptionState.STOPPING, reason
        subscription.on_stop = on_stop or subscription.on_stop
        subscription.updated_at, subscription.next_attempt_at = now, now
        subscription.version += 1
        subscription.save(
            update_fields=[
                *("state", "state_reason", "on_stop", "updated_at", "next_attempt_at", "version"),
            ]
        )
        audit.record(
            actor=actor or audit.system("copytrade"),
            action="subscription.stopping",
            object_type="subscription",
            object_id=str(subscription.pk),
            evidence={"reason": reason, "on_stop": subscription.on_stop},
            now=now,
        )
        if not _wind_down(subscription, markets={}, now=now):
            _end(subscription, now=now)
    return True


def _give_up_closing(
    subscription: Subscription, *, on_stop: str, actor: str, now: datetime
) -> None:
    """Keep after all what was to be closed, for an account that can no longer sell it."""
    choice = Subscription.OnStop
    if subscription.state != SubscriptionState.STOPPING or (subscription.on_stop, on_stop) != (
        choice.CLOSE,
        choice.KEEP,
    ):
        return
    subscription.on_stop, subscription.updated_at = on_stop, now
    subscription.next_attempt_at = now
    subscription.version += 1
    subscription.save(update_fields=["on_stop", "updated_at", "next_attempt_at", "version"])
    CopyOrder.objects.filter(
        subscription=subscription, kind=Signal.Kind.CLOSE, state=LegState.PLANNED
    ).update(
        state=LegState.SKIPPED,
        reason="subscription_stopping",
        next_attempt_at=None,
        updated_at=now,
    )
    audit.record(
        actor=actor or audit.system("copytrade"),
        action="subscription.closing_given_up",
        object_type="subscription",
        object_id=str(subscription.pk),
        evidence={"on_stop": on_stop},
        now=now,
    )


def finish_stop(*, subscription: Subscription, now: datetime) -> bool:
    """End a stopping subscription once nothing is open and what is left cannot be sold.

    True when it is STOPPED. Otherwise asks again for what is still to be cancelled or closed. To be
    called outside of transactions: it may ask the exchange for the rules of pairs.
    """
    markets = _markets(subscription)
    with transaction.atomic():
        _lock(subscription)
        if subscription.state == SubscriptionState.STOPPED:
            return True
        if subscription.state != SubscriptionState.STOPPING:
            return False
        if _wind_down(subscription, markets=markets, now=now):
            return False
        _end(subscription, now=now)
    return True


def _lock(subscription: Subscription) -> None:
    """Hold strategy and subscription, in this order, and read the latter anew."""
    Strategy.objects.select_for_update(no_key=True).only("pk").get(pk=subscription.strategy_id)
    subscription.refresh_from_db(
        from_queryset=Subscription.objects.select_for_update(of=("self",), no_key=True)
    )


def _wind_down(subscription: Subscription, *, markets: Mapping[str, Market], now: datetime) -> bool:
    """Publish what is missing to the end; whether anything is still open or to be closed."""
    legs = _cancel_resting(subscription, now=now)
    if subscription.on_stop == Subscription.OnStop.KEEP:
        return bool(legs)
    closing = {leg.symbol for leg in legs if leg.kind == Signal.Kind.CLOSE}
    held = _sellable(subscription, markets=markets)
    for symbol, price in held.items():
        if symbol not in closing and not _refused_lately(subscription, symbol, now=now):
            _publish(subscription, Signal.Kind.CLOSE, symbol, price=price, now=now)
    return bool(legs or held)


def cancel_while_held_back(*, subscription: Subscription, now: datetime) -> None:
    """Cancel what rests of a subscription that copies closes only: it would open when it fills."""
    with transaction.atomic():
        _lock(subscription)
        if subscription.state in (SubscriptionState.PAUSED, SubscriptionState.REDUCING):
            _cancel_resting(subscription, now=now)


def _cancel_resting(subscription: Subscription, *, now: datetime) -> list[CopyOrder]:
    """Ask for every resting order to be cancelled, once; the legs that were open before."""
    legs = list(CopyOrder.objects.filter(subscription=subscription, state__in=OPEN_LEGS))
    resting = [
        leg for leg in legs if leg.kind == Signal.Kind.OPEN and leg.state == LegState.WORKING
    ]
    cancels = [leg for leg in legs if leg.kind == Signal.Kind.CANCEL]
    for leg in resting[len(cancels) :]:
        _publish(subscription, Signal.Kind.CANCEL, leg.symbol, price=leg.price, now=now)
    return legs


def _sellable(subscription: Subscription, *, markets: Mapping[str, Market]) -> dict[str, Decimal]:
    """Pairs held that can be sold, with their newest price; all of them where rules are unknown."""
    found = {}
    held = CopyPosition.objects.filter(subscription=subscription, quantity__gt=0)
    marks = dict(
        MarkPrice.objects.filter(
            exchange=subscription.strategy.exchange, symbol__in=held.values("symbol")
        ).values_list("symbol", "price")
    )
    for position in held:
        price = marks.get(position.symbol) or position.average_price or Decimal(0)
        market = markets.get(position.symbol)
        if market is None or _can_be_sold(position.quantity, price=price, market=market):
            found[position.symbol] = price
    return found


def _can_be_sold(quantity: Decimal, *, price: Decimal, market: Market) -> bool:
    one = Decimal(1)
    sized = sizing.size_close(
        held=quantity,
        sold=Decimal(0),
        cumulative=one,
        position_before=one,
        price=price or one,
        market=market,
    )
    return bool(sized.rounded)


def _refused_lately(subscription: Subscription, symbol: str, *, now: datetime) -> bool:
    last = (
        CopyOrder.objects.filter(subscription=subscription, symbol=symbol, kind=Signal.Kind.CLOSE)
        .order_by("-created_at")
        .first()
    )
    refused = last is not None and last.state in (LegState.REJECTED, LegState.SKIPPED)
    return refused and last is not None and last.updated_at > now - _AGAIN_AFTER_REFUSAL


def _publish(
    subscription: Subscription,
    kind: Signal.Kind,
    symbol: str,
    *,
    price: Decimal | None,
    now: datetime,
) -> None:
    publish(
        strategy=subscription.strategy,
        kind=kind,
        symbol=symbol,
        type="MARKET",
        price=price or Decimal(1),  # closes have no price limit: it only serves the record
        at=now,
        now=now,
        cumulative=Decimal(1),
        position_before=Decimal(1),
        cause=Signal.Cause.STOP,
        subscription=subscription,
    )


def _end(subscription: Subscription, *, now: datetime) -> None:
    """STOPPED: the slot is free again, and its person is told."""
    subscription.state, subscription.stopped_at = SubscriptionState.STOPPED, now
    subscription.updated_at, subscription.next_attempt_at = now, None
    subscription.version += 1
    subscription.save(
        update_fields=["state", "stopped_at", "updated_at", "next_attempt_at", "version"]
    )
    Strategy.objects.filter(pk=subscription.strategy_id).update(copiers=F("copiers") - 1)
    realized = CopyPosition.objects.filter(subscription=subscription).aggregate(
        sum=Sum("realized")
    )["sum"] or Decimal(0)
    audit.record(
        actor=audit.system("copytrade"),
        action="subscription.stopped",
        object_type="subscription",
        object_id=str(subscription.pk),
        evidence={"on_stop": subscription.on_stop, "realized": plain(realized)},
        now=now,
    )
    notices.notify(
        user=subscription.follower,
        kind="subscription-stopped",
        subject=gettext_noop("Copying %(strategy)s has ended"),
        body=_ENDED[Subscription.OnStop(subscription.on_stop)],
        params={"strategy": subscription.strategy.name, "realized": f"{realized:+.2f}"},
        url=reverse("subscription", args=[subscription.pk]),
        level=Notice.Level.INFO,
        now=now,
    )


_ENDED = {
    Subscription.OnStop.CLOSE: gettext_noop(
        "All copied positions are closed. Realized profit and loss: %(realized)s USDT. What was too "
        "small to be sold stays in your exchange account."
    ),
    Subscription.OnStop.KEEP: gettext_noop(
        "The copied positions stay in your exchange account, and Agora no longer trades them. "
        "Realized profit and loss: %(realized)s USDT."
    ),
}


def _markets(subscription: Subscription) -> dict[str, Market]:
    """Rules of the pairs that are held; without those that cannot be read now."""
    symbols = CopyPosition.objects.filter(subscription=subscription, quantity__gt=0)
    found = {}
    for symbol in symbols.values_list("symbol", flat=True):
        try:
            found[symbol] = runner.run(runner.venue().market(symbol), timeout=_MARKETS_SECONDS)
        except OutsideError as error:
            log.warning("stopping.rules_unknown", symbol=symbol, error=error.code)
    return found
