"""What a subscription would have copied: the master's last 90 days with the follower's own limits.

The sizes come from the functions that the engine uses (copytrade.sizing). Reads only: the database,
and the exchange's rules that this process keeps in memory.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import structlog
from django.utils.functional import Promise

from accounts.models import User
from agora.lib.outcome import OutsideError
from copytrade import sizing
from copytrade.exchange import runner
from copytrade.exchange.types import Market
from copytrade.models import RiskLimits, Strategy
from copytrade.reasons import text_of
from copytrade.selectors.master_events import Event, events_of
from copytrade.selectors.risk import limits_of
from copytrade.sizing import Headroom, Sized, Sizing

log = structlog.get_logger(__name__)

DAYS = 90
# Binance's usual fee for an order that takes from the book.
FEE = Decimal("0.001")
_ZERO = Decimal(0)
_RULES_SECONDS = 4.0


class Terms(Protocol):
    """What the replay asks of a subscription's terms (services.terms.Terms)."""

    @property
    def sizing(self) -> str: ...
    @property
    def factor(self) -> Decimal: ...
    @property
    def allocated(self) -> Decimal: ...
    @property
    def symbols(self) -> Sequence[str]: ...
    @property
    def slippage_bps(self) -> int: ...
    @property
    def max_open(self) -> int: ...
    @property
    def minimum(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One order of the master and what would have become of it. `reason` also tells of a smaller
    copy; it is empty for one in full.
    """

    at: datetime
    symbol: str
    side: str
    price: Decimal
    master_quantity: Decimal
    quantity: Decimal
    value: Decimal
    reason: str

    @property
    def copied(self) -> bool:
        return self.quantity > 0

    @property
    def why(self) -> "str | Promise":
        return text_of(self.reason) if self.reason else ""


@dataclass(frozen=True)
class Preview:
    """The replay, newest line first. Amounts are in the quote asset; estimates, not promises.

    `result` is profit and loss with open positions at their last price; `stopped_at` when the
    stop-loss would have struck; `has_rules` whether the exchange's minimums were known.
    """

    lines: list[Line]
    result: Decimal
    fees: Decimal
    bought: Decimal
    most_used: Decimal
    stopped_at: datetime | None
    has_rules: bool

    @property
    def orders(self) -> int:
        return len(self.lines)

    @property
    def copied(self) -> int:
        return sum(line.copied for line in self.lines)

    @property
    def share(self) -> Decimal:
        """Copied orders of all, in percent."""
        return Decimal(100 * self.copied) / self.orders if self.orders else _ZERO

    @property
    def skipped(self) -> "list[tuple[str, str | Promise, int]]":
        """Reason code, its words and how many orders were skipped for it, the most first."""
        counts = Counter(line.reason for line in self.lines if not line.copied)
        return [(code, text_of(code), count) for code, count in counts.most_common()]


def preview_of(
    *,
    user: User,
    strategy: Strategy,
    terms: Terms,
    stop_equity: Decimal | None,
    now: datetime,
) -> Preview:
    """Replay the last 90 days of the master's orders with these terms and the user's limits."""
    events = events_of(strategy, since=now - timedelta(days=DAYS))
    rules = _rules() if events else {}
    limits = [limits_of(user=user), limits_of()]
    replay = _Replay(terms=terms, stop_equity=stop_equity, rules=rules, limits=limits)
    lines = [replay.line_of(event) for event in events]
    return Preview(
        lines=lines[::-1],
        result=replay.equity() - terms.allocated,
        fees=replay.fees,
        bought=replay.bought,
        most_used=replay.most_used,
        stopped_at=replay.stopped_at,
        has_rules=bool(rules) or not events,
    )


@dataclass(slots=True)
class _Held:
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    carried: Decimal = _ZERO
    price: Decimal = _ZERO

    @property
    def value(self) -> Decimal:
        return self.quantity * self.price


@dataclass(slots=True)
class _Replay:
    """A subscription that trades on paper. Every copy fills at the master's price, less the fee."""

    terms: Terms
    stop_equity: Decimal | None
    rules: Mapping[str, Market]
    limits: Sequence[RiskLimits]
    held: dict[str, _Held] = field(default_factory=dict)
    realized: Decimal = _ZERO
    fees: Decimal = _ZERO
    bought: Decimal = _ZERO
    most_used: Decimal = _ZERO
    stopped_at: datetime | None = None

    def equity(self) -> Decimal:
        gains = sum((h.value - h.cost for h in self.held.values()), _ZERO)
        return self.terms.allocated + self.realized + gains

    def line_of(self, event: Event) -> Line:
        """Copy one order; the line that tells of it."""
        held = self.held.setdefault(event.symbol, _Held())
        held.price = event.price
        self._strike(event)
        sized = self._sized(event, held)
        if sized.rounded:
            (self._buy if event.side == "BUY" else self._sell)(held, sized.rounded)
        return Line(
            at=event.at,
            symbol=event.symbol,
            side=event.side,
            price=event.price,
            master_quantity=event.quantity,
            quantity=sized.rounded,
            value=sized.rounded * event.price,
            reason=sized.reason,
        )

    def _strike(self, event: Event) -> None:
        """End everything once the stop-loss is reached."""
        if self.stopped_at or self.stop_equity is None or self.equity() > self.stop_equity:
            return
        self.stopped_at = event.at
        for held in self.held.values():
            if held.quantity:
                self._sell(held, held.quantity)

    def _sized(self, event: Event, held: _Held) -> Sized:
        if self.stopped_at:
            return _nothing("subscription_stopping")
        market = self.rules.get(event.symbol) or (None if self.rules else _unknown(event.symbol))
        if market is None:
            return _nothing("unknown_symbol")
        if event.side == "SELL":
            held.carried = sizing.left_to_carry(
                carried=held.carried,
                cumulative=event.quantity,
                position_before=event.position_before,
            )
            return sizing.size_close(
                held=held.quantity,
                sold=_ZERO,
                cumulative=event.quantity,
                position_before=event.position_before,
                price=event.price,
                market=market,
            )
        return self._sized_open(event, held, market)

    def _sized_open(self, event: Event, held: _Held, market: Market) -> Sized:
        if event.symbol not in self.terms.symbols:
            return _nothing("symbol_not_allowed")
        pairs = sum(h.value >= sizing.DUST for h in self.held.values())
        if held.value < sizing.DUST and pairs >= self.terms.max_open:
            return _nothing("max_open_reached")
        target = sizing.open_target(
            sizing=Sizing(self.terms.sizing, self.terms.factor, self.terms.minimum),
            cumulative=event.quantity,
            order_quantity=event.quantity,
            price=event.price,
            equity=self.equity(),
            master_equity=event.equity_before,
        )
        cap = sizing.cap_price(
            reference=event.price, slippage_bps=self.terms.slippage_bps, market=market
        )
        sized = sizing.size_open(
            target=target,
            done=_ZERO,
            carried=held.carried,
            price=cap or event.price,
            headrooms=list(self._headrooms(held)),
            minimum=self.terms.minimum,
            market=market,
        )
        if sized.rounded or sized.reason == "accumulated":
            held.carried = sized.carried
        return sized

    def _headrooms(self, held: _Held) -> Iterator[Headroom]:
        used = sum((h.cost for h in self.held.values()), _ZERO)
        value = sum((h.value for h in self.held.values()), _ZERO)
        yield Headroom(self.terms.allocated + self.realized - used, "allocation_used_up")
        for limits in self.limits:
            if limits.max_order is not None:
                yield Headroom(limits.max_order, "risk_max_order")
            if limits.max_symbol is not None:
                yield Headroom(limits.max_symbol - held.value, "risk_max_symbol")
            if limits.max_exposure is not None:
                yield Headroom(limits.max_exposure - value, "risk_max_exposure")

    def _buy(self, held: _Held, quantity: Decimal) -> None:
        """The fee is taken from what is bought, as the exchange does."""
        paid = quantity * held.price
        held.quantity += quantity * (1 - FEE)
        held.cost += paid
        self.bought += paid
        self.fees += paid * FEE
        used = sum((h.cost for h in self.held.values()), _ZERO)
        self.most_used = max(self.most_used, used)

    def _sell(self, held: _Held, quantity: Decimal) -> None:
        got = quantity * held.price
        share = held.cost * min(quantity / held.quantity, Decimal(1))
        self.realized += got * (1 - FEE) - share
        self.fees += got * FEE
        held.quantity -= quantity
        held.cost -= share


def _nothing(reason: str) -> Sized:
    return Sized(ideal=_ZERO, clamped=_ZERO, rounded=_ZERO, reason=reason)


def _rules() -> Mapping[str, Market]:
    """The exchange's rules, from this process's memory or one request; none when it is away."""
    try:
        return runner.run(runner.venue().markets(), timeout=_RULES_SECONDS)
    except OutsideError as error:
        log.warning("preview.rules_unknown", error=error.code)
        return {}


def _unknown(symbol: str) -> Market:
    """Rules of a pair as they are at most exchanges, for when they cannot be asked for."""
    base, _slash, quote = symbol.partition("/")
    fine, far = Decimal("0.00000001"), Decimal("1e12")
    return Market(
        symbol=symbol,
        id=base + quote,
        base=base,
        quote=quote,
        trading=True,
        step=fine,
        market_step=fine,
        min_quantity=fine,
        max_quantity=far,
        market_min_quantity=fine,
        market_max_quantity=far,
        tick=fine,
        min_price=fine,
        max_price=far,
        min_notional=Decimal(5),
        max_notional=None,
        min_notional_applies_to_market=True,
        max_notional_applies_to_market=False,
        buy_multiplier_up=None,
        buy_multiplier_down=None,
        sell_multiplier_up=None,
        sell_multiplier_down=None,
        max_open_orders=None,
        order_types=frozenset({"LIMIT", "MARKET"}),
    )
