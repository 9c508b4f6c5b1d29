"""Prometheus metrics of copies and erasures of people's data, read when scraped: two queries."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compliance.models import DataExport, ErasureRequest


class PersonalDataCollector(Collector):
    """How many requests of people wait for a person: the law counts the days meanwhile."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        stuck = GaugeMetricFamily(
            "agora_personal_data_attention",
            "Copies and erasures of people's data that wait for a person.",
            labels=["kind"],
        )
        stuck.add_metric(["copy"], DataExport.objects.filter(attention=True).count())
        stuck.add_metric(["erasure"], ErasureRequest.objects.filter(attention=True).count())
        yield stuck
