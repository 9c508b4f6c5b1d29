"""Prometheus metrics of the audit trail, read from the database when scraped, in six queries."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal
from compliance.trail import anchors, daily

OLDEST_ANCHOR = timedelta(days=2)  # told once a day, and tried again every ten minutes


class AuditCollector(Collector):
    """How far the chain is behind the rows, how long it is, its faults, and how old the anchors are."""

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
        faults = GaugeMetricFamily(
            "agora_audit_faults", "Faults of the audit trail that its newest verification found."
        )
        verified = daily.newest()
        if isinstance(verified.get("faults"), int):
            faults.add_metric([], verified["faults"])
        yield faults
        accepted = GaugeMetricFamily(
            "agora_audit_accepted_breaks",
            "Breaks of the audit trail, accepted after a restore, that its newest verification found.",
        )
        if isinstance(verified.get("accepted"), int):
            accepted.add_metric([], verified["accepted"])
        yield accepted
        ages = GaugeMetricFamily(
            "agora_audit_anchor_age_seconds",
            "Age of the newest anchor of each place outside the database.",
            labels=["place"],
        )
        for place, age in anchor_ages(now=now).items():
            ages.add_metric([place], age.total_seconds())
        yield ages


def anchor_ages(*, now: datetime) -> dict[str, timedelta]:
    """How old the newest anchor of each place of the settings is, or the chain where it has none."""
    newest = dict(
        AuditAnchor.objects.order_by().values_list("place").annotate(at=Max("anchored_at"))
    )
    first = AuditSeal.objects.filter(position=1).values_list("sealed_at", flat=True).first()
    since = {place.name: newest.get(place.name, first) or now for place in anchors.places()}
    return {place: max(timedelta(0), now - at) for place, at in since.items()}
