"""Prometheus metrics of notices, read from the database when scraped: one query."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts.models import Notice


class NoticesCollector(Collector):
    """How many e-mails could not be sent and wait for a person."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "agora_notices_attention",
            "Notices whose e-mail failed for good and waits for a person.",
            value=Notice.objects.filter(attention=True).count(),
        )
