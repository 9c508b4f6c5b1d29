"""How large a copy is: pure functions of Decimals, shared by the engine and the preview.

Quantities are in the base asset, prices and amounts in the quote asset. Formulas: research on copy
trading 2.4; a copy's five numbers are ideal → clamped → rounded → sent → filled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from copytrade.exchange.types import Market

ZERO = Decimal(0)
_BPS = Decimal(10_000)
# A copy at the exchange's very minimum could not be sold again: 5 % above it, and so much that it
# is still there after a fee in the bought asset and rounding down to a step.
_RESERVE = Decimal("1.05")
_LEFT_AFTER_FEE = Decimal("0.998")
_PLACES = Decimal("1e-18")
# In the quote asset: what is worth less is below every exchange's minimum. Each close leaves some,
# because fees taken in the base asset are no whole steps.
DUST = Decimal(5)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a subscription sizes its orders; `mode` is one of Subscription.Sizing."""

    mode: str
    factor: Decimal
    minimum: str


@dataclass(frozen=True, slots=True)
class Headroom:
    """Quote amount that may still be bought under one limit, and the reason code it stands for."""

    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Sized:
    """Outcome of sizing. `rounded` zero: nothing is sent, `reason` tells why.

    `reason` beside a positive quantity names the limit that made it smaller. `carried` is what is
    kept for the next open of the pair. `has_rest`: a close of more than one order may sell.
    """

    ideal: Decimal
    clamped: Decimal
    rounded: Decimal
    reason: str = ""
    carried: Decimal = ZERO
    has_rest: bool = False


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above the value; a step of 0 changes nothing."""
    if not step:
        return value
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below the value."""
    if not step:
        return value
    return (value / step).to_integral_value(ROUND_CEILING) * step


def cap_price(*, reference: Decimal, slippage_bps: int, market: Market) -> Decimal:
    """The most that an open may pay: floored to the tick, so that it never passes the cap."""
    return floor_to(reference * (1 + Decimal(slippage_bps) / _BPS), market.tick)


def open_target(
    *,
    sizing: Sizing,
    cumulative: Decimal,
    order_quantity: Decimal,
    price: Decimal,
    equity: Decimal,
    master_equity: Decimal,
) -> Decimal:
    """How much the follower should have bought by now for one order of the master.

    fixed: F / p for the whole order, in proportion while it fills. multiplier: k q. proportional:
    k q E_f / E_m, both equities as before the order. Zero when the master's equity is not positive.
    """
    if sizing.mode == "fixed":
        share = cumulative / order_quantity if order_quantity else Decimal(1)
        return sizing.factor / price * min(share, Decimal(1))
    if sizing.mode == "multiplier":
        return sizing.factor * cumulative
    if master_equity <= 0 or equity <= 0:
        return ZERO
    return sizing.factor * cumulative * equity / master_equity


def size_open(
    *,
    target: Decimal,
    done: Decimal,
    carried: Decimal,
    price: Decimal,
    headrooms: Iterable[Headroom],
    minimum: str,
    market: Market,
) -> Sized:
    """An open: what is missing to the target, within every limit, in the exchange's steps.

    `done` is what earlier legs of the same order sent or bought; `price` the most it may pay.
    """
    missing = max(target - done, ZERO)
    if not missing:
        return Sized(ideal=ZERO, clamped=ZERO, rounded=ZERO, reason="nothing_to_add")
    ideal = (missing + carried).quantize(_PLACES, ROUND_FLOOR)
    clamped, reason = _clamp(ideal, price=price, headrooms=headrooms, market=market)
    rounded = floor_to(clamped, market.step)
    least = least_buy(price=price, market=market)
    if rounded >= least:
        return Sized(ideal, clamped, rounded, reason)
    if reason:  # a limit, not the follower's size, left too little
        return Sized(ideal, clamped, ZERO, reason)
    if minimum == "accumulate":
        # `clamped` is what this leg adds: it counts as done for the order, `carried` for the pair.
        return Sized(ideal, missing, ZERO, "accumulated", carried=ideal)
    if minimum == "bump":
        bumped, reason = _clamp(least, price=price, headrooms=headrooms, market=market)
        if not reason:
            return Sized(ideal, bumped, bumped)
        return Sized(ideal, clamped, ZERO, reason)
    return Sized(ideal, clamped, ZERO, "below_minimum")


def _clamp(
    quantity: Decimal, *, price: Decimal, headrooms: Iterable[Headroom], market: Market
) -> tuple[Decimal, str]:
    """The quantity within the tightest limit, and which one it is ("" when none binds)."""
    reason = ""
    for room in headrooms:
        most = max(room.amount, ZERO) / price
        if most < quantity:
            quantity, reason = most.quantize(_PLACES, ROUND_FLOOR), room.reason
    return min(quantity, market.max_quantity), reason


def least_buy(*, price: Decimal, market: Market) -> Decimal:
    """The smallest quantity to buy that can be sold again."""
    sellable = least_quantity(price=price, market=market, reserve=_RESERVE)
    return ceil_to(sellable / _LEFT_AFTER_FEE, market.step)


def least_quantity(*, price: Decimal, market: Market, reserve: Decimal = Decimal(1)) -> Decimal:
    """The smallest quantity that the exchange takes at the price, `reserve` times its minimum."""
    by_value = market.min_notional * reserve / price
    return ceil_to(max(by_value, market.min_quantity), market.step)


def size_close(
    *,
    held: Decimal,
    sold: Decimal,
    cumulative: Decimal,
    position_before: Decimal,
    price: Decimal,
    market: Market,
) -> Sized:
    """A close: the fraction that the master sold, of what the follower held before that order.

    `sold` is what earlier legs of the same order sold. A rest too small to be sold is sold along;
    a position too small altogether stays as dust.
    """
    if held <= 0:
        return Sized(ideal=ZERO, clamped=ZERO, rounded=ZERO, reason="no_position")
    fraction = min(cumulative / position_before, Decimal(1)) if position_before > 0 else Decimal(1)
    ideal = max((held + sold) * fraction - sold, ZERO).quantize(_PLACES, ROUND_FLOOR)
    clamped = min(ideal, held)
    if not clamped:
        return Sized(ideal, clamped, ZERO, "nothing_to_add")
    step = market.market_step or market.step
    least = _least_sellable(price=price, market=market, step=step)
    if held - clamped < least:
        clamped = held
    whole = floor_to(clamped, step)
    rounded = min(whole, floor_to(market.market_max_quantity, step))
    if rounded < least:
        return Sized(ideal, clamped, ZERO, "below_minimum")
    return Sized(ideal, clamped, rounded, has_rest=rounded < whole)


def left_to_carry(*, carried: Decimal, cumulative: Decimal, position_before: Decimal) -> Decimal:
    """What stays kept for the next open after the master sold: nothing once all is sold.

    What was never bought need not be sold, but must not be bought later either. Each slice of a
    close takes its whole fraction, which errs on the small side.
    """
    if position_before <= 0 or cumulative >= position_before:
        return ZERO
    return (carried * (1 - cumulative / position_before)).quantize(_PLACES, ROUND_FLOOR)


def _least_sellable(*, price: Decimal, market: Market, step: Decimal) -> Decimal:
    least = max(market.market_min_quantity, market.min_quantity, step)
    if market.min_notional_applies_to_market:
        least = max(least, market.min_notional / price)
    return ceil_to(least, step)
