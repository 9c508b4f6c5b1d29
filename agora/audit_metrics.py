"""Prometheus metrics of the audit trail, read from the database when scraped, in three queries."""

from collections.abc import Iterator

from django.db.models import Max
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal


class AuditCollector(Collector):
    """How far the chain is behind the rows, how long it is, and how old the anchors are."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        yield GaugeMetricFamily(
            "agora_audit_lag_seconds",
            "Age of the oldest row of the audit trail that has no place in the chain yet.",
            value=audit.lag(now=now).total_seconds(),
        )
        newest = AuditSeal.objects.order_by("-position").values_list("position", flat=True).first()
        yield GaugeMetricFamily(
            "agora_audit_position", "Newest position in the chain.", value=newest or 0
        )
        ages = GaugeMetricFamily(
            "agora_audit_anchor_age_seconds",
            "Age of the newest anchor of each place outside the database.",
            labels=["place"],
        )
        for row in AuditAnchor.objects.order_by().values("place").annotate(at=Max("anchored_at")):
            ages.add_metric([row["place"]], max(0.0, (now - row["at"]).total_seconds()))
        yield ages
