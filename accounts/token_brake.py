"""Failed proofs of the API are counted by network address; too many close it until the minute ends.

Who guesses at tokens, or floods the API with what is none, is stopped before anything is looked up.
The count is shared by all processes, in Redis; that an address is closed each process remembers by
itself, so that good requests pay nothing. Each finds out by one more failure of that address.
"""

import ipaddress
import time

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest

from agora.lib.network import client_address
from agora.lib.problems import Problem, retry_after
from agora.lib.throttle import WINDOW_SECONDS, count

RATE = "bad_token"
_MOST_REMEMBERED = 10_000
# What one customer of a provider is given: whoever has it has all its addresses (RFC 6177).
_IPV6_PREFIX = 64

_closed: dict[str, int] = {}  # the window until whose end an address is closed

log = structlog.get_logger(__name__)


def refuse_closed(request: HttpRequest) -> None:
    """Raise Problem 429 for an address with too many failures in this minute; asks nobody."""
    now = time.time()
    if settings.API_RATES[RATE] and _closed.get(_who(request)) == _window(now):
        wait = WINDOW_SECONDS - now % WINDOW_SECONDS
        raise Problem("rate_limited", headers=retry_after(wait))


def note_failure(request: HttpRequest) -> None:
    """Count a failed proof of the address, and close it when it was the last one allowed.

    While Redis is away nothing is counted: tokens of 256 bits are not guessed in that time.
    """
    limit, now = settings.API_RATES[RATE], time.time()
    if not limit:
        return
    who = _who(request)
    try:
        failures = count(rate=RATE, who=who, now=now)
    except redis.RedisError as error:
        log.warning("Rate Limit Unavailable", rate=RATE, error=type(error).__name__)
        return
    if failures >= limit:
        if len(_closed) >= _MOST_REMEMBERED:
            _closed.clear()
        _closed[who] = _window(now)
    if failures == limit:
        log.warning("API Closed To An Address", rate=RATE)


def _window(now: float) -> int:
    return int(now // WINDOW_SECONDS)


def _who(request: HttpRequest) -> str:
    address = client_address(request)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)
