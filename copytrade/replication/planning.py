"""What to do about a leg now: pure decisions from the facts that its transaction holds.

Limits are checked here, at the last moment before the intent to send is committed (RISK-1). Opens
fail closed; reducing orders are held back by kill switches and by an account out of use only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from copytrade import sizing
from copytrade.exchange.types import RECEIVE_WINDOW_MS, Market, NewOrder, OrderType, TimeInForce
from copytrade.replication import risk
from copytrade.replication.claims import Facts, Switch
from copytrade.sizing import Headroom, Sized, Sizing

# After the window the exchange refuses what was signed; on top comes what its own reads lag behind.
FINAL_AFTER = timedelta(milliseconds=RECEIVE_WINDOW_MS, seconds=2)
_HELD_BACK = timedelta(seconds=5)
_ACCOUNT_OUT = timedelta(seconds=60)
_CLOSED_MARKET = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this order; the intent is committed first."""

    order: NewOrder
    sized: Sized
    carried_in: Decimal


@dataclass(frozen=True, slots=True)
class Skip:
    """Never to be sent."""

    reason: str
    state: str = "SKIPPED"
    sized: Sized | None = None
    breach: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """An earlier sending may have been heard: find it before anything else."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Open at the exchange: see how it stands."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the resting order of another leg."""


Decision = Send | Skip | Wait | LookUp | Poll | Cancel


def decide(
    leg: Facts, *, switches: Sequence[Switch], markets: Mapping[str, Market], now: datetime
) -> Decision:
    """The next thing to do for a leg. `now` becomes the signed timestamp of what is sent."""
    if leg.state == "WORKING":
        return Poll()
    if leg.kind == "CANCEL":
        if leg.target_id is None and leg.state == "SENDING":  # an earlier try was heard after all
            return Skip("", state="DONE")
        return Cancel() if leg.target_id else Skip("nothing_open")
    if leg.state == "SENDING":
        return LookUp()
    market = markets.get(leg.symbol)
    if leg.kind == "CLOSE":
        return _decide_close(leg, switches=switches, market=market, now=now)
    return _decide_open(leg, switches=switches, market=market, now=now)


def _decide_close(
    leg: Facts, *, switches: Sequence[Switch], market: Market | None, now: datetime
) -> Decision:
    if leg.subscription_state == "STOPPED":
        return Skip("subscription_stopping")
    if any(switch.stops(leg) for switch in switches):
        return Wait(now + _HELD_BACK, "kill_switch")
    if leg.account_state != "ACTIVE":
        return Wait(now + _ACCOUNT_OUT, "account_paused")
    if market is None or not market.trading:
        return Wait(now + _CLOSED_MARKET, "market_closed")
    sized = sizing.size_close(
        held=leg.held,
        sold=leg.done,
        cumulative=leg.cumulative,
        position_before=leg.position_before,
        price=leg.signal_price,
        market=market,
    )
    if not sized.rounded:
        return Skip(sized.reason, sized=sized)
    return Send(_order(leg, quantity=sized.rounded, now=now), sized, sizing.ZERO)


def _decide_open(
    leg: Facts, *, switches: Sequence[Switch], market: Market | None, now: datetime
) -> Decision:
    refusal = _refusal(leg, switches=switches, market=market, now=now)
    if refusal is not None:
        return refusal
    assert market is not None  # noqa: S101  # _refusal saw to it; the type does not say so
    resting = leg.signal_type == "LIMIT"
    price = (
        sizing.floor_to(leg.signal_price, market.tick)
        if resting
        else sizing.cap_price(
            reference=leg.signal_price, slippage_bps=leg.slippage_bps, market=market
        )
    )
    if price <= 0:
        return Skip("price_filter")
    # What an earlier sending took along, and which was not heard, is still to be bought.
    carried = leg.carried + leg.carried_in
    sized = sizing.size_open(
        target=_target(leg),
        done=leg.done,
        carried=carried,
        price=price,
        headrooms=_headrooms(leg),
        minimum=leg.minimum,
        market=market,
    )
    if not sized.rounded:
        return Skip(sized.reason, sized=sized)
    order = _order(
        leg,
        quantity=sized.rounded,
        now=now,
        price=price,
        time_in_force="GTC" if resting else "IOC",
    )
    return Send(order, sized, carried)


