"""Reads about the token."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import structlog
from django.core.cache import cache

from agora.lib.money import shares_of
from tokens import chain

log = structlog.get_logger(__name__)
_CACHE_SECONDS = 2


@dataclass(frozen=True)
class Balance:
    """AAPL-RAT of an address at a block: base units, and the same as shares."""

    address: str
    units: int
    block_number: int
    read_at: datetime

    @property
    def amount(self) -> Decimal:
        return shares_of(self.units)


def balance_of(address: str, *, cached: bool = True) -> Balance:
    """Read a balance from the chain, at most two seconds old (RAT-015); unless `cached` as it is now.

    Raises Temporary or Rejected (agora.lib.outcome) when the chain cannot be read.
    """
    key = f"balance:{address}"
    found = _cached(key) if cached else None
    if found is not None:
        return found
    block = chain.block_number()
    balance = Balance(
        address=address,
        units=chain.token_balance(address, block=block),
        block_number=block,
        read_at=datetime.now(UTC),
    )
    try:
        cache.set(key, balance, timeout=_CACHE_SECONDS)
    except Exception as error:  # any cache failure: the balance itself is good
        log.warning("balance.cache_failed", error=type(error).__name__)
    return balance


def _cached(key: str) -> Balance | None:
    try:
        found = cache.get(key)
    except Exception as error:  # any cache failure means the same: ask the chain
        log.warning("balance.cache_failed", error=type(error).__name__)
        return None
    return found if isinstance(found, Balance) else None
