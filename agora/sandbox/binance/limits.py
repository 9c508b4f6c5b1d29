"""Request weight per address and minute, unfilled orders per account; 429, and 418 for who goes on."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from agora.sandbox.binance import errors
from agora.sandbox.binance.venue import Venue
from agora.sandbox.wire import Json

MINUTE = 60
# (seconds, name in the header, name of the setting, interval of rateLimits, count of it)
ORDER_WINDOWS = (
    (10, "10S", "orders_10s", "SECOND", 10),
    (86_400, "1D", "orders_1d", "DAY", 1),
)
# A first fill takes that many off the count of unfilled orders.
TAKER_CREDIT, MAKER_CREDIT = 1, 5


@dataclass(slots=True)
class Address:
    """What one IP address has used in its current minute."""

    minute: int = 0
    used: int = 0
    sapi_used: int = 0
    refused: int = 0
    banned_until: float = 0
    bans: int = 0


@dataclass
class Weights:
    """Used request weight by address; the Spot API and /sapi count apart. `total` is that of the Spot API
    since the last reset or calm.
    """

    venue: Venue
    total: int = 0
    _addresses: defaultdict[str, Address] = field(default_factory=lambda: defaultdict(Address))

    def spend(self, *, address: str, weight: int, sapi: bool, now: float) -> dict[str, str]:
        """The headers with the used weight. Raises VendorError 429, and 418 once banned."""
        settings = self.venue.settings
        known = self._addresses[address]
        minute = int(now // MINUTE)
        if known.minute != minute:
            known.minute, known.used, known.sapi_used, known.refused = minute, 0, 0, 0
        if sapi:
            known.sapi_used += weight
            headers = {"X-SAPI-USED-IP-WEIGHT-1M": str(known.sapi_used)}
            over = known.sapi_used > settings.sapi_limit
        else:
            self.total += weight
            known.used += weight
            used = str(known.used)
            headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
            over = known.used > settings.weight_limit
        if over or now < known.banned_until:
            self._refuse(known=known, headers=headers, now=now)
        return headers

    def clear(self) -> None:
        self._addresses.clear()
        self.total = 0

    def _refuse(self, *, known: Address, headers: dict[str, str], now: float) -> None:
        settings = self.venue.settings
        known.refused += 1
        if now >= known.banned_until and known.refused > settings.ban_after:
            known.banned_until = now + settings.ban_seconds * 2**known.bans
            known.bans += 1
        if now < known.banned_until:
            headers["Retry-After"] = str(math.ceil(known.banned_until - now))
            raise errors.refuse(
                status=418,
                code=-1003,
                message="Way too much request weight used; IP banned until "
                f"{int(known.banned_until * 1000)}. Please use WebSocket Streams for live updates "
                "to avoid bans.",
                headers=headers,
            )
        headers["Retry-After"] = str(math.ceil(MINUTE - now % MINUTE))
        raise errors.refuse(
            status=429,
            code=-1003,
            message=f"Too much request weight used; current limit is {settings.weight_limit} "
            "request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
            "polling the API.",
            headers=headers,
        )


@dataclass
class OrderCounts:
    """Unfilled orders that each account placed in the current windows."""

    venue: Venue
    _counts: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )

    def check(self, *, uid: int, now: float) -> None:
        """Raises VendorError 429 (-1015) when the account has too many unfilled orders."""
        for seconds, _, setting, interval, number in ORDER_WINDOWS:
            limit = getattr(self.venue.settings, setting)
            if self._count(uid=uid, seconds=seconds, now=now)[1] >= limit:
                raise errors.refuse(
                    status=429,
                    code=-1015,
                    message=f"Too many new orders; current limit is {limit} orders per "
                    f"{number} {interval}.",
                    headers={"Retry-After": str(math.ceil(seconds - now % seconds))},
                )

    def add(self, *, uid: int, now: float) -> None:
        """Count one order."""
        for seconds, *_ in ORDER_WINDOWS:
            self._count(uid=uid, seconds=seconds, now=now)[1] += 1

    def headers(self, *, uid: int, now: float) -> dict[str, str]:
        return {
            f"X-MBX-ORDER-COUNT-{name}": str(self._count(uid=uid, seconds=seconds, now=now)[1])
            for seconds, name, *_ in ORDER_WINDOWS
        }

    def filled(self, *, uid: int, maker: bool, now: float) -> None:
        """An order's first fill."""
        for seconds, *_ in ORDER_WINDOWS:
            count = self._count(uid=uid, seconds=seconds, now=now)
            count[1] = max(0, count[1] - (MAKER_CREDIT if maker else TAKER_CREDIT))

    def state(self, *, uid: int, now: float) -> list[Json]:
        """As in GET rateLimit/order."""
        return [
            {**limit, "count": self._count(uid=uid, seconds=window[0], now=now)[1]}
            for limit, window in zip(order_limits(self.venue), ORDER_WINDOWS, strict=True)
        ]

    def clear(self) -> None:
        self._counts.clear()

    def _count(self, *, uid: int, seconds: int, now: float) -> list[int]:
        window = int(now // seconds)
        count = self._counts[uid, seconds]
        if count[0] != window:
            count[0], count[1] = window, 0
        return count


def order_limits(venue: Venue) -> list[Json]:
    return [
        {
            "rateLimitType": "ORDERS",
            "interval": interval,
            "intervalNum": number,
            "limit": getattr(venue.settings, setting),
        }
        for _, _, setting, interval, number in ORDER_WINDOWS
    ]


def rate_limits(venue: Venue) -> list[Json]:
    """As in exchangeInfo. RAW_REQUESTS is named there but not counted here."""
    weight = {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": venue.settings.weight_limit,
    }
    raw = {
        "rateLimitType": "RAW_REQUESTS",
        "interval": "MINUTE",
        "intervalNum": 5,
        "limit": 61_000,
    }
    return [weight, *order_limits(venue), raw]
