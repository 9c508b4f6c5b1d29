"""Health of this process: alive (asks nobody) and ready (asks what it depends on)."""

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong

import redis
import structlog
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

BUDGET_SECONDS = 1.5
_RETRY_SECONDS = "2"

log = structlog.get_logger(__name__)


def livez(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; for restarting it, never for routing."""
    return _answer({"status": "ok"}, status=200)


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database, migrations and Redis are there, else 503; within two seconds."""
    checks = run_checks()
    ready = all(result == "ok" for result in checks.values())
    answer = _answer(
        {"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503
    )
    if not ready:
        answer["Retry-After"] = _RETRY_SECONDS
    return answer


def run_checks() -> dict[str, str]:
    """Every check by name: "ok", "timeout", or the kind of failure without its details."""
    deadline = time.monotonic() + BUDGET_SECONDS
    running = {name: _pool().submit(check) for name, check in _CHECKS.items()}
    results = {}
    for name, future in running.items():
        try:
            results[name] = future.result(timeout=max(0.0, deadline - time.monotonic()))
        except TookTooLong:
            future.cancel()
            results[name] = "timeout"
        except Exception as error:  # a check that fails in any way is a failed check
            log.warning("Readiness Check Failed", check=name, exc_info=error)
            results[name] = type(error).__name__
    return results


@functools.cache
def _pool() -> ThreadPoolExecutor:
    # Made on first use, after gunicorn has forked. Hung checks keep their threads: the next ones
    # then time out in the queue, which is the right answer too.
    return ThreadPoolExecutor(max_workers=6, thread_name_prefix="readyz")


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok"
    finally:
        connection.close()


@functools.cache
def _seen() -> set[str]:
    """Remembers success: reading all migrations at each probe would cost more than the answer."""
    return set()


def _migrations() -> str:
    if "migrated" in _seen():
        return "ok"
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations pending"
    finally:
        connection.close()
    _seen().add("migrated")
    return "ok"


def _redis() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=BUDGET_SECONDS, socket_connect_timeout=BUDGET_SECONDS
    )
    with client:
        client.ping()
    return "ok"


_CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
}


def _answer(content: dict[str, object], *, status: int) -> HttpResponse:
    return JsonResponse(content, status=status, headers={"Cache-Control": "no-store"})
