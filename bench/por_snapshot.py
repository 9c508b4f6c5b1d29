"""P10: proof of reserve is linear in the fills, and its page reads stored totals in few queries.

Filled orders with custody records, mints and chain events are made in bulk, and the join of all legs
runs over 10,000, 500,000 and 1,000,000 of them. Its totals must be those of plain sums by table.
The chain, broker and custodian are not asked: what they take does not depend on how many fills are.
"""

import logging
import time
from collections.abc import Callable
from statistics import median

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from bench import fills
from bench.measure import Line, tell
from bench.stand import Stand

GOAL = 2.5
SIZES = (10_000, 500_000, 1_000_000)
_ROUNDS = 3
_MOST_QUERIES = 3


def run(stand: Stand) -> Line:
    """Seconds of a recompute over a million fills against the same over half as many."""
    logging.disable(logging.INFO)  # a line for each request
    from compliance.reserves import books, chain_index

    token, block = fills.TOKEN, fills.BLOCK
    taken: dict[int, float] = {}
    equal = True
    for size in SIZES:
        fills.make_up_to(size, person=stand.people[0])
        taken[size] = _seconds(lambda: books.read(symbol="AAPL", token=token, block=block))
        found = books.read(symbol="AAPL", token=token, block=block)
        equal = equal and fills.sums() == {found.matched}
        equal = equal and found.matched_orders == size and not found.items
        tell(f"  {size} fills: {taken[size]:.2f} s")
    listing = _seconds(lambda: chain_index.holders(token=token, block=block), rounds=1)
    queries, page_ms = _page()
    small, half, whole = (taken[size] for size in SIZES)
    return Line(
        name="por_snapshot",
        value=whole,
        floor=half,
        goal=GOAL,
        better="lower",
        sound=equal and queries <= _MOST_QUERIES,
        extra={
            "unit": "s",
            "fills": SIZES[-1],
            "microseconds_a_fill": [round(taken[size] / size * 1e6, 2) for size in SIZES],
            "small_seconds": round(small, 3),
            "holders_seconds": round(listing, 2),
            "page_queries": queries,
            "page_ms": round(page_ms, 2),
            "totals_equal": equal,
        },
    )


def _seconds(work: Callable[[], object], *, rounds: int = _ROUNDS) -> float:
    """The median of some rounds, after one that warms up."""
    work()
    found = []
    for _round in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return median(found)


def _page() -> tuple[int, float]:
    """Queries and milliseconds of the public page, with a million fills behind it."""
    fills.publish(30)
    client = Client()
    with override_settings(ALLOWED_HOSTS=["*"]):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get("/reserves/?page=2")
        assert answer.status_code == 200, answer.status_code
        return len(queries), _seconds(lambda: client.get("/reserves/"), rounds=9) * 1000
