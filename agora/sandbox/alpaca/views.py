"""Account and positions as the vendor shows them."""

from __future__ import annotations

from decimal import Decimal

from agora.sandbox.alpaca import errors
from agora.sandbox.alpaca.broker import Broker
from agora.sandbox.alpaca.market import ASSETS
from agora.sandbox.wire import Json, plain


def account(broker: Broker) -> Json:
    """The vendor's GET /v2/account of a cash account."""
    values = {
        symbol: held.qty * broker.market.price(symbol) for symbol, held in broker.positions.items()
    }
    long = sum(values.values(), Decimal(0))
    equity = broker.cash + long
    power = _money(broker.buying_power())
    return {
        "id": "904837e3-3b76-47ec-b432-046db621571b",
        "account_number": "PA0SANDBOX00",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": _money(broker.cash),
        "buying_power": power,
        "regt_buying_power": power,
        "daytrading_buying_power": "0",
        "non_marginable_buying_power": power,
        "portfolio_value": _money(equity),
        "equity": _money(equity),
        "last_equity": _money(equity),
        "long_market_value": _money(long),
        "short_market_value": "0",
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": "1",
        "accrued_fees": "0",
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": False,
        "created_at": "2026-01-02T15:00:00Z",
    }


def positions(broker: Broker) -> list[Json]:
    """The vendor's GET /v2/positions: only what is held now."""
    return [
        position(broker=broker, symbol=symbol)
        for symbol, held in broker.positions.items()
        if held.qty > 0
    ]


def position(*, broker: Broker, symbol: str) -> Json:
    """One position. Raises VendorError 404 when nothing of it is held."""
    held = broker.positions.get(symbol)
    if held is None or held.qty <= 0:
        raise errors.position_not_found()
    price = broker.market.price(symbol)
    value = held.qty * price
    gain = value - held.cost
    share = _ratio(part=gain, whole=held.cost)
    return {
        "asset_id": ASSETS[symbol].id,
        "symbol": symbol,
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "side": "long",
        "qty": plain(held.qty),
        "qty_available": plain(held.qty),
        "avg_entry_price": _ratio(part=held.cost, whole=held.qty),
        "cost_basis": _money(held.cost),
        "market_value": _money(value),
        "unrealized_pl": _money(gain),
        "unrealized_plpc": share,
        "unrealized_intraday_pl": _money(gain),
        "unrealized_intraday_plpc": share,
        "current_price": plain(price),
        "lastday_price": plain(price),
        "change_today": "0",
    }


def _money(value: Decimal) -> str:
    return plain(value.quantize(Decimal("0.000000001")))


def _ratio(*, part: Decimal, whole: Decimal) -> str:
    return plain((part / whole).quantize(Decimal("0.000001"))) if whole else "0"
