"""Every refusal of the API is a problem document, never HTML, never a traceback."""

from typing import Any

import pytest
from django.conf import settings

from agora.lib import problems
from agora.lib.catalog import CATALOG
from tests.api.conftest import Api, assert_problem, pointers
from trading import selectors

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/orders"])
def test_unknown_path_is_a_problem(anybody: Api, path: str) -> None:
    assert_problem(anybody.get(path), 404, "not_found")


def test_trailing_slash_is_not_redirected(buyer: Api) -> None:
    assert_problem(buyer.get("/api/v1/orders/"), 404, "not_found")


def test_bad_uuid_in_path_is_not_found(buyer: Api) -> None:
    assert_problem(buyer.get("/api/v1/orders/1%27%20OR%201=1"), 404, "not_found")


def test_wrong_method_names_the_right_ones(buyer: Api) -> None:
    answer = buyer.call("DELETE", "/api/v1/orders")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


def test_wrong_media_type(buyer: Api) -> None:
    answer = buyer.call(
        "POST",
        "/api/v1/orders",
        raw=b"quantity=1",
        content_type="text/plain",
        headers={"Idempotency-Key": "k"},
    )
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b'{"quantity": NaN}',
        b'{"quantity": Infinity}',
        b'{"symbol": "AAPL", "symbol": "AAPL"}',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 9_000,
        b"[]",
        b'"text"',
        b"null",
        b"1" * 5_000,
    ],
)
def test_malformed_json(buyer: Api, raw: bytes) -> None:
    answer = buyer.call("POST", "/api/v1/orders", raw=raw, headers={"Idempotency-Key": "k"})
    assert_problem(answer, 400, "malformed")


def test_body_is_bounded(buyer: Api) -> None:
    raw = b'{"symbol": "' + b"A" * 70_000 + b'"}'
    answer = buyer.call("POST", "/api/v1/orders", raw=raw, headers={"Idempotency-Key": "k"})
    assert_problem(answer, 413, "payload_too_large")


def test_unknown_query_parameter_is_refused(buyer: Api) -> None:
    assert_problem(buyer.get("/api/v1/orders?sate=PENDING"), 400, "malformed")


def test_without_token(anybody: Api) -> None:
    answer = anybody.get("/api/v1/orders")
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="agora"'


def test_answers_json_whatever_is_asked_for(buyer: Api) -> None:
    assert buyer.get("/api/v1/orders", Accept="text/html").status == 200
    assert_problem(buyer.get("/api/v1/nothing", Accept="text/html"), 404, "not_found")


@pytest.mark.parametrize("debug", [True, False])
def test_fault_of_ours_tells_nothing(
    buyer: Api, monkeypatch: pytest.MonkeyPatch, settings: Any, debug: bool
) -> None:
    def broken(_user: object) -> None:
        raise RuntimeError("the-secret-inside")

    settings.DEBUG = debug
    monkeypatch.setattr(selectors, "orders_of", broken)
    answer = buyer.get("/api/v1/orders")
    assert_problem(answer, 500, "internal_error")
    assert b"the-secret-inside" not in answer.raw
    assert b"Traceback" not in answer.raw


@pytest.mark.parametrize("debug", [True, False])
def test_refusal_outside_drf_is_a_problem_too(anybody: Api, settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    settings.ALLOWED_HOSTS = ["elsewhere.example"]
    answer = anybody.get("/api/v1/orders")
    assert_problem(answer, 400, "malformed")
    assert b"DisallowedHost" not in answer.raw


def test_language_of_the_reader(anybody: Api) -> None:
    answer = anybody.get("/api/v1/orders", Accept_Language="pt-br")
    assert answer.headers["Content-Language"] == "pt-br"
    assert_problem(answer, 401, "unauthenticated")


def test_every_code_has_its_page(anybody: Api) -> None:
    for code, kind in CATALOG.items():
        page = anybody.get(f"/api/problems/{code}")
        assert (page.status, page.body["status"]) == (200, kind.status)
        assert page.body["remedy"]
    assert_problem(anybody.get("/api/problems/nothing"), 404, "not_found")


def test_pointers_are_escaped() -> None:
    found = problems.field_errors({"a/b~c d": ["no"], "items": [{}, {"x": ["no"]}], "é": ["no"]})
    assert [error.pointer for error in found] == ["#/a~1b~0c%20d", "#/items/1/x", "#/%C3%A9"]


def test_every_wrong_field_is_named(buyer: Api) -> None:
    answer = buyer.post("/api/v1/orders", {"symbol": "TSLA", "quantity": 1, "colour": "red"})
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/colour"]
    answer = buyer.post("/api/v1/orders", {"symbol": "TSLA", "quantity": 1})
    assert pointers(answer) == ["#/quantity", "#/symbol"]


def test_answers_are_not_cached(buyer: Api) -> None:
    assert buyer.get("/api/v1/orders").headers["Cache-Control"] == "no-store"


def test_site_url_leads_the_type() -> None:
    assert problems.type_url("invalid") == f"{settings.SITE_URL}/api/problems/invalid"
