"""The market behind the broker: hours, prices, and what is to happen to orders."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from agora.sandbox.alpaca import calendar
from agora.sandbox.store import Store

CENT = Decimal("0.01")
MODES = ("open", "closed", "clock")
OUTCOMES = ("fill", "reject", "cancel_partial", "expire", "done_for_day", "never")
# Swings around the base price: (period in seconds, size as a share of the price).
WAVES = ((86_400.0, 0.012), (3_600.0, 0.003), (120.0, 0.0006), (7.0, 0.0002))


@dataclass(frozen=True)
class Asset:
    """A listed share; price is the USD level its price path moves around."""

    id: str
    symbol: str
    name: str
    price: Decimal
    tradable: bool = True
    fractionable: bool = True


ASSETS = {
    asset.symbol: asset
    for asset in (
        Asset("b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "AAPL", "Apple Inc.", Decimal("230.00")),
        Asset("b6d1aa75-5c9c-4353-a305-9e2caa1925ab", "MSFT", "Microsoft Corp.", Decimal("420.00")),
        Asset(
            "3f3d2c2b-0d7e-4b6a-9c63-6a1f5f0f8f11", "BRK.A", "Berkshire Hathaway Inc. Class A",
            Decimal("700000.00"), fractionable=False,
        ),
        Asset(
            "c9f7f6ce-2c1b-4f41-9c0a-7a4a4c2f2d10", "TWTR", "Twitter Inc. (delisted)",
            Decimal("53.70"), tradable=False,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Script:
    """What happens to an order: seconds until it fills, partial fills first, and how it ends.

    `partial` holds quantities ("0.2" shares) or shares of the order ("40%"); `match` is a part of the
    client_order_id, empty for every order.
    """

    delay: float
    partial: tuple[str, ...] = ()
    outcome: str = "fill"
    match: str = ""


@dataclass
class Market:
    """Hours, prices and scripts; saved in the store, so that they survive a restart."""

    store: Store
    seed: int
    default_delay: float
    mode: str = "open"
    fixed_price: str | None = None
    offset: float = 0.0
    quote_age: float = 0.0
    scripts: list[Script] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start_mode = self.mode

    def load(self) -> None:
        saved = self.store.get(kind="market", key="market")
        if saved is None:
            return
        self.mode, self.fixed_price = saved["mode"], saved["fixed_price"]
        self.offset, self.quote_age = saved["offset"], saved["quote_age"]
        self.scripts = [
            Script(**{**script, "partial": tuple(script["partial"])}) for script in saved["scripts"]
        ]

    def restore(self) -> None:
        """Back to the settings of the first start."""
        self.mode, self.fixed_price, self.offset, self.quote_age = self._start_mode, None, 0.0, 0.0
        self.scripts = []

    def save(self) -> None:
        self.store.put(kind="market", key="market", body=self.state())

    def state(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "fixed_price": self.fixed_price,
            "offset": self.offset,
            "quote_age": self.quote_age,
            "scripts": [asdict(script) for script in self.scripts],
        }

    def now(self) -> datetime:
        """The market's own time; control can move it to show another day."""
        return datetime.fromtimestamp(time.time() + self.offset, UTC)

    def is_open(self) -> bool:
        if self.mode != "clock":
            return self.mode == "open"
        now = self.now()
        return now < calendar.last_session(now).close

    def clock(self) -> dict[str, Any]:
        """The vendor's GET /v2/clock. In mode "open" outside NYSE hours the close is six hours off."""
        now = self.now()
        session = calendar.last_session(now)
        close = calendar.next_session(now).close
        if self.is_open():
            close = session.close if now < session.close else now + timedelta(hours=6)
        return {
            "timestamp": _eastern(now),
            "is_open": self.is_open(),
            "next_open": _eastern(calendar.next_session(now).open),
            "next_close": _eastern(close),
        }

    def seconds_to_open(self) -> float | None:
        """Seconds until the next session in mode "clock"; None when only control can open it."""
        if self.mode != "clock" or self.is_open():
            return None
        now = self.now()
        return (calendar.next_session(now).open - now).total_seconds()

    def seconds_to_close(self) -> float | None:
        if self.mode != "clock" or not self.is_open():
            return None
        now = self.now()
        return (calendar.last_session(now).close - now).total_seconds()

    def as_of(self) -> datetime:
        """When the newest trade and quote happened: now, or the last close when closed."""
        now = self.now()
        if not self.is_open():
            now = min(now, calendar.last_session(now).close)
        return now - timedelta(seconds=self.quote_age)

    def price(self, symbol: str) -> Decimal:
        """USD per share at as_of(), to the cent: the same seed and time give the same price."""
        if self.fixed_price is not None:
            return Decimal(self.fixed_price).quantize(CENT)
        at = self.as_of().timestamp()
        swing = sum(size * _noise(key=f"{self.seed}/{symbol}/{period}", x=at / period)
                    for period, size in WAVES)  # fmt: skip
        level = ASSETS[symbol].price * (1 + Decimal(repr(swing)))
        return level.quantize(CENT, rounding=ROUND_HALF_EVEN)

    def ask(self, symbol: str) -> Decimal:
        return self.price(symbol) + CENT

    def bid(self, symbol: str) -> Decimal:
        return self.price(symbol) - CENT

    def script_for(self, client_order_id: str) -> Script:
        """The newest script whose match fits, else a plain fill after the default delay."""
        for script in reversed(self.scripts):
            if script.match in client_order_id:
                return script
        return Script(delay=self.default_delay)

    def add_script(self, script: Script) -> None:
        self.scripts = [known for known in self.scripts if known.match != script.match] + [script]


def _noise(*, key: str, x: float) -> float:
    """Smooth value noise in -1..1: no state, so that a restart continues the same path."""
    left = int(x // 1)
    part = x - left
    ease = part * part * (3 - 2 * part)
    return _point(key=key, n=left) * (1 - ease) + _point(key=key, n=left + 1) * ease


def _point(*, key: str, n: int) -> float:
    digest = hashlib.blake2b(f"{key}/{n}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**63 - 1


def _eastern(at: datetime) -> str:
    return at.astimezone(calendar.EASTERN).isoformat()
