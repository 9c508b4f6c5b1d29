"""Every answer carries the id that support can be told."""

import pytest

from tests.api.conftest import Api

pytestmark = pytest.mark.django_db


def test_given_id_is_echoed(anybody: Api) -> None:
    answer = anybody.get("/api/v1/orders", Request_Id="client-id_1.2")
    assert answer.headers["Request-Id"] == "client-id_1.2"
    assert answer.body["request_id"] == "client-id_1.2"


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "a b c d e f", 'x"y,z:w;v', "é" * 10])
def test_odd_id_is_replaced(anybody: Api, given: str) -> None:
    answer = anybody.get("/api/v1/orders", Request_Id=given)
    assert answer.headers["Request-Id"] != given
    assert len(answer.headers["Request-Id"]) == 32


def test_ids_differ(anybody: Api) -> None:
    first, second = anybody.get("/api/v1/orders"), anybody.get("/api/v1/orders")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
