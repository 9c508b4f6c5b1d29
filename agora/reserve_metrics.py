"""Prometheus metrics of the newest reserve snapshot, read from the database when scraped: two queries."""

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compliance.models import ReserveSnapshot


class ReservesCollector(Collector):
    """How old the newest snapshot is, what in it nothing explains, and what could not be built since.

    Of the newest there is nothing before the first.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        newest = (
            ReserveSnapshot.objects.filter(state=ReserveSnapshot.State.READY)
            .only("built_at", "difference", "breaks")
            .order_by("-built_at")
            .first()
        )
        age = GaugeMetricFamily(
            "agora_reserve_snapshot_age_seconds", "Since the newest reserve snapshot was built."
        )
        difference = GaugeMetricFamily(
            "agora_reserve_difference_shares",
            "Shares at the broker without a token, in flight aside, in the newest snapshot.",
        )
        breaks = GaugeMetricFamily(
            "agora_reserve_breaks", "Differences in the newest snapshot that time does not explain."
        )
        stuck = GaugeMetricFamily(
            "agora_reserve_attention",
            "Reserve snapshots that wait for a person, asked for since the newest was built.",
        )
        waiting = ReserveSnapshot.objects.filter(attention=True)
        if newest is not None and newest.built_at is not None:
            waiting = waiting.filter(requested_at__gt=newest.built_at)
            age.add_metric([], (timezone.now() - newest.built_at).total_seconds())
            difference.add_metric([], float(newest.difference or 0))
            breaks.add_metric([], newest.breaks)
        stuck.add_metric([], waiting.count())
        yield from (age, difference, breaks, stuck)
