"""Requests per minute, counted in Redis, told to the caller in RateLimit headers."""

import functools
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from agora.lib.problems import Problem, retry_after

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

WINDOW_SECONDS = 60
DAY_SECONDS = 24 * 60 * 60
# Guessing a password must not become free because Redis is away; reading an order may go on.
FAIL_CLOSED = frozenset({"token"})

log = structlog.get_logger(__name__)


@functools.cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)


def count(*, rate: str, who: str, now: float, window: int = WINDOW_SECONDS) -> int:
    """Requests of `who` in this window including this one; one round trip to Redis but for the first.

    Raises redis.RedisError when Redis does not answer.
    """
    key = _key(rate, who, now, window)
    client = _client(settings.REDIS_URL)
    used = int(client.incr(key))
    if used == 1:
        client.expire(key, window * 2)
    return used


def _key(rate: str, who: str, now: float, window: int) -> str:
    return f"agora:rate:{rate}:{who}:{int(now // window)}"


def note_today(*, what: str, who: str) -> None:
    """Count what `who` did today (UTC); forgotten while Redis is away."""
    with suppress(redis.RedisError):
        count(rate=what, who=who, now=time.time(), window=DAY_SECONDS)


def noted_today(*, what: str, who: str) -> int:
    """How often `note_today` counted it today (UTC); 0 while Redis is away."""
    try:
        found: Any = _client(settings.REDIS_URL).get(_key(what, who, time.time(), DAY_SECONDS))
    except redis.RedisError:
        return 0
    return int(found or 0)


def allowed(*, rate: str, who: str, counter: str = "") -> bool:
    """Count an act outside the API against one of its rates; True also while Redis is away.

    A `counter` of its own has the size of the rate, but leaves what else counts there alone.
    """
    try:
        used = count(rate=counter or rate, who=who, now=time.time())
    except redis.RedisError:
        return True
    limit = settings.API_RATES[rate]
    return not limit or used <= limit


def limited(rate: str, *, counter: str = "") -> Callable[[View[P]], View[P]]:
    """Decorate a page whose forms count against one of the API's rates: over it they get 429 as a page.

    Put it below the decorator that lets only people in who have signed in: it counts by user, with
    `counter` apart from the rate's other uses.
    """

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def counted(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            who = str(request.user.pk)
            if request.method == "POST" and not allowed(rate=rate, who=who, counter=counter):
                return render(request, "429.html", status=429)
            return view(request, *args, **kwargs)

        return counted

    return decorate


class RateThrottle(BaseThrottle):
    """Fixed windows of a minute; `settings.API_RATES` gives each rate's size, 0 switches it off.

    A signed-in caller is counted by user, anybody else by network address.
    """

    limit = 0
    used = 0
    reset = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        rate = view.rates.get(request.method, "read")  # HEAD reads
        self.limit = settings.API_RATES[rate]
        if not self.limit:
            return True
        now = time.time()
        self.reset = WINDOW_SECONDS - int(now % WINDOW_SECONDS)
        user = getattr(request, "user", None)
        who = str(user.pk) if user and user.is_authenticated else self.get_ident(request)
        try:
            self.used = count(rate=rate, who=who, now=now)
        except redis.RedisError as error:
            log.warning("Rate Limit Unavailable", rate=rate, error=type(error).__name__)
            if rate in FAIL_CLOSED:
                raise Problem("unavailable", headers=retry_after(5)) from error
            return True
        return self.used <= self.limit

    def wait(self) -> float:
        return self.reset

    def headers(self) -> dict[str, str]:
        """What is left of the limit; empty when nothing was counted."""
        if not self.used:
            return {}
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.reset),
        }
