"""Quotes for tests that need a price and no vendor."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from trading.quotes import Quote, worst_price


def a_quote(*, price: str = "200.00", now: datetime | None = None, **changes: Any) -> Quote:
    """A fresh quote in an open market; USD per share."""
    at = now or timezone.now()
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "price": Decimal(price),
        "as_of": at,
        "quoted_at": at,
        "expires_at": at + timedelta(seconds=60),
        "limit_price": worst_price(Decimal(price)),
        "market_open": True,
        "next_open": None,
    }
    return Quote(**{**values, **changes})
