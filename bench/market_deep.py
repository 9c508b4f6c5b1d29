"""P9: the marketplace's page number 200, reached by its links, against the first one.

Compared is the time until the answer is there, database included: what grows with the depth would
grow there. Every order of sorting is measured, and the slowest judged.
"""

from bench import marketplace
from bench.measure import Line
from bench.stand import Stand

GOAL = 3.0
DEPTH = 200


def run(stand: Stand) -> Line:
    """Time of a deep page over that of the first, in the order in which that is worst."""
    market = marketplace.ready(stand)
    found = {}
    for sort in marketplace.SORTS:
        first, deep = marketplace.sorted_by(sort), market.deep(sort, pages=DEPTH)
        found[sort] = marketplace.turns(
            subject=lambda path=deep: market.wall(path),  # type: ignore[misc]
            floor=lambda path=first: market.wall(path),  # type: ignore[misc]
        )
    worst = max(found, key=lambda sort: found[sort].value / found[sort].least)
    return marketplace.line(
        "market_deep",
        found[worst],
        goal=GOAL,
        sound=market.rows(market.deep(worst, pages=DEPTH)) == marketplace.ROWS,
        page=DEPTH,
        worst=worst,
        ratios={sort: round(pair.value / pair.least, 2) for sort, pair in found.items()},
    )