def _refusal(
    leg: Facts, *, switches: Sequence[Switch], market: Market | None, now: datetime
) -> Skip | Wait | None:
    """Why an open may not be sent (yet), before any arithmetic; None when it may."""
    if leg.overtaken:
        return Skip(leg.overtaken)
    if leg.expires_at is not None and now >= leg.expires_at:
        return Skip("expired", state="EXPIRED")
    reason = _standing(leg) or (
        "kill_switch" if any(switch.stops(leg) for switch in switches) else ""
    )
    if reason:
        return Skip(reason)
    if market is None:
        return Skip("unknown_symbol")
    if not market.trading:
        return Skip("market_closed")
    if leg.blocked_until is not None and now < leg.blocked_until:
        if leg.expires_at is not None and leg.blocked_until >= leg.expires_at:
            return Skip("account_failing")
        return Wait(leg.blocked_until, "account_failing")
    if leg.symbol_value < sizing.DUST and leg.open_pairs >= leg.max_open:
        return Skip("max_open_reached")
    if _needs_prices(leg) and not _is_priced(leg, now=now):
        return Skip("risk_stale")
    breach = leg.losses and risk.breached(leg.losses, fresh_since=risk.fresh_since(now))
    return Skip("risk_reducing", breach=breach) if breach else None


_STATES = {
    "PAUSED": "subscription_paused",
    "REDUCING": "risk_reducing",
    "STOPPING": "subscription_stopping",
    "STOPPED": "subscription_stopping",
}


def _standing(leg: Facts) -> str:
    """What about subscription and account forbids opens; "" for nothing."""
    if leg.subscription_state in _STATES:
        return _STATES[leg.subscription_state]
    if leg.account_state != "ACTIVE":
        return "account_paused"
    if leg.symbols and leg.symbol not in leg.symbols:
        return "symbol_not_allowed"
    return ""


def _needs_prices(leg: Facts) -> bool:
    limits = (
        leg.max_symbol,
        leg.max_exposure,
        leg.losses,
        leg.person_max_symbol,
        leg.person_max_exposure,
    )
    return leg.sizing == "proportional" or any(limit is not None for limit in limits)


def _is_priced(leg: Facts, *, now: datetime) -> bool:
    """Whether all that limits and equity depend on has a price, and a new one."""
    if leg.sizing == "proportional" and leg.equity_before <= 0:
        return False  # the master's own was not known
    if leg.person_unpriced or (leg.open_pairs and (leg.unpriced or leg.priced_at is None)):
        return False
    oldest = risk.fresh_since(now)
    if leg.losses is not None and not leg.losses.user_is_fresh(since=oldest):
        return False
    used = (leg.priced_at if leg.open_pairs else None, leg.person_priced_at)
    return all(priced_at is None or priced_at >= oldest for priced_at in used)


def _target(leg: Facts) -> Decimal:
    return sizing.open_target(
        sizing=Sizing(mode=leg.sizing, factor=leg.factor, minimum=leg.minimum),
        cumulative=leg.cumulative,
        order_quantity=leg.order_quantity,
        price=leg.signal_price,
        equity=leg.equity,
        master_equity=leg.equity_before,
    )


def _headrooms(leg: Facts) -> Iterator[Headroom]:
    """What each limit leaves, in the quote asset, with resting buys counted as bought."""
    free = leg.allocated + leg.realized - leg.open_cost - leg.pending
    yield Headroom(free, "allocation_used_up")
    if leg.max_order is not None:
        yield Headroom(leg.max_order, "risk_max_order")
    if leg.max_symbol is not None:
        left = leg.max_symbol - leg.symbol_value - leg.pending_symbol
        yield Headroom(left, "risk_max_symbol")
    if leg.max_exposure is not None:
        yield Headroom(leg.max_exposure - leg.value - leg.pending, "risk_max_exposure")
    if leg.person_max_symbol is not None:
        yield Headroom(leg.person_max_symbol - leg.person_symbol_value, "risk_max_symbol")
    if leg.person_max_exposure is not None:
        yield Headroom(leg.person_max_exposure - leg.person_value, "risk_max_exposure")


def _order(
    leg: Facts,
    *,
    quantity: Decimal,
    now: datetime,
    price: Decimal | None = None,
    time_in_force: TimeInForce | None = None,
) -> NewOrder:
    kind: OrderType = "MARKET" if price is None else "LIMIT"
    return NewOrder(
        client_order_id=leg.client_order_id,
        symbol=leg.symbol,
        side="BUY" if leg.side == "BUY" else "SELL",
        type=kind,
        quantity=quantity,
        signed_at=now,
        price=price,
        time_in_force=time_in_force,
    )
