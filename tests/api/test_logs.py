"""Logs: one JSON line per event, in UTC, bound to its request, without secrets (PRE-2)."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from agora import celery_logging
from agora.logging import _formatter, configure
from agora.redaction import HIDDEN, redact_event, redact_text
from tests.api.conftest import Api, assert_problem

CPF = "529.982.247-25"
CPF_DIGITS = "52998224725"
RUC = "80123456-4"
EMAIL = "ana.souza+x@example.com.br"
BEARER = "agr_Abc123Def456_" + "s3cr3tS3cr3t" * 4
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----"

TELLING = [
    "password",
    "new_password1",
    "secret",
    "SECRET_KEY",
    "token",
    "Authorization",
    "tax_id",
    "full_name",
    "email",
    "user_email",
    "FIREBLOCKS_PRIVATE_KEY",
    "api_key",
    "Set-Cookie",
    "sessionid_cookie",
    "TOKEN_PEPPER",
    "cpf",
    "database_url",
    "csrfmiddlewaretoken",
]


@pytest.fixture
def lines() -> Iterator[Any]:
    """Everything logged, as an operator reads it; parsed on call."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        (f"tax id {CPF} given", CPF),
        (f"cpf={CPF_DIGITS}", CPF_DIGITS),
        (f"ruc {RUC}.", RUC),
        ("ruc 80.123.456-4", "80.123.456"),
        (f"mail to <{EMAIL}>", "ana.souza"),
        (f"Authorization: Bearer {BEARER}", "s3cr3t"),
        (f"token {BEARER} used", "s3cr3t"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (f"key {PEM} end", "MIIEvQ"),
        ("cut -----BEGIN RSA PRIVATE KEY-----\nMIIEvQ", "MIIEvQ"),
        ("jwt eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "eyJzdWIi"),
        ("postgres://agora:hunter2@db:5432/agora", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("ALPACA_API_SECRET=hunter2", "hunter2"),
        ("APCA-API-SECRET-KEY: hunter2", "hunter2"),
        ("x-api-key: hunter2", "hunter2"),
        ("{'full_name': 'Ana Souza', 'country': 'BR'}", "Ana"),
        ("{'tax_id': '123'}", "123"),
        ("/x?token=hunter2&y=1", "hunter2"),
        ("GET /account/confirm-email/MjY:1abc:hunter2/", "hunter2"),
        ("/account/password/reset/key/1-hunter2/", "hunter2"),
    ],
)
def test_text_is_redacted(text: str, canary: str) -> None:
    assert canary in text
    redacted = redact_text(text)
    assert canary not in redacted
    assert HIDDEN in redacted


@pytest.mark.parametrize(
    "text",
    [
        "Order Submitted",
        "block 12345678901 of chain 84532",
        "6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11",
        "11111111-2222-3333-4444-555555555555",
        "2026-11-22T01:02:03.123456Z",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x" + "ab12" * 16,
        "buy-6b2f0a3e6a8e4a379c1e3f8f6a0c0d11",
        "0.123456789 AAPL at 230.1050 USD",
        "tokens_minted=5",
        "1000000000000000000",
    ],
)
def test_harmless_text_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("key", TELLING)
def test_telling_key_hides_its_value(key: str) -> None:
    event = redact_event(None, "info", {"event": "x", key: "plain canary"})
    assert event[key] == HIDDEN


@pytest.mark.parametrize("key", ["token_id", "tx_hash", "order_id", "truck", "units", "reference"])
def test_harmless_key_keeps_its_value(key: str) -> None:
    assert redact_event(None, "info", {key: "value"})[key] == "value"


def test_nesting_hides_nothing_from_us() -> None:
    class Opaque:
        def __str__(self) -> str:
            return f"<{EMAIL}>"

    event: dict[str, Any] = {
        "evidence": {"list": [{"email": "x"}, (f"to {EMAIL}",), {1: {CPF}}], "object": Opaque()},
        "bytes": EMAIL.encode(),
    }
    text = json.dumps(redact_event(None, "info", event))
    assert "ana.souza" not in text
    assert CPF not in text


def test_event_is_one_json_line_in_utc(lines: Any) -> None:
    structlog.get_logger("trading").info("Order Submitted", order_id="o-1", note="a\nb")
    (line,) = lines()
    assert (line["event"], line["order_id"], line["level"]) == ("Order Submitted", "o-1", "info")
    assert line["timestamp"].endswith("Z")
    assert line["logger"] == "trading"


def test_foreign_loggers_come_out_alike(lines: Any) -> None:
    logging.getLogger("some.vendor").warning("sent to %s with %s", EMAIL, BEARER)
    (line,) = lines()
    assert line["event"].startswith("sent to [redacted] with agr_Abc123Def456_[redacted]")
    assert (line["level"], line["logger"]) == ("warning", "some.vendor")


def test_traceback_is_redacted_and_stays_on_its_line(lines: Any) -> None:
    try:
        raise ValueError(f"{EMAIL} {PEM}")
    except ValueError:
        structlog.get_logger("x").exception("Failed")
        logging.getLogger("y").exception("Failed too")
    first, second = lines()
    for line in (first, second):
        assert "ValueError" in line["exception"]
        assert "ana.souza" not in json.dumps(line)
        assert "MIIEvQ" not in json.dumps(line)


@pytest.mark.django_db
def test_request_is_bound_to_its_lines(buyer: Api, lines: Any) -> None:
    answer = buyer.get("/api/v1/orders")
    line = next(line for line in lines() if line["event"] == "Request")
    assert buyer.user is not None
    assert line["request_id"] == answer.headers["Request-Id"]
    assert line["user_id"] == str(buyer.user.pk)
    assert (line["route"], line["status"]) == ("api:orders", 200)


@pytest.mark.django_db
def test_canaries_of_a_hostile_request_are_nowhere(anybody: Api, lines: Any) -> None:
    anybody.headers["Authorization"] = f"Bearer {BEARER}"
    body = {"email": EMAIL, "password": "hunter2-canary", "tax_id": CPF}
    anybody.post(f"/api/v1/token/issue?tax_id={CPF}", body)
    anybody.post(f"/api/v1/{EMAIL}", body)
    anybody.post("/api/v1/users/onboard", body)
    text = json.dumps(lines())
    assert len(lines()) >= 3
    for canary in (EMAIL, "hunter2-canary", CPF, "s3cr3t"):
        assert canary not in text


@pytest.mark.django_db
def test_fault_is_logged_with_its_request(
    buyer: Api, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_user: object) -> None:
        raise RuntimeError(f"about {EMAIL}")

    monkeypatch.setattr("trading.selectors.orders_of", broken)
    answer = buyer.get("/api/v1/orders")
    assert_problem(answer, 500, "internal_error")
    line = next(line for line in lines() if line["event"] == "API Request Failed")
    assert line["request_id"] == answer.headers["Request-Id"]
    assert "RuntimeError" in line["exception"]
    assert "ana.souza" not in line["exception"]


def test_task_is_bound_and_unbound(lines: Any) -> None:
    class Task:
        name = "trading.tasks.settle_order"

    structlog.contextvars.bind_contextvars(user_id="left over")
    celery_logging.bind_task(task_id="t-1", task=Task())
    structlog.get_logger("x").info("Step")
    celery_logging.unbind_task()
    structlog.get_logger("x").info("After")
    step, after = lines()
    assert (step["task"], step["task_id"]) == ("trading.tasks.settle_order", "t-1")
    assert "user_id" not in step
    assert "task" not in after


def test_configure_may_be_called_twice() -> None:
    program = (
        "import logging, structlog\n"
        "from agora.logging import configure\n"
        "configure('INFO'); configure('WARNING')\n"
        "structlog.get_logger('a').info('quiet')\n"
        "structlog.get_logger('a').warning('loud', password='x')\n"
        "logging.getLogger('django.request').error('loud too')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["loud", "loud too"]
    assert lines[0]["password"] == HIDDEN


def test_settings_route_django_through_us() -> None:
    from django.conf import settings

    assert f"{configure.__module__}.{configure.__name__}" == settings.LOGGING_CONFIG
