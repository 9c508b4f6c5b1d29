"""What control may change about the exchange itself: clock, delay, prices, trading, limits."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from agora.sandbox.binance.prices import PATH, STATIC, Prices, on_tick
from agora.sandbox.binance.symbols import SYMBOLS
from agora.sandbox.wire import Json, plain

STATUSES = ("TRADING", "HALT", "BREAK")
NUMBERS = ("latency_ms", "clock_offset_ms", "ban_seconds")
COUNTS = ("weight_limit", "sapi_limit", "orders_10s", "orders_1d", "ban_after")


@dataclass
class Settings:
    """Latency and clock offset in milliseconds. `ban_after` refused requests in one minute an address
    that goes on is banned for `ban_seconds`, twice as long each time.
    """

    weight_limit: int = 6000
    sapi_limit: int = 12_000
    orders_10s: int = 100
    orders_1d: int = 200_000
    ban_after: int = 10
    ban_seconds: float = 120
    latency_ms: float = 0
    clock_offset_ms: float = 0
    maintenance: bool = False


@dataclass
class Venue:
    """Settings, prices and trading statuses; all but the books."""

    seed: int
    start_mode: str = STATIC
    start_weight_limit: int = 6000
    status: defaultdict[str, str] = field(default_factory=lambda: defaultdict(lambda: "TRADING"))

    def __post_init__(self) -> None:
        self.prices = Prices(seed=self.seed, mode=self.start_mode)
        self.settings = Settings(weight_limit=self.start_weight_limit)

    def restore(self) -> None:
        """Back to the settings of the first start."""
        self.prices.mode = self.start_mode
        self.prices.fixed.clear()
        self.settings = Settings(weight_limit=self.start_weight_limit)
        self.status.clear()

    def now(self) -> float:
        """The exchange's clock in Unix seconds."""
        return time.time() + self.settings.clock_offset_ms / 1000

    def change(self, body: Json) -> None:
        """Apply what control sent, all of it or nothing. Raises ValueError."""
        unknown = set(body) - {"mode", "prices", "status", "maintenance", *NUMBERS, *COUNTS}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        mode = body.get("mode", self.prices.mode)
        if mode not in (STATIC, PATH):
            raise ValueError(f"mode must be {STATIC} or {PATH}")
        prices = {name: self._price(name, value) for name, value in _object(body, "prices")}
        status = {name: _status(name, value) for name, value in _object(body, "status")}
        numbers = {name: float(body[name]) for name in NUMBERS if name in body}
        counts = {name: int(body[name]) for name in COUNTS if name in body}
        self.prices.mode = mode
        for name, price in prices.items():
            if price is None:
                self.prices.fixed.pop(name, None)
            else:
                self.prices.fixed[name] = price
        self.status.update(status)
        for name, value in {**numbers, **counts}.items():
            setattr(self.settings, name, value)
        if "maintenance" in body:
            self.settings.maintenance = bool(body["maintenance"])

    def state(self) -> Json:
        now = self.now()
        return {
            "mode": self.prices.mode,
            "prices": {
                name: plain(self.prices.last(symbol, now)) for name, symbol in SYMBOLS.items()
            },
            "fixed": {name: plain(price) for name, price in self.prices.fixed.items()},
            "status": {name: value for name, value in self.status.items() if value != "TRADING"},
            **vars(self.settings),
        }

    def load(self, body: Json) -> None:
        """Take over what `state` saved."""
        self.prices.mode = body["mode"]
        self.prices.fixed = {name: Decimal(price) for name, price in body["fixed"].items()}
        self.status.update(body["status"])
        for name in vars(self.settings):
            setattr(self.settings, name, body.get(name, getattr(self.settings, name)))

    def _price(self, name: str, value: object) -> Decimal | None:
        if name not in SYMBOLS:
            raise ValueError(f"no symbol {name}")
        if value is None:
            return None
        try:
            price = Decimal(str(value))
        except InvalidOperation:
            price = Decimal(0)
        if not price.is_finite() or price <= 0:
            raise ValueError(f"the price of {name} must be a number above 0")
        return on_tick(price, SYMBOLS[name])


def _status(name: str, value: object) -> str:
    if name not in SYMBOLS or value not in STATUSES:
        raise ValueError(f"status must name a symbol and one of {', '.join(STATUSES)}")
    return str(value)


def _object(body: Json, name: str) -> list[tuple[str, object]]:
    found = body.get(name) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be an object of symbols")
    return list(found.items())
