"""Placing an order costs at most eight round trips to the database and one commit (P1, P2)."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import close_old_connections, connection

from tests.api.conftest import Api, quote_token
from tests.people import onboarded


@contextmanager
def wire() -> Iterator[list[str]]:
    """Protocol messages between us and PostgreSQL, as libpq itself traces them."""
    lines: list[str] = []
    connection.ensure_connection()
    assert connection.connection is not None
    pgconn = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        pgconn.trace(trace.fileno())
        try:
            yield lines
        finally:
            pgconn.untrace()
            trace.seek(0)
            lines.extend(trace)


def round_trips(lines: list[str]) -> int:
    return sum("ReadyForQuery" in line for line in lines)


def completed(lines: list[str]) -> list[str]:
    return [line.split('"')[1] for line in lines if "CommandComplete" in line]


@pytest.mark.django_db(transaction=True)
def test_order_costs_eight_round_trips_and_one_commit() -> None:
    api = Api(onboarded())
    body = {"symbol": "AAPL", "quantity": "0.02", "quote_token": quote_token()}
    for number in range(4):  # as in a running server: the connection is open, statements prepared
        for _replayed in range(4):
            assert api.post("/api/v1/orders", body, key=f"before-{number}").status == 201
    close_old_connections()  # as at the start of each real request: asks for a health check
    with wire() as lines:
        assert api.post("/api/v1/orders", body, key="k").status == 201
    assert round_trips(lines) <= 8, completed(lines)
    assert completed(lines).count("COMMIT") == 1
    with wire() as lines:
        assert api.post("/api/v1/orders", body, key="k").status == 201
    assert round_trips(lines) <= 4, completed(lines)


@pytest.mark.django_db(transaction=True)
def test_lost_connection_is_replaced_without_an_error() -> None:
    api = Api(onboarded())
    assert api.get("/api/v1/orders").status == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    killer = connection.copy()
    with killer.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    killer.close()
    assert api.order("0.02").status == 201
