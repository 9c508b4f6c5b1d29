"""Trades, signals and legs for tests of the ledger: booked as the engine books them."""

import itertools
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from copytrade.exchange.types import Trade
from copytrade.ledger.booking import Booking, book
from copytrade.models import CopyOrder, Fill, Signal, Strategy, Subscription

_numbers = itertools.count(1)


def a_trade(
    *,
    side: str = "BUY",
    quantity: str = "0.01",
    price: str = "50000",
    symbol: str = "BTC/USDT",
    at: datetime | None = None,
    fee: str = "0",
    fee_asset: str = "USDT",
    order_id: str = "1",
) -> Trade:
    """A trade as the exchange tells it; its id rises."""
    amount = Decimal(quantity)
    return Trade(
        id=str(next(_numbers)),
        order_id=order_id,
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        price=Decimal(price),
        quantity=amount,
        quote_quantity=amount * Decimal(price),
        fee=Decimal(fee),
        fee_asset=fee_asset,
        at=at or timezone.now(),
        maker=False,
    )


def copied(subscription: Subscription, *, leg: CopyOrder | None = None, **changes: Any) -> Fill:
    """A trade of a copied order, booked."""
    trade = a_trade(**changes)
    booking = Booking(
        account_id=subscription.account_id,
        trade=trade,
        copy_order_id=leg.pk if leg else None,
        subscription_id=subscription.pk,
    )
    assert book([booking], now=trade.at) == 1
    return Fill.objects.get(account=subscription.account_id, trade_id=trade.id)


def a_signal(strategy: Strategy, **changes: Any) -> Signal:
    """A signal to buy 0.5 BTC at 50,000, without legs."""
    at = changes.pop("at", None) or timezone.now()
    values: dict[str, Any] = {
        "strategy": strategy,
        "number": next(_numbers),
        "kind": "OPEN",
        "cause": "join",
        "subscription": None,
        "symbol": "BTC/USDT",
        "side": "BUY",
        "type": "MARKET",
        "price": Decimal(50000),
        "cumulative": Decimal("0.5"),
        "order_quantity": Decimal("0.5"),
        "at": at,
        "created_at": at,
        "seed": 1,
    }
    return Signal.objects.create(**{**values, **changes})


def a_leg(signal: Signal, subscription: Subscription, **changes: Any) -> CopyOrder:
    """A leg of a signal, as planned."""
    values: dict[str, Any] = {
        "signal": signal,
        "subscription": subscription,
        "account": subscription.account,
        "kind": signal.kind,
        "symbol": signal.symbol,
        "side": signal.side,
        "client_order_id": f"c{uuid.uuid4().hex[:27]}",
        "created_at": signal.created_at,
        "updated_at": signal.created_at,
    }
    return CopyOrder.objects.create(**{**values, **changes})
