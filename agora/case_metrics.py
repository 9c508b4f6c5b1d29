"""Prometheus metrics of the officers' case queue, read from the database when scraped."""

from collections.abc import Iterator

from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kyc.states import CLOSED, NO_CLOCK, State

RECENT_DAYS = 7

# Cases that wait for officers count from when they entered the queue last, not from their opening.
_OPEN = """
SELECT state, count(*), count(*) FILTER (WHERE due_at <= clock_timestamp() AND state <> ALL (%s)),
       extract(epoch FROM clock_timestamp() - min(queued_at))
FROM kyc_case WHERE closed_at IS NULL GROUP BY state
"""
# Who was not looked at yet waits at least as long as until now: left out, a queue that nobody works on
# would look fast.
_FIRST_LOOKS = """
SELECT count(first_look_at), count(*) FILTER (WHERE first_look_at IS NULL),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
        ORDER BY extract(epoch FROM coalesce(first_look_at, clock_timestamp()) - opened_at))
FROM kyc_case
WHERE (opened_at > clock_timestamp() - make_interval(days => %s) OR closed_at IS NULL)
    AND (first_look_at IS NOT NULL OR closed_at IS NULL)
"""


class CasesCollector(Collector):
    """Open cases by state, how old and how late they are, and how long the first look took."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _by_state()
        yield from _first_looks()


def _by_state() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [sorted(NO_CLOCK)])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    count = GaugeMetricFamily("agora_cases", "Open cases by state.", labels=["state"])
    overdue = GaugeMetricFamily(
        "agora_cases_overdue", "Open cases past their due time.", labels=["state"]
    )
    oldest = GaugeMetricFamily(
        "agora_cases_oldest_seconds",
        "Seconds since the oldest open case entered the queue last.",
        labels=["state"],
    )
    for state in State:
        if state in CLOSED:
            continue
        cases, late, age = rows.get(state.value, (0, 0, 0))
        count.add_metric([state.value], cases)
        overdue.add_metric([state.value], late)
        oldest.add_metric([state.value], max(0.0, float(age)))
    yield from (count, overdue, oldest)


def _first_looks() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_LOOKS, [RECENT_DAYS])
        looked_at, unseen, quantiles = cursor.fetchone()
    first = GaugeMetricFamily(
        "agora_case_first_look_seconds",
        "Time from opening a case to an officer's first look, or until now: of the last 7 days and open.",
        labels=["quantile"],
    )
    done = GaugeMetricFamily(
        "agora_case_first_looks",
        "Cases of the last 7 days, and open ones, that an officer has looked at.",
    )
    done.add_metric([], looked_at)
    waiting = GaugeMetricFamily("agora_cases_unseen", "Open cases that no officer has looked at.")
    waiting.add_metric([], unseen)
    for name, value in zip(("0.5", "0.95"), quantiles or (), strict=False):
        first.add_metric([name], float(value))
    yield from (first, done, waiting)
