"""Probes: /livez asks nobody, /readyz asks what the process depends on."""

import threading
from typing import Any

import pytest
from django.db import connections

from agora import health
from tests.api.conftest import Api


@pytest.fixture(autouse=True)
def _fresh() -> None:
    health._seen().clear()


def test_alive_without_any_dependency(anybody: Api, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = anybody.get("/livez")  # no database mark: a query would fail the test
    assert (answer.status, answer.body) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
def test_ready(anybody: Api) -> None:
    answer = anybody.get("/readyz")
    assert answer.body == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "redis": "ok"},
    }
    assert answer.status == 200


@pytest.mark.django_db(transaction=True)
def test_redis_away(anybody: Api, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = anybody.get("/readyz")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert answer.body["checks"] == {
        "database": "ok",
        "migrations": "ok",
        "redis": "ConnectionError",
    }


@pytest.mark.django_db(transaction=True)
def test_database_away(anybody: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
    monkeypatch.setitem(connections.settings["default"], "PORT", 1)
    answer = anybody.get("/readyz")
    assert answer.status == 503
    assert answer.body["checks"]["database"] == "OperationalError"
    assert b"127.0.0.1" not in answer.raw


@pytest.mark.django_db(transaction=True)
def test_migrations_pending(anybody: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "agora.health.MigrationExecutor.migration_plan", lambda *_args, **_kwargs: [("x", False)]
    )
    answer = anybody.get("/readyz")
    assert answer.status == 503
    assert answer.body["checks"]["migrations"] == "migrations pending"


def test_hanging_dependency_does_not_hang_the_probe(
    anybody: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hangs() -> str:
        released.wait(60)  # longer than any test may take: only an answer before it ends this one
        return "ok"

    monkeypatch.setattr(health, "_CHECKS", {"database": hangs, "redis": lambda: "ok"})
    try:
        answer = anybody.get("/readyz")
        assert not released.is_set()
    finally:
        released.set()
    assert answer.body["checks"] == {"database": "timeout", "redis": "ok"}


def test_probe_needs_no_known_host(anybody: Api) -> None:
    anybody.headers["Host"] = "10.0.0.7:8000"
    assert anybody.get("/livez").status == 200


def test_probe_is_read_only(anybody: Api) -> None:
    answer = anybody.call("POST", "/livez")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
