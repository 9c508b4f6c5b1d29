"""Prometheus metrics of sanctions screening, read from the database when scraped."""

from collections.abc import Iterator

from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_LISTS = """
SELECT name, extract(epoch FROM clock_timestamp() - loaded_at), entries_count
FROM kyc_screeninglist WHERE replaced_at IS NULL ORDER BY name
"""
_RUNS = """
SELECT extract(epoch FROM clock_timestamp() - max(finished_at)),
       extract(epoch FROM clock_timestamp() - min(begun_at) FILTER (WHERE finished_at IS NULL)),
       (SELECT failed FROM kyc_screeningrun
        WHERE finished_at IS NOT NULL OR attention ORDER BY begun_at DESC LIMIT 1)
FROM kyc_screeningrun
"""
_MATCHES = """
SELECT count(*) FILTER (WHERE is_sanctioned), count(*) FILTER (WHERE NOT is_sanctioned),
       extract(epoch FROM clock_timestamp() - min(found_at) FILTER (WHERE is_sanctioned)),
       extract(epoch FROM clock_timestamp() - min(found_at) FILTER (WHERE NOT is_sanctioned))
FROM kyc_screeningmatch WHERE state = 'OPEN'
"""


class ScreeningCollector(Collector):
    """How old the lists are, whether everybody is looked up in them, and what waits for officers."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _lists()
        yield from _runs()
        yield from _matches()


def _lists() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_LISTS)
        rows = cursor.fetchall()
    count = GaugeMetricFamily("agora_screening_lists", "Lists that people are looked up in.")
    count.add_metric([], len(rows))
    age = GaugeMetricFamily(
        "agora_screening_list_age_seconds", "Seconds since a list was loaded.", labels=["list"]
    )
    persons = GaugeMetricFamily(
        "agora_screening_list_persons", "Persons on a list.", labels=["list"]
    )
    for name, seconds, entries in rows:
        age.add_metric([name], max(0.0, float(seconds)))
        persons.add_metric([name], entries)
    yield from (count, age, persons)


def _runs() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_RUNS)
        finished, unfinished, failed = cursor.fetchone()
    last = GaugeMetricFamily(
        "agora_screening_last_run_age_seconds", "Seconds since everybody had been looked up."
    )
    if finished is not None:
        last.add_metric([], max(0.0, float(finished)))
    oldest = GaugeMetricFamily(
        "agora_screening_run_oldest_seconds",
        "Seconds since the oldest screening of everybody that is not finished began; 0 for none.",
    )
    oldest.add_metric([], max(0.0, float(unfinished or 0)))
    missed = GaugeMetricFamily(
        "agora_screening_failed", "People whom the newest screening of everybody could not look up."
    )
    missed.add_metric([], failed or 0)
    yield from (last, oldest, missed)


def _matches() -> Iterator[GaugeMetricFamily]:
    with connection.cursor() as cursor:
        cursor.execute(_MATCHES)
        sanctions, others, sanctions_age, others_age = cursor.fetchone()
    count = GaugeMetricFamily(
        "agora_screening_matches_open", "Matches that wait for an officer.", labels=["kind"]
    )
    oldest = GaugeMetricFamily(
        "agora_screening_match_oldest_seconds",
        "Seconds since the oldest match that waits for an officer was found; 0 for none.",
        labels=["kind"],
    )
    for kind, number, age in (("sanctions", sanctions, sanctions_age), ("pep", others, others_age)):
        count.add_metric([kind], number)
        oldest.add_metric([kind], max(0.0, float(age or 0)))
    yield from (count, oldest)
