"""Prometheus metrics: request latency by route, and the state of orders read from the database.

Latency is counted in the process, across workers through PROMETHEUS_MULTIPROC_DIR. Orders are
read at scrape time: the database is the truth, and a restart forgets nothing.
"""

import hmac
import ipaddress
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    Aggregate,
    Avg,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Min,
    Q,
)
from django.db.models.functions import Extract
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from agora.audit_metrics import AuditCollector
from agora.case_metrics import CasesCollector
from agora.copy_metrics import CopiesCollector
from agora.lib.problems import Problem, respond
from agora.notice_metrics import NoticesCollector
from agora.personal_data_metrics import PersonalDataCollector
from agora.reserve_metrics import ReservesCollector
from agora.scheduled_work import ScheduledWorkCollector
from agora.screening_metrics import ScreeningCollector
from trading.models import Order
from trading.states import State

RECENT = timedelta(hours=1)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

LATENCY = Histogram(
    "agora_http_request_seconds",
    "Time from receiving a request to its answer.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def observe(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count one request. `route` is a URL name, never a raw path: its values stay few."""
    known = method if method in _METHODS else "OTHER"
    LATENCY.labels(method=known, route=route, status=str(status)).observe(seconds)


class Percentile(Aggregate):
    """`percentile_cont(share) WITHIN GROUP (ORDER BY …)`; NULLs do not count."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, expression: Any, *, share: float) -> None:
        super().__init__(expression, share=share)


def _seconds(end: str, start: str) -> Any:
    length = ExpressionWrapper(F(end) - F(start), output_field=DurationField())
    return Extract(length, "epoch", output_field=FloatField())


_LEGS = {
    "custody": ("custody__completed_at", "custody__created_at"),
    "mint": ("mint__confirmed_at", "mint__created_at"),
    "order": ("mint__confirmed_at", "created_at"),
}


class OrdersCollector(Collector):
    """Orders by state and how long their legs took in the last hour; two queries a scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _by_state()
        yield from _legs()


def _by_state() -> Iterator[GaugeMetricFamily]:
    now = timezone.now()
    rows = {
        row["state"]: row
        for row in Order.objects.order_by()
        .values("state")
        .annotate(
            orders=Count("pk"),
            oldest=Min("updated_at"),
            stuck=Count("pk", filter=Q(attention=True)),
        )
    }
    count = GaugeMetricFamily("agora_orders", "Orders by state.", labels=["state"])
    stuck = GaugeMetricFamily(
        "agora_orders_attention", "Orders that wait for a person, by state.", labels=["state"]
    )
    oldest = GaugeMetricFamily(
        "agora_orders_oldest_seconds",
        "Seconds since the longest-waiting order of an open state changed.",
        labels=["state"],
    )
    for state in State:
        row = rows.get(state.value)
        count.add_metric([state.value], row["orders"] if row else 0)
        stuck.add_metric([state.value], row["stuck"] if row else 0)
        if state in _OPEN:
            age = (now - row["oldest"]).total_seconds() if row else 0.0
            oldest.add_metric([state.value], max(0.0, age))
    yield from (count, stuck, oldest)


_OPEN = frozenset(
    {State.PENDING, State.SUBMITTED, State.FILLED, State.CUSTODY_CONFIRMED, State.MINTING}
)


def _legs() -> Iterator[GaugeMetricFamily]:
    wanted: dict[str, Any] = {}
    for leg, (end, start) in _LEGS.items():
        length = _seconds(end, start)
        wanted |= {
            f"{leg}_0.5": Percentile(length, share=0.5),
            f"{leg}_0.95": Percentile(length, share=0.95),
            f"{leg}_mean": Avg(length),
            f"{leg}_count": Count(end),
        }
    found = Order.objects.filter(created_at__gte=timezone.now() - RECENT).aggregate(**wanted)
    latency = GaugeMetricFamily(
        "agora_leg_seconds",
        "Duration of a leg for orders placed in the last hour, by quantile.",
        labels=["leg", "quantile"],
    )
    done = GaugeMetricFamily(
        "agora_leg_completed", "Legs completed of orders placed in the last hour.", labels=["leg"]
    )
    for leg in _LEGS:
        done.add_metric([leg], found[f"{leg}_count"])
        for quantile in ("0.5", "0.95", "mean"):
            value = found[f"{leg}_{quantile}"]
            if value is not None:
                latency.add_metric([leg, quantile], float(value))
    yield from (latency, done)


def exposition() -> bytes:
    """Everything in Prometheus' text format."""
    own = CollectorRegistry()
    own.register(OrdersCollector())
    own.register(CopiesCollector())
    own.register(ReservesCollector())
    own.register(AuditCollector())
    own.register(CasesCollector())
    own.register(PersonalDataCollector())
    own.register(NoticesCollector())
    own.register(ScreeningCollector())
    own.register(ScheduledWorkCollector())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    else:
        counted = REGISTRY
    return generate_latest(counted) + generate_latest(own)


def metrics(request: HttpRequest) -> HttpResponse:
    """The scrape address: for this machine itself, or for who has METRICS_TOKEN."""
    if not _may_scrape(request):
        return respond(Problem("forbidden"))
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    if wanted and scheme.lower() == "bearer":
        return hmac.compare_digest(given.encode(), wanted.encode())
    # Behind a proxy on this machine every visitor seems local; a proxy says that it is one.
    forwarded = request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded")
    try:
        return not forwarded and ipaddress.ip_address(request.META["REMOTE_ADDR"]).is_loopback
    except (KeyError, ValueError):
        return False
