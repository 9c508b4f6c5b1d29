"""P9: the marketplace's page at 10,000 strategies, against an empty page of the same middleware.

What is compared is this process's CPU time: a signed-in request through every middleware, once to
the page with its 25 rows, once to a view that answers nothing. Queries are counted.
"""

from bench import marketplace
from bench.measure import Line
from bench.stand import Stand

GOAL = 25.0


def run(stand: Stand) -> Line:
    """CPU of the first page over that of an empty page."""
    market = marketplace.ready(stand)
    pair = marketplace.turns(
        subject=lambda: market.cpu(marketplace.FIRST), floor=lambda: market.cpu(marketplace.EMPTY)
    )
    queries = {sort: market.queries(marketplace.sorted_by(sort)) for sort in marketplace.SORTS}
    return marketplace.line(
        "market_page",
        pair,
        goal=GOAL,
        sound=max(queries.values()) <= marketplace.MOST_QUERIES,
        rows=market.rows(marketplace.FIRST),
        queries=max(queries.values()),
    )
