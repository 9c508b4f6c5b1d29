"""P1, P2: placing an order over HTTP against pgbench running the same statements.

Real gunicorn, bearer token, idempotency key, throttle, log line and nudge included; eight
connections of many people. No Celery worker runs: what happens to an order later has a benchmark
of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench import measure, pgbench, placing
from bench.load import Plan
from bench.measure import Line
from bench.stand import Stand
from trading.models import Order

GOAL = 0.20
MOST_ROUND_TRIPS = 8
CONNECTIONS = 8
SECONDS = 2


def run(stand: Stand) -> Line:
    """Orders per second over HTTP against transactions per second; exact counts beside it."""
    person = stand.people[0]
    statements, key = placing.traced(person)
    floor = pgbench.PgBench(
        pgbench.script(statements, person=person.number, people=len(stand.people), key=key),
        folder=stand.folder,
        url=stand.env["DATABASE_URL"],
    )
    before = _orders()
    with stand.web() as port, _load(stand, port) as place:
        pair = measure.alternate(subject=place, floor=lambda: floor.rate(seconds=SECONDS))
    placed = _orders() - before - floor.done
    commits = sum(each == "COMMIT" for each in statements)
    return measure.paired(
        "order_place",
        pair,
        goal=GOAL,
        sound=len(statements) <= MOST_ROUND_TRIPS and commits == 1 and placed > 0,
        orders=placed,
        round_trips=len(statements),
        most_round_trips=MOST_ROUND_TRIPS,
        commits=commits,
    )


def _orders() -> int:
    return Order.objects.count()


@contextmanager
def _load(stand: Stand, port: int) -> Iterator[Callable[[], float]]:
    """A running load generator; each call drives one slice and returns orders per second."""
    plan = Plan(
        port=port,
        connections=CONNECTIONS,
        path=placing.PATH,
        tokens=[person.token for person in stand.people],
        body=placing.body(),
    )
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout
        stdin.write(plan.text() + "\n")

        def drive() -> float:
            stdin.write(f"{SECONDS}\n")
            result = json.loads(stdout.readline())
            assert not result["wrong"], result["wrong"][0]
            return float(result["done"] / result["seconds"])

        yield drive
        stdin.close()
