"""The listed pairs and their filters, in the form of GET /api/v3/exchangeInfo."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agora.sandbox.wire import Json

QUOTE = "USDT"
# Of the price, either way and for either side (filter PERCENT_PRICE_BY_SIDE).
PERCENT_UP, PERCENT_DOWN = Decimal(5), Decimal("0.2")
AVERAGE_MINUTES = 5
MAX_NUM_ORDERS = 200
MAX_NOTIONAL = Decimal(9_000_000)
PERMISSIONS = ["SPOT"]


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """One pair; quantities in the base asset, prices and notional values in USDT."""

    name: str
    base: str
    price: Decimal
    tick: Decimal
    step: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    day_volume: Decimal
    min_notional: Decimal = Decimal(5)
    quote: str = QUOTE

    @property
    def max_price(self) -> Decimal:
        return self.tick * 100_000_000

    def filters(self) -> list[Json]:
        return [
            {
                "filterType": "PRICE_FILTER", "minPrice": eight(self.tick),
                "maxPrice": eight(self.max_price), "tickSize": eight(self.tick),
            },
            {
                "filterType": "LOT_SIZE", "minQty": eight(self.step),
                "maxQty": eight(self.max_qty), "stepSize": eight(self.step),
            },
            {
                "filterType": "MARKET_LOT_SIZE", "minQty": eight(Decimal(0)),
                "maxQty": eight(self.market_max_qty), "stepSize": eight(Decimal(0)),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": str(PERCENT_UP),
                "bidMultiplierDown": str(PERCENT_DOWN), "askMultiplierUp": str(PERCENT_UP),
                "askMultiplierDown": str(PERCENT_DOWN), "avgPriceMins": AVERAGE_MINUTES,
            },
            {
                "filterType": "NOTIONAL", "minNotional": eight(self.min_notional),
                "applyMinToMarket": True, "maxNotional": eight(MAX_NOTIONAL),
                "applyMaxToMarket": False, "avgPriceMins": AVERAGE_MINUTES,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_NUM_ORDERS},
        ]  # fmt: skip

    def info(self, status: str) -> Json:
        return {
            "symbol": self.name,
            "status": status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "icebergAllowed": False,
            "ocoAllowed": False,
            "otoAllowed": False,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": False,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [PERMISSIONS],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
        }


def eight(value: Decimal) -> str:
    """Eight decimals, as Binance writes every amount."""
    return f"{value:.8f}"


def _symbol(base: str, price: str, tick: str, step: str, millions_a_day: int) -> Symbol:
    level = Decimal(price)
    return Symbol(
        name=base + QUOTE,
        base=base,
        price=level,
        tick=Decimal(tick),
        step=Decimal(step),
        max_qty=_round(Decimal(450_000_000) / level),
        market_max_qty=_round(Decimal(5_000_000) / level),
        day_volume=_round(Decimal(millions_a_day * 1_000_000) / level),
    )


def _round(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1))


_LISTED: list[Any] = [
    ("BTC", "60000", "0.01", "0.00001", 1500),
    ("ETH", "3000", "0.01", "0.0001", 900),
    ("BNB", "600", "0.01", "0.001", 150),
    ("SOL", "150", "0.01", "0.001", 300),
    ("XRP", "0.5", "0.0001", "0.1", 250),
    ("ADA", "0.45", "0.0001", "0.1", 60),
    ("DOGE", "0.12", "0.00001", "1", 180),
    ("LTC", "80", "0.01", "0.001", 40),
    ("TRX", "0.125", "0.0001", "0.1", 45),
    ("DOT", "6", "0.001", "0.01", 30),
    ("LINK", "14", "0.01", "0.01", 50),
    ("AVAX", "28", "0.01", "0.01", 45),
    ("ATOM", "7", "0.001", "0.01", 15),
    ("UNI", "8", "0.001", "0.01", 20),
    ("XLM", "0.1", "0.0001", "1", 12),
    ("BCH", "400", "0.1", "0.001", 25),
    ("NEAR", "5", "0.001", "0.1", 30),
    ("AAVE", "100", "0.01", "0.001", 18),
    ("FIL", "4", "0.001", "0.01", 16),
    ("ETC", "20", "0.01", "0.01", 14),
]
SYMBOLS = {symbol.name: symbol for symbol in (_symbol(*row) for row in _LISTED)}
ASSETS = (QUOTE, *(symbol.base for symbol in SYMBOLS.values()))
