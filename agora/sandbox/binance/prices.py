"""Prices: fixed levels, prices set through control, or a seeded path; and candles of that path."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from agora.sandbox.binance.symbols import SYMBOLS, Symbol

STATIC, PATH = "static", "path"
# Swings around a symbol's level: (period in seconds, size as a share of the price).
WAVES = (
    (7_776_000.0, 0.12), (1_900_800.0, 0.06), (345_600.0, 0.03), (86_400.0, 0.015),
    (3_600.0, 0.004), (300.0, 0.0012), (23.0, 0.0004),
)  # fmt: skip
TICKS_EACH_SIDE = 1
CANDLE_SAMPLES = 8


@dataclass
class Prices:
    """Last price of every symbol. A price set by hand counts before the mode's own."""

    seed: int
    mode: str = STATIC
    fixed: dict[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._phases = {
            name: [random.Random(f"{self.seed}/{name}/{n}").uniform(0, 2 * math.pi)  # noqa: S311
                   for n in range(len(WAVES))]
            for name in SYMBOLS
        }  # fmt: skip

    def last(self, symbol: Symbol, at: float) -> Decimal:
        """Price at a time in Unix seconds."""
        fixed = self.fixed.get(symbol.name)
        if fixed is not None:
            return fixed
        return symbol.price if self.mode == STATIC else self.path(symbol, at)

    def bid(self, symbol: Symbol, at: float) -> Decimal:
        """Best price that a sell gets: one tick under the last one."""
        return max(symbol.tick, self.last(symbol, at) - symbol.tick * TICKS_EACH_SIDE)

    def ask(self, symbol: Symbol, at: float) -> Decimal:
        """Best price that a buy pays: one tick over the last one."""
        return self.last(symbol, at) + symbol.tick * TICKS_EACH_SIDE

    def path(self, symbol: Symbol, at: float) -> Decimal:
        """The seeded path, the same in every run of a seed."""
        waves = zip(WAVES, self._phases[symbol.name], strict=True)
        swing = sum(
            size * math.sin(2 * math.pi * at / period + phase) for (period, size), phase in waves
        )
        return on_tick(symbol.price * Decimal(math.exp(swing)), symbol)

    def candle(self, symbol: Symbol, *, start: float, seconds: float) -> Candle:
        """The path between two times, from samples of it."""
        step = seconds / CANDLE_SAMPLES
        points = [self.path(symbol, start + step * n) for n in range(CANDLE_SAMPLES + 1)]
        noise = random.Random(f"{self.seed}/{symbol.name}/{start}/{seconds}")  # noqa: S311
        share = Decimal(seconds / 86_400 * noise.uniform(0.7, 1.3))
        volume = (symbol.day_volume * share).quantize(symbol.step)
        return Candle(
            start=start, seconds=seconds, open=points[0], high=max(points), low=min(points),
            close=points[-1], volume=volume, trades=max(1, int(seconds * noise.uniform(2, 6))),
            taker_share=Decimal(noise.randint(40, 60)) / 100,
        )  # fmt: skip


@dataclass(frozen=True)
class Candle:
    """One bar; start in Unix seconds, volume in the base asset."""

    start: float
    seconds: float
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    taker_share: Decimal

    @property
    def quote_volume(self) -> Decimal:
        return self.volume * (self.open + self.close) / 2

    def wire(self) -> list[object]:
        first = int(self.start * 1000)
        money = [f"{n:.8f}" for n in (self.open, self.high, self.low, self.close, self.volume)]
        last = first + int(self.seconds * 1000) - 1
        taken = [f"{n * self.taker_share:.8f}" for n in (self.volume, self.quote_volume)]
        return [first, *money, last, f"{self.quote_volume:.8f}", self.trades, *taken, "0"]


def on_tick(price: Decimal, symbol: Symbol) -> Decimal:
    """The nearest price of the symbol's tick size."""
    ticks = (price / symbol.tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return max(symbol.tick, ticks * symbol.tick)
