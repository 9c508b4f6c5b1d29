"""What a share costs now, and a quote frozen for the person who reviews it (RAT-013)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import structlog
from django.conf import settings
from django.core import signing
from django.core.cache import cache

from agora.lib.money import CENT, plain
from agora.lib.outcome import OutsideError
from trading import broker

log = structlog.get_logger(__name__)
SYMBOL = "AAPL"
_CACHE_KEY = f"quote:{SYMBOL}"
_SALT = "trading.quote"


class QuoteUnavailable(Exception):
    """No price can be had now."""


class QuoteInvalid(Exception):
    """The frozen quote was not made here, or was changed."""


class QuoteExpired(Exception):
    """The frozen quote is too old to buy at."""


@dataclass(frozen=True)
class Quote:
    """A price to buy at; USD per share. `limit_price` is the worst price an order may pay.

    `as_of` is when the market data was made, `quoted_at` when we read it, `expires_at` until when
    an order may use it. `next_open` is set while the market is closed.
    """

    symbol: str
    price: Decimal
    as_of: datetime
    quoted_at: datetime
    expires_at: datetime
    limit_price: Decimal
    market_open: bool
    next_open: datetime | None

    def age_seconds(self, now: datetime) -> float:
        """Seconds since the market data was made."""
        return max(0.0, (now - self.as_of).total_seconds())

    def stale(self, now: datetime) -> bool:
        """Whether the data is too old to buy at while the market is open."""
        return self.market_open and self.age_seconds(now) > settings.MARKET_DATA_MAX_AGE_SECONDS


def worst_price(price: Decimal) -> Decimal:
    """The price with the collar on top, rounded up to the cent."""
    collar = Decimal(settings.PRICE_COLLAR_BPS) / 10_000
    return (price * (1 + collar)).quantize(CENT, rounding=ROUND_CEILING)


def current_quote(*, now: datetime) -> Quote:
    """The price now, at most a few seconds old; raises QuoteUnavailable.

    Read from the cache that a periodic task keeps warm; on a miss, or without the cache, from the
    broker itself.
    """
    found = _cached()
    if (
        found is not None
        and (now - found.quoted_at).total_seconds() < settings.QUOTE_CACHE_SECONDS * 3
    ):
        return found
    return refresh_quote(now=now)


def refresh_quote(*, now: datetime) -> Quote:
    """Read price and market clock from the broker and cache them; raises QuoteUnavailable."""
    try:
        price, clock = broker.latest_price(symbol=SYMBOL), broker.clock()
    except OutsideError as error:
        raise QuoteUnavailable(error.message) from error
    quote = Quote(
        symbol=SYMBOL,
        price=price.price,
        as_of=price.as_of,
        quoted_at=now,
        expires_at=now + timedelta(seconds=settings.QUOTE_SECONDS),
        limit_price=worst_price(price.price),
        market_open=clock.is_open,
        next_open=None if clock.is_open else clock.next_open,
    )
    try:
        cache.set(_CACHE_KEY, quote, timeout=settings.QUOTE_SECONDS)
    except Exception as error:  # any cache failure: the quote itself is good
        log.warning("quote.cache_failed", error=type(error).__name__)
    return quote


def _cached() -> Quote | None:
    try:
        found = cache.get(_CACHE_KEY)
    except Exception as error:  # any cache failure means the same: ask the broker
        log.warning("quote.cache_failed", error=type(error).__name__)
        return None
    return found if isinstance(found, Quote) else None


def freeze(quote: Quote) -> str:
    """The quote as signed text, to travel through a form or an API client."""
    return signing.dumps(
        {
            "symbol": quote.symbol,
            "price": plain(quote.price),
            "as_of": quote.as_of.isoformat(),
            "quoted_at": quote.quoted_at.isoformat(),
            "expires_at": quote.expires_at.isoformat(),
            "limit_price": plain(quote.limit_price),
            "market_open": quote.market_open,
            "next_open": quote.next_open.isoformat() if quote.next_open else None,
        },
        salt=_SALT,
    )


def thaw(token: str, *, now: datetime) -> Quote:
    """The quote of a signed text; raises QuoteInvalid or QuoteExpired."""
    try:
        raw = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise QuoteInvalid("The quote was not made here.") from error
    quote = Quote(
        symbol=raw["symbol"],
        price=Decimal(raw["price"]),
        as_of=datetime.fromisoformat(raw["as_of"]),
        quoted_at=datetime.fromisoformat(raw["quoted_at"]),
        expires_at=datetime.fromisoformat(raw["expires_at"]),
        limit_price=Decimal(raw["limit_price"]),
        market_open=raw["market_open"],
        next_open=datetime.fromisoformat(raw["next_open"]) if raw["next_open"] else None,
    )
    if now >= quote.expires_at:
        raise QuoteExpired("The quote has expired.")
    return quote
