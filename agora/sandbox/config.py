"""What one sandbox process is started with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """Start options. Delays are in seconds, cash in USD, limits in requests per minute."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    fill_delay: float = 0.3
    status_delay: float = 0.1
    market: str = "open"
    seed: int = 7
    cash: Decimal = Decimal(10_000_000)
    alpaca_key: str = "sandbox-key"
    alpaca_secret: str = "sandbox-secret"  # noqa: S105 - opens this sandbox only
    alpaca_rate_limit: int = 100_000
    binance_prices: str = "static"
    binance_weight_limit: int = 6000
    fireblocks_api_key: str = "sandbox-fireblocks-key"
    fireblocks_public_key: str | None = None
