"""The exchange's markets: read once a process, refreshed by a timer and when a refusal asks for it."""

import asyncio
import time
from collections.abc import Mapping

from agora.lib.outcome import OutsideError, Rejected
from copytrade.exchange import reasons, wire
from copytrade.exchange.connection import Connection, understood
from copytrade.exchange.types import Market

_REFRESH_SECONDS = 60 * 60
# After a refresh that failed, and between two that refusals ask for.
_PAUSE_SECONDS = 60
# Refusals that may mean that the rules changed since they were read.
_RULES = frozenset(
    {reasons.LOT_SIZE, reasons.PRICE_FILTER, reasons.PERCENT_PRICE, reasons.BELOW_MIN_NOTIONAL}
    | {reasons.MARKET_CLOSED, reasons.UNKNOWN_SYMBOL}
)


class MarketBook:
    """Rules by symbol, and symbols by the exchange's ids ("BTCUSDT")."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._markets: dict[str, Market] = {}
        self._symbols: dict[str, str] = {}
        self._read_at = 0.0
        self._due = 0.0
        self._reading = asyncio.Lock()

    async def load(self) -> None:
        """Read clock and markets unless they are known; callers at once wait for one reading."""
        async with self._reading:
            if not self._markets:
                await self._connection.sync_clock()
                await self._refresh()

    async def all(self) -> Mapping[str, Market]:
        if not self._markets:
            await self.load()
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + _PAUSE_SECONDS
            self._connection.spawn("markets", self._refresh)
        return self._markets

    async def one(self, symbol: str) -> Market:
        """Raises Rejected (unknown_symbol)."""
        market = (await self.all()).get(symbol)
        if market is None:
            raise Rejected(f"The exchange has no {symbol}.", code=reasons.UNKNOWN_SYMBOL)
        return market

    def symbol_of(self, market_id: str) -> str | None:
        """The symbol of an exchange's id; None for one that was not there when last read."""
        return self._symbols.get(market_id)

    def doubt(self, error: OutsideError) -> None:
        """Have the rules read again soon when a refusal shows that they may have changed."""
        if error.code in _RULES:
            self._due = min(self._due, max(time.monotonic(), self._read_at + _PAUSE_SECONDS))

    async def _refresh(self) -> None:
        raw = await self._connection.ask("exchangeInfo", {"showPermissionSets": "false"})
        self._markets = understood(wire.markets_of, raw, effect=False)
        self._symbols = {market.id: symbol for symbol, market in self._markets.items()}
        self._read_at = time.monotonic()
        self._due = self._read_at + _REFRESH_SECONDS
