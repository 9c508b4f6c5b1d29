"""/metrics: request latency by route, orders by state, and who may read it (MET-1)."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notice
from agora import metrics
from compliance.models import DataExport
from custody.models import CustodyRecord
from tests.api.conftest import Api, assert_problem
from tests.people import new_user
from trading.models import Order

pytestmark = pytest.mark.django_db


def sample(text: str, name: str, **labels: str) -> float | None:
    """The value of one sample, or None."""
    for line in text.splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match and match.group(1) == name:
            found = dict(re.findall(r'(\w+)="([^"]*)"', match.group(2) or ""))
            if found == labels:
                return float(match.group(3))
    return None


def scrape(api: Api) -> str:
    answer = api.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.raw.decode()


def test_requests_are_counted_by_route(buyer: Api, anybody: Api) -> None:
    labels = {"method": "GET", "route": "api:order", "status": "404"}
    before = sample(scrape(anybody), "agora_http_request_seconds_count", **labels) or 0
    buyer.get("/api/v1/orders/6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11")
    buyer.get("/api/v1/orders/6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d12")
    text = scrape(anybody)
    assert sample(text, "agora_http_request_seconds_count", **labels) == before + 2
    assert "6b2f0a3e" not in text


def test_hostile_requests_add_no_labels(anybody: Api) -> None:
    for index in range(3):
        anybody.call(f"ODD{index}", f"/nothing/{index}")
        anybody.call("GET", f"/nothing/{index}")
    text = scrape(anybody)
    assert "ODD" not in text
    assert "/nothing" not in text
    assert 'route="unmatched"' in text


def test_orders_by_state(buyer: Api, anybody: Api) -> None:
    for _order in range(3):
        buyer.order("0.02")
    one = Order.objects.first()
    assert one is not None
    hour_ago = timezone.now() - timedelta(hours=1)
    Order.objects.filter(pk=one.pk).update(state="REJECTED", attention=True, updated_at=hour_ago)
    Order.objects.exclude(pk=one.pk).update(updated_at=hour_ago)
    text = scrape(anybody)
    assert sample(text, "agora_orders", state="PENDING") == 2
    assert sample(text, "agora_orders", state="REJECTED") == 1
    assert sample(text, "agora_orders", state="MINTING") == 0
    assert sample(text, "agora_orders_attention", state="REJECTED") == 1
    oldest = sample(text, "agora_orders_oldest_seconds", state="PENDING")
    assert oldest is not None
    assert 3590 < oldest < 3700
    assert sample(text, "agora_orders_oldest_seconds", state="REJECTED") is None


def test_legs_take_their_time(buyer: Api, anybody: Api) -> None:
    now = timezone.now()
    for seconds in (2, 4):
        order = Order.objects.get(pk=buyer.order("0.02").body["id"])
        order.custody = CustodyRecord.objects.create(
            reference=order.pk,
            symbol="AAPL",
            quantity="0.02",
            state="COMPLETED",
            external_tx_id=f"custody-{seconds}",
            custody_tx_id=f"tx-{seconds}",
            created_at=now,
            completed_at=now + timedelta(seconds=seconds),
        )
        order.save(update_fields=["custody"])
    text = scrape(anybody)
    assert sample(text, "agora_leg_completed", leg="custody") == 2
    assert sample(text, "agora_leg_seconds", leg="custody", quantile="0.5") == 3
    assert sample(text, "agora_leg_seconds", leg="mint", quantile="0.5") is None


def test_peoples_requests_that_wait_for_a_person(anybody: Api) -> None:
    one, other = uuid4(), uuid4()
    for user_id, stuck in ((one, True), (other, False)):
        DataExport.objects.create(
            user_id=user_id, requested_by="x", requested_at=timezone.now(), attention=stuck
        )
    text = scrape(anybody)
    assert sample(text, "agora_personal_data_attention", kind="copy") == 1
    assert sample(text, "agora_personal_data_attention", kind="erasure") == 0


def test_emails_that_wait_for_a_person(anybody: Api) -> None:
    for stuck in (True, False):
        Notice.objects.create(
            user=new_user(), kind="x", level="info", subject="x", body="x",
            created_at=timezone.now(), attention=stuck,
        )  # fmt: skip
    assert sample(scrape(anybody), "agora_notices_attention") == 1


def test_scrape_costs_few_queries(buyer: Api) -> None:
    buyer.order("0.02")
    with CaptureQueriesContext(connection) as queries:
        metrics.exposition()
    assert len(queries) == 21


def test_only_this_machine_may_scrape(anybody: Api) -> None:
    anybody.client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert_refused(anybody)


def assert_refused(api: Api) -> None:
    answer = api.get("/metrics")
    assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert b"agora_orders" not in answer.raw


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_proxied_request_is_not_local(anybody: Api, header: str) -> None:
    anybody.headers[header] = "127.0.0.1"
    assert_refused(anybody)


def test_token_opens_it_from_anywhere(anybody: Api, settings: Any) -> None:
    settings.METRICS_TOKEN = "scrape-me"
    anybody.client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert_refused(anybody)
    anybody.headers["Authorization"] = "Bearer wrong"
    assert_refused(anybody)
    anybody.headers["Authorization"] = "Bearer scrape-me"
    scrape(anybody)


def test_empty_token_opens_nothing(anybody: Api, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    anybody.client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    anybody.headers["Authorization"] = "Bearer "
    assert_refused(anybody)


def test_processes_are_summed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buyer: Api) -> None:
    program = (
        "import django; django.setup()\n"
        "from agora import metrics\n"
        "metrics.observe(method='GET', route='home', status=200, seconds=0.01)\n"
    )
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for _process in range(2):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    buyer.order("0.02")
    text = metrics.exposition().decode()
    labels = {"method": "GET", "route": "home", "status": "200"}
    assert sample(text, "agora_http_request_seconds_count", **labels) == 2
    assert sample(text, "agora_orders", state="PENDING") == 1


def test_metrics_is_read_only(anybody: Api) -> None:
    assert anybody.call("POST", "/metrics").status == 405


def test_unknown_host_is_no_matter(anybody: Api) -> None:
    anybody.headers["Host"] = "10.0.0.7:8000"
    scrape(anybody)
    assert_problem(anybody.get("/api/v1/orders"), 400, "malformed")
