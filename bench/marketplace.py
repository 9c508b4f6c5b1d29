"""The marketplace as its benchmarks see it: 10,000 strategies, and pages of it in this process."""

import logging
import re
import time
from collections.abc import Callable
from functools import cache, lru_cache
from html import unescape

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import clear_url_caches, include, path

from bench.measure import Line, Pair, tell
from bench.stand import Stand

STRATEGIES = 10_000
ROWS, MOST_QUERIES = 25, 8
EMPTY, MARKET = "/empty/", "/copy/"
SORTS = ("return", "pnl", "drawdown", "sharpe", "copiers", "aum", "newest")
_REQUESTS, _ROUNDS = 10, 7
_NEXT = re.compile(r'rel="next" href="([^"]+)"')
_ROW = re.compile(r'<th scope="row"')


def sorted_by(sort: str) -> str:
    """The first page in this order."""
    return f"{MARKET}?sort={sort}&period=90"


FIRST = sorted_by("return")


@login_required
def empty(request: HttpRequest) -> HttpResponse:
    """A page of nothing, to a person who is signed in."""
    return HttpResponse()


urlpatterns = [path("", include("agora.urls")), path("empty/", empty)]


class Marketplace:
    """One signed-in person's requests, answered in this process."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, address: str) -> str:
        answer = self._client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return str(answer.content, "utf-8")

    def cpu(self, address: str) -> float:
        """Seconds of this process's CPU for one request."""
        return self._timed(address, time.process_time)

    def wall(self, address: str) -> float:
        """Seconds until one request is answered."""
        return self._timed(address, time.perf_counter)

    def _timed(self, address: str, clock: Callable[[], float]) -> float:
        started = clock()
        for _request in range(_REQUESTS):
            self.get(address)
        return (clock() - started) / _REQUESTS

    def queries(self, address: str) -> int:
        from django.db import connection

        with CaptureQueriesContext(connection) as captured:
            self.get(address)
        return len(captured)

    def rows(self, address: str) -> int:
        return len(_ROW.findall(self.get(address)))

    @cache  # noqa: B019  # lives as long as the benchmark
    def deep(self, sort: str, *, pages: int) -> str:
        """The address of a page far down, found as a reader would: link by link."""
        address = sorted_by(sort)
        for _page in range(pages - 1):
            found = _NEXT.search(self.get(address))
            assert found, f"{sort} ends early"
            address = MARKET + unescape(found.group(1))
        return address


@lru_cache(maxsize=1)
def ready(stand: Stand) -> Marketplace:
    """The marketplace filled, and a person looking at it."""
    from accounts.models import User
    from bench import strategies

    logging.disable(logging.INFO)  # a line for each request, on both sides
    override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]).enable()
    clear_url_caches()
    person = User.objects.get(pk=stand.people[0].id)
    strategies.make(STRATEGIES, master=person)
    client = Client()
    client.force_login(person)
    return Marketplace(client)


def turns(*, subject: Callable[[], float], floor: Callable[[], float]) -> Pair:
    """Both by turns, the order swapped each round, the first round not counted."""
    pair = Pair([], [])
    for number in range(_ROUNDS + 1):
        sides = [(subject, pair.subject), (floor, pair.floor)]
        for run, found in sides if number % 2 else reversed(sides):
            seconds = run()
            if number:
                found.append(seconds)
    tell(f"  {pair.value * 1000:.2f} ms, floor {pair.least * 1000:.2f} ms")
    return pair


def line(name: str, pair: Pair, *, goal: float, sound: bool, **extra: object) -> Line:
    """The line of a measurement in which less is better."""
    return Line(
        name=name,
        value=pair.value * 1000,
        floor=pair.least * 1000,
        goal=goal,
        better="lower",
        sound=sound,
        extra={
            "unit": "ms",
            "rounds": len(pair.subject),
            "spread": pair.spread,
            "strategies": STRATEGIES,
            **extra,
        },
    )
