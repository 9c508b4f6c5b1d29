"""Orders and quotes over the API (RAT-002, RAT-005)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from agora.lib.models import IdempotencyKey
from compliance.models import AuditRow
from kyc.models import Application, DailyLimit
from tests.api.conftest import Api, assert_problem, pointers, quote_token
from tests.quoting import a_quote
from trading import quotes
from trading.models import Order
from trading.quotes import QuoteUnavailable

pytestmark = pytest.mark.django_db


def assert_nothing_happened(api: Api) -> None:
    """No order, no answer kept, no row in the trail, nothing taken from the limit."""
    assert not Order.objects.filter(user=api.user).exists()
    assert not IdempotencyKey.objects.exists()
    assert not AuditRow.objects.filter(action__startswith="order.").exists()
    used = DailyLimit.objects.filter(application__user=api.user).values_list("used_usd", flat=True)
    assert set(used) <= {Decimal(0)}


def test_order_is_placed(buyer: Api) -> None:
    answer = buyer.order("0.5")
    assert answer.status == 201
    body = answer.body
    assert (body["state"], body["quantity"], body["symbol"]) == ("PENDING", "0.5", "AAPL")
    assert (body["quote_price"], body["limit_price"]) == ("200.00", "202.00")
    assert (body["reserved_usd"], body["source"]) == ("101.00", "api")
    assert answer.headers["Location"] == f"/api/v1/orders/{body['id']}"
    assert Order.objects.get(pk=body["id"]).user == buyer.user


def test_order_reads_as_it_was_answered(buyer: Api) -> None:
    placed = buyer.order("0.123456789").body
    read = buyer.get(f"/api/v1/orders/{placed['id']}").body
    timeline = read.pop("timeline")
    assert read == placed
    assert timeline[0]["state"] in {"done", "current"}


@pytest.mark.parametrize(
    "quantity",
    [
        0.5,
        1,
        True,
        None,
        ["0.5"],
        {"value": "0.5"},
        "",
        " ",
        "abc",
        "1,5",
        "١",
        "1_0",
        "1e1",
        "0x1",
        "NaN",
        "Infinity",
        "-1",
        "+1",
        "0.5\x00",
        "9" * 41,
        "\ud800",
    ],
)
def test_odd_quantity_points_to_the_field(buyer: Api, quantity: object) -> None:
    answer = buyer.order(quantity=quantity)  # type: ignore[arg-type]
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/quantity"]
    assert_nothing_happened(buyer)


def test_json_number_is_refused_with_the_reason(buyer: Api) -> None:
    answer = buyer.order(quantity=0.5)  # type: ignore[arg-type]
    assert "JSON string" in answer.body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.009999999", "quantity_too_small"),
        ("0", "quantity_too_small"),
        ("0.0100000001", "quantity_decimals"),
        ("999999999999", "quantity_too_large"),
    ],
)
def test_quantity_out_of_bounds(buyer: Api, quantity: str, code: str) -> None:
    answer = buyer.order(quantity)
    assert_problem(answer, 422, code)
    assert pointers(answer) == ["#/quantity"]
    assert_nothing_happened(buyer)


def test_limit_is_told_in_full(buyer: Api) -> None:
    assert buyer.order("4").status == 201
    answer = buyer.order("1")
    body = assert_problem(answer, 422, "limit_exceeded")
    assert Decimal(body["limit_usd"]) == 1000
    assert Decimal(body["used_usd"]) == 808
    assert Decimal(body["left_usd"]) == 192
    assert Decimal(body["requested_usd"]) == 202
    assert body["resets_at"].endswith("Z")
    assert pointers(answer) == ["#/quantity"]
    assert Order.objects.filter(user=buyer.user).count() == 1
    assert DailyLimit.objects.get(application__user=buyer.user).used_usd == 808


def test_key_of_a_refused_order_may_be_used_again(buyer: Api) -> None:
    assert_problem(buyer.order("100", key="again"), 422, "limit_exceeded")
    assert_nothing_happened(buyer)
    assert buyer.order("1", key="again").status == 201


def test_not_onboarded(api: Api) -> None:
    assert_problem(api.order(), 403, "not_approved")
    assert_nothing_happened(api)


def test_not_approved(buyer: Api) -> None:
    Application.objects.filter(user=buyer.user).update(status="REJECTED")
    assert_problem(buyer.order(), 403, "not_approved")
    assert_nothing_happened(buyer)


def test_expired_quote(buyer: Api) -> None:
    old = quote_token(now=timezone.now() - timedelta(minutes=2))
    answer = buyer.order(quote_token=old)
    assert_problem(answer, 409, "quote_expired")
    assert pointers(answer) == ["#/quote_token"]
    assert_nothing_happened(buyer)


@pytest.mark.parametrize("token", ["x", "a:b:c", quote_token()[:-2], "\N{SNOWMAN}"])
def test_forged_quote(buyer: Api, token: str) -> None:
    assert_problem(buyer.order(quote_token=token), 422, "quote_invalid")
    assert_nothing_happened(buyer)


def test_repeat_is_answered_though_its_quote_expired(
    buyer: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"symbol": "AAPL", "quantity": "0.5", "quote_token": quote_token()}
    first = buyer.post("/api/v1/orders", body, key="k1")

    def expired(_token: str, *, now: object) -> None:
        raise quotes.QuoteExpired

    monkeypatch.setattr(quotes, "thaw", expired)
    again = buyer.post("/api/v1/orders", body, key="k1")
    assert (again.status, again.raw) == (201, first.raw)
    assert_problem(buyer.post("/api/v1/orders", body, key="k2"), 409, "quote_expired")


def test_price_of_now_without_a_quote(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "current_quote", lambda *, now: a_quote(price="100"))
    body = {"symbol": "AAPL", "quantity": "1"}
    assert buyer.post("/api/v1/orders", body).body["quote_price"] == "100.00"


def test_no_price_to_be_had(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*, now: object) -> None:
        raise QuoteUnavailable("vendor detail")

    monkeypatch.setattr(quotes, "current_quote", away)
    body = {"symbol": "AAPL", "quantity": "1"}
    for answer in (buyer.post("/api/v1/orders", body), buyer.get("/api/v1/quotes/AAPL")):
        assert_problem(answer, 503, "market_data_stale")
        assert answer.headers["Retry-After"] == "5"
        assert b"vendor detail" not in answer.raw
    assert_nothing_happened(buyer)


def test_quote(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "current_quote", lambda *, now: a_quote(price="230.1"))
    quote = buyer.get("/api/v1/quotes/AAPL").body
    assert (quote["price"], quote["limit_price"]) == ("230.10", "232.41")
    placed = buyer.order("1", quote_token=quote["quote_token"])
    assert placed.body["quote_price"] == "230.10"


def test_only_one_asset(buyer: Api) -> None:
    assert_problem(buyer.get("/api/v1/quotes/TSLA"), 404, "not_found")


def test_strangers_order_is_not_found(buyer: Api, stranger: Api) -> None:
    order_id = buyer.order().body["id"]
    theirs = stranger.get(f"/api/v1/orders/{order_id}")
    nobodys = stranger.get(f"/api/v1/orders/{uuid4()}")
    for answer in (theirs, nobodys):
        assert_problem(answer, 404, "not_found")
        answer.body.pop("request_id")
    assert theirs.body == nobodys.body
    assert stranger.get("/api/v1/orders").body["results"] == []


def place_many(api: Api, count: int) -> list[str]:
    return [api.order("0.02").body["id"] for _index in range(count)]


def test_list_is_newest_first(buyer: Api) -> None:
    placed = place_many(buyer, 3)
    found = buyer.get("/api/v1/orders").body["results"]
    assert [order["id"] for order in found] == placed[::-1]


def test_pages_follow_each_other_without_gap(buyer: Api) -> None:
    placed = place_many(buyer, 5)
    seen: list[str] = []
    url = "/api/v1/orders?page_size=2"
    while url:
        answer = buyer.get(url)
        seen += [order["id"] for order in answer.body["results"]]
        url = answer.body["next"]
        if url:
            assert f'<{url}>; rel="next"' in answer.headers["Link"]
    assert seen == placed[::-1]
    back = buyer.get(answer.body["previous"])
    assert 'rel="prev"' in answer.headers["Link"]
    assert [order["id"] for order in back.body["results"]] == placed[::-1][2:4]


def test_filter_by_state(buyer: Api) -> None:
    first, second = place_many(buyer, 2)
    Order.objects.filter(pk=first).update(state="REJECTED")
    found = buyer.get("/api/v1/orders?state=REJECTED").body["results"]
    assert [order["id"] for order in found] == [first]
    found = buyer.get("/api/v1/orders?state=PENDING").body["results"]
    assert [order["id"] for order in found] == [second]
    assert_problem(buyer.get("/api/v1/orders?state=LOST"), 400, "malformed")


@pytest.mark.parametrize("cursor", ["x", "cD1nYXJiYWdl", "bz0tMQ==", "cD0yMDI2LTEzLTQ1", "é"])
def test_hostile_cursor(buyer: Api, cursor: str) -> None:
    place_many(buyer, 1)
    assert_problem(buyer.get(f"/api/v1/orders?cursor={cursor}"), 400, "malformed")


@pytest.mark.parametrize("size", ["0", "-1", "x", "101", "9" * 30, "%D9%A3", ""])
def test_odd_page_size_is_refused(buyer: Api, size: str) -> None:
    assert_problem(buyer.get(f"/api/v1/orders?page_size={size}"), 400, "malformed")


def test_list_costs_the_same_for_any_length(buyer: Api, django_assert_max_num_queries: Any) -> None:
    place_many(buyer, 6)
    with django_assert_max_num_queries(3):
        assert len(buyer.get("/api/v1/orders").body["results"]) == 6


def test_audit_names_the_actor_not_the_address(buyer: Api) -> None:
    assert buyer.user is not None
    buyer.order()
    row = AuditRow.objects.get(action__startswith="order.")
    assert row.actor == f"user:{buyer.user.pk}"
    assert buyer.user.email not in str(row.evidence)


# Cancelling


def test_an_order_that_was_not_sent_is_cancelled_and_frees_its_limit(buyer: Api) -> None:
    order_id = buyer.order("0.5").body["id"]

    answer = buyer.call("DELETE", f"/api/v1/orders/{order_id}")

    assert (answer.status, answer.body["state"]) == (200, "CANCELLED")
    assert answer.body["reserved_usd"] == "0.00"
    assert DailyLimit.objects.get(application__user=buyer.user).used_usd == 0


def test_an_order_that_may_have_been_sent_is_not_cancelled(buyer: Api) -> None:
    order_id = buyer.order("0.5").body["id"]
    Order.objects.filter(pk=order_id).update(sent_at=timezone.now())

    answer = buyer.call("DELETE", f"/api/v1/orders/{order_id}")

    assert assert_problem(answer, 409, "order_conflict")["reason"] == "not_cancellable"
    assert Order.objects.get(pk=order_id).state == "PENDING"


def test_nobody_else_cancels_it(buyer: Api, stranger: Api) -> None:
    order_id = buyer.order("0.5").body["id"]

    assert_problem(stranger.call("DELETE", f"/api/v1/orders/{order_id}"), 404, "not_found")
    assert Order.objects.get(pk=order_id).state == "PENDING"
