"""What an order of a master must keep: shape, the exchange's rules of the pair, a fresh price.

Only the rules that Agora can know are checked; the exchange has the last word.
"""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain
from agora.lib.outcome import OutsideError
from copytrade.exchange import runner
from copytrade.exchange.types import Market
from copytrade.models import MarkPrice, OrderType, Side, Strategy

_MARKET_SECONDS = 5.0
_ZERO = Decimal(0)
_LONGEST_NUMBER = 40


class DeskRefused(Exception):
    """Refused, and nothing is stored; `field` names what to correct, `message` says how."""

    def __init__(self, code: str, message: "str | Promise", *, field: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field


def parse_number(text: str, *, field: str) -> Decimal:
    """A positive plain decimal; raises DeskRefused (number_invalid) at `field`."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = _ZERO
    if not value.is_finite() or value <= 0 or len(text) > _LONGEST_NUMBER or value.adjusted() > 17:
        raise DeskRefused(
            "number_invalid", _("Enter a number above 0 with a decimal point."), field=field
        )
    return value


def market_of(symbol: str) -> Market:
    """The exchange's rules of a pair; raises DeskRefused (market_unknown) while unreadable."""
    try:
        return runner.run(runner.venue().market(symbol), timeout=_MARKET_SECONDS)
    except OutsideError as error:
        raise DeskRefused(
            "market_unknown",
            _("The exchange does not tell its rules for this pair now. Try again in a minute."),
            field="symbol",
        ) from error


def price_of(*, strategy: Strategy, symbol: str, now: datetime) -> Decimal:
    """The newest price of a pair; raises DeskRefused (price_unknown) when there is no fresh one."""
    mark = MarkPrice.objects.filter(exchange=strategy.exchange, symbol=symbol).first()
    oldest = now - timedelta(seconds=settings.COPY_PRICE_MAX_AGE_SECONDS)
    if mark is None or mark.at < oldest:
        raise DeskRefused(
            "price_unknown",
            _("There is no fresh price of this pair. Try again in a minute, or set a limit price."),
            field="symbol",
        )
    price: Decimal = mark.price
    return price


def quantity_for(*, value: Decimal, price: Decimal, market: Market, type: str) -> Decimal:  # noqa: A002
    """The base quantity that a value in the quote asset buys, cut to the pair's step."""
    return cut(quantity=value / price, step=step_of(market, type))


def check_terms(*, side: str, type: str, price: Decimal | None) -> None:  # noqa: A002
    """Hold side, type and price against each other; raises DeskRefused."""
    if side not in Side.values:
        raise DeskRefused("side_invalid", _("Choose buy or sell."), field="side")
    if type not in OrderType.values:
        raise DeskRefused("type_invalid", _("Choose market or limit."), field="type")
    if type == OrderType.LIMIT and price is None:
        raise DeskRefused("price_missing", _("A limit order needs a price."), field="price")
    if type == OrderType.MARKET and price is not None:
        raise DeskRefused("price_not_used", _("A market order has no price."), field="price")


def check_market(
    *,
    market: Market,
    type: str,  # noqa: A002
    quantity: Decimal,
    price: Decimal | None,
    reference: Decimal,
) -> None:
    """Hold an order against the exchange's rules; raises DeskRefused that says how to mend it.

    `reference` is the limit price, or about what a market order will fill at.
    """
    if not market.trading or type not in market.order_types:
        raise DeskRefused(
            "market_closed", _("The exchange does not trade this pair now."), field="symbol"
        )
    _check_quantity(market=market, type=type, quantity=quantity)
    if price is not None:
        _check_price(market=market, price=price)
    _check_value(market=market, type=type, value=quantity * reference)


def _check_quantity(*, market: Market, type: str, quantity: Decimal) -> None:  # noqa: A002
    _refuse_odd(quantity, field="quantity")
    resting = type == OrderType.LIMIT
    step = step_of(market, type)
    least = market.min_quantity if resting else market.market_min_quantity
    most = market.max_quantity if resting else market.market_max_quantity
    if not least <= quantity <= most:
        raise DeskRefused(
            "quantity_range",
            _("The exchange takes from %(least)s to %(most)s %(asset)s in one order.")
            % {"least": plain(least), "most": plain(most), "asset": market.base},
            field="quantity",
        )
    if step and quantity % step:
        raise DeskRefused(
            "quantity_step",
            _("The quantity must be a multiple of %(step)s %(asset)s.")
            % {"step": plain(step), "asset": market.base},
            field="quantity",
        )


def _check_price(*, market: Market, price: Decimal) -> None:
    _refuse_odd(price, field="price")
    if not market.min_price <= price <= market.max_price:
        raise DeskRefused(
            "price_range",
            _("The exchange takes prices from %(least)s to %(most)s %(asset)s.")
            % {
                "least": plain(market.min_price),
                "most": plain(market.max_price),
                "asset": market.quote,
            },
            field="price",
        )
    if market.tick and price % market.tick:
        raise DeskRefused(
            "price_tick",
            _("The price must be a multiple of %(tick)s %(asset)s.")
            % {"tick": plain(market.tick), "asset": market.quote},
            field="price",
        )


def _check_value(*, market: Market, type: str, value: Decimal) -> None:  # noqa: A002
    resting = type == OrderType.LIMIT
    if value < market.min_notional and (resting or market.min_notional_applies_to_market):
        raise DeskRefused(
            "below_minimum_value",
            _("The exchange takes orders from %(least)s %(asset)s on.")
            % {"least": plain(market.min_notional), "asset": market.quote},
            field="quantity",
        )
    most = market.max_notional
    if most is not None and value > most and (resting or market.max_notional_applies_to_market):
        raise DeskRefused(
            "above_maximum_value",
            _("The exchange takes orders up to %(most)s %(asset)s.")
            % {"most": plain(most), "asset": market.quote},
            field="quantity",
        )


def _refuse_odd(value: Decimal, *, field: str) -> None:
    """What the columns cannot hold exactly: not finite, not positive, over 18 digits either side."""
    exponent = value.as_tuple().exponent
    fits = isinstance(exponent, int) and exponent >= -18 and value.adjusted() <= 17
    if not value.is_finite() or value <= 0 or not fits:
        raise DeskRefused(
            "number_invalid", _("Enter a number above 0 with a decimal point."), field=field
        )


def step_of(market: Market, type: str) -> Decimal:  # noqa: A002
    """The step of quantities; market orders may have one of their own."""
    return market.step if type == OrderType.LIMIT else market.market_step


def cut(*, quantity: Decimal, step: Decimal) -> Decimal:
    """Down to a multiple of the step; a step of 0 allows any, to 18 decimals."""
    step = step or Decimal("1e-18")
    steps: Decimal = (quantity / step).to_integral_value(rounding=ROUND_DOWN)
    return steps * step
