"""Legs as a worker finds them, and answers of the exchange about them, without any database."""

import uuid
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from copytrade.exchange.types import OrderReport, OrderStatus, Trade
from copytrade.replication.claims import Facts
from copytrade.selectors.risk import Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_EMPTY: dict[object, Any] = {str: "", int: 0, bool: False, bytes: b"", Decimal: Decimal(0)}


def a_leg(**changes: Any) -> Facts:
    """A leg that opens 0.01 BTC for a follower with 1,000 USDT, planned just now."""
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "state": "PLANNED",
        "kind": "OPEN",
        "symbol": "BTC/USDT",
        "side": "BUY",
        "client_order_id": "c0123456789abcdef0123456789",
        "created_at": NOW,
        "signal_id": uuid.uuid4(),
        "master_order_id": uuid.uuid4(),
        "subscription_id": uuid.uuid4(),
        "account_id": uuid.uuid4(),
        "strategy_id": uuid.uuid4(),
        "signal_type": "MARKET",
        "signal_price": Decimal(50_000),
        "signal_at": NOW,
        "cumulative": Decimal("0.01"),
        "order_quantity": Decimal("0.01"),
        "equity_before": Decimal(10_000),
        "expires_at": NOW + timedelta(seconds=10),
        "subscription_state": "ACTIVE",
        "sizing": "multiplier",
        "factor": Decimal(1),
        "allocated": Decimal(1000),
        "symbols": [],
        "slippage_bps": 50,
        "max_open": 20,
        "minimum": "skip",
        "exchange": "binance",
        "account_state": "ACTIVE",
    } | changes
    for field in fields(Facts):
        values.setdefault(field.name, _EMPTY.get(field.type))
    return Facts(**values)


def a_standing(**changes: Any) -> Standing:
    """A subscription that lost nothing and has no limit, at prices of just now."""
    values: dict[str, Any] = {
        "subscription_id": uuid.uuid4(),
        "user_id": uuid.uuid4(),
        "state": "ACTIVE",
        "equity": Decimal(1000),
    } | changes
    for field in fields(Standing):
        values.setdefault(field.name, _EMPTY.get(field.type))
    return Standing(**values)


def a_report(
    leg: Facts,
    status: OrderStatus,
    *,
    quantity: str = "0.01",
    filled: str = "0",
    told: str | None = None,
) -> OrderReport:
    """The leg's order as the exchange has it; `told` is how much of it the trades tell."""
    price, known = Decimal(50_000), Decimal(filled if told is None else told)
    trade = Trade(
        id="1",
        order_id="77",
        symbol=leg.symbol,
        side="BUY" if leg.side == "BUY" else "SELL",
        price=price,
        quantity=known,
        quote_quantity=known * price,
        fee=Decimal(0),
        fee_asset="USDT",
        at=NOW,
        maker=False,
    )
    return OrderReport(
        id="77",
        client_order_id=leg.client_order_id,
        symbol=leg.symbol,
        side=trade.side,
        type="MARKET",
        status=status,
        quantity=Decimal(quantity),
        price=None,
        filled=Decimal(filled),
        quote_filled=Decimal(filled) * price,
        created_at=NOW,
        at=NOW,
        trades=(trade,) if known else (),
    )
