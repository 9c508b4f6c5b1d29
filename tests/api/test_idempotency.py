"""One key, one order, one answer (reliability anchors 1)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection

from agora.lib import idempotency
from agora.lib.models import IdempotencyKey
from kyc.models import DailyLimit
from tests.api.conftest import Answer, Api, assert_problem, quote_token
from tests.people import onboarded
from trading import services
from trading.models import Order


def body(quantity: str = "0.5") -> dict[str, str]:
    return {"symbol": "AAPL", "quantity": quantity, "quote_token": quote_token()}


@pytest.mark.django_db
def test_key_is_needed(buyer: Api) -> None:
    answer = buyer.post("/api/v1/orders", body(), key=None)
    assert_problem(answer, 400, "idempotency_key_missing")
    assert not Order.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "é", " lead", "trail ", "\x7f"])
def test_malformed_key(buyer: Api, key: str) -> None:
    answer = buyer.post("/api/v1/orders", body(), key=key)
    assert_problem(answer, 400, "idempotency_key_malformed")
    assert not Order.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b"])
def test_well_formed_key(buyer: Api, key: str) -> None:
    assert buyer.post("/api/v1/orders", body(), key=key).status == 201


@pytest.mark.django_db
def test_repeat_gets_the_same_answer(buyer: Api) -> None:
    sent = body()
    first = buyer.post("/api/v1/orders", sent, key="k")
    again = buyer.post("/api/v1/orders", dict(reversed(sent.items())), key="k")
    assert (again.status, again.raw) == (first.status, first.raw)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert Order.objects.count() == 1
    assert DailyLimit.objects.get(application__user=buyer.user).used_usd == 101


@pytest.mark.django_db
def test_repeat_is_the_answer_of_then(buyer: Api) -> None:
    sent = body()
    first = buyer.post("/api/v1/orders", sent, key="k")
    Order.objects.update(state="REJECTED")
    assert buyer.post("/api/v1/orders", sent, key="k").raw == first.raw


@pytest.mark.django_db
def test_key_for_another_payload(buyer: Api) -> None:
    sent = body()
    buyer.post("/api/v1/orders", sent, key="k")
    answer = buyer.post("/api/v1/orders", {**sent, "quantity": "0.50"}, key="k")
    assert_problem(answer, 422, "idempotency_key_reused")
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_key_for_another_address() -> None:
    one = idempotency.fingerprint(method="POST", path="/a", data={})
    assert one != idempotency.fingerprint(method="POST", path="/b", data={})


@pytest.mark.django_db
def test_keys_of_two_people_do_not_meet(buyer: Api, stranger: Api) -> None:
    first = buyer.post("/api/v1/orders", body(), key="k")
    second = stranger.post("/api/v1/orders", body(), key="k")
    assert first.status == second.status == 201
    assert first.body["id"] != second.body["id"]


@pytest.mark.django_db
def test_fault_keeps_no_answer(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    place = services.place_order

    def placed_then_broken(**arguments: object) -> None:
        place(**arguments)  # type: ignore[arg-type]
        raise RuntimeError

    sent = body()
    monkeypatch.setattr(services, "place_order", placed_then_broken)
    assert buyer.post("/api/v1/orders", sent, key="k").status == 500
    assert not Order.objects.exists()
    monkeypatch.undo()
    assert buyer.post("/api/v1/orders", sent, key="k").status == 201


# --- at the same time


def at_once(api: Api, bodies: list[dict[str, str]], *, keys: list[str]) -> list[Answer]:
    """Send all requests at the same moment, each on a connection of its own."""
    barrier = Barrier(len(bodies))
    twins = [Api(None) for _body in bodies]

    def send(index: int) -> Answer:
        twins[index].headers = api.headers
        barrier.wait(timeout=30)
        try:
            return twins[index].post("/api/v1/orders", bodies[index], key=keys[index])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(send, range(len(bodies))))


@pytest.mark.django_db(transaction=True)
def test_one_key_thirty_two_times_at_once() -> None:
    api = Api(onboarded())
    sent = body()
    answers = at_once(api, [sent] * 32, keys=["k"] * 32)
    statuses = {answer.status for answer in answers}
    assert statuses <= {201, 409}
    assert len({answer.raw for answer in answers if answer.status == 201}) == 1
    for answer in answers:
        if answer.status == 409:
            assert_problem(answer, 409, "idempotency_in_progress")
            assert answer.headers["Retry-After"] == "1"
    assert Order.objects.count() == 1
    assert IdempotencyKey.objects.count() == 1
    assert DailyLimit.objects.get(application__user=api.user).used_usd == 101
    assert api.post("/api/v1/orders", sent, key="k").raw in {a.raw for a in answers}


@pytest.mark.django_db(transaction=True)
def test_many_keys_at_once_keep_the_limit() -> None:
    api = Api(onboarded())
    answers = at_once(api, [body("0.5")] * 24, keys=[f"k{n}" for n in range(24)])
    placed = [answer for answer in answers if answer.status == 201]
    assert len(placed) == 9  # 9 × 101 USD fit into 1,000
    assert {a.body["code"] for a in answers if a.status != 201} == {"limit_exceeded"}
    assert DailyLimit.objects.get(application__user=api.user).used_usd == 909


@pytest.mark.django_db(transaction=True)
def test_second_request_is_told_that_the_first_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    api, twin = Api(onboarded()), Api(None)
    twin.headers = api.headers
    sent = body()
    inside, go_on = Event(), Event()
    place = services.place_order

    def slow(**arguments: object) -> Order:
        inside.set()
        assert go_on.wait(30)
        return place(**arguments)  # type: ignore[arg-type]

    def first() -> Answer:
        try:
            return api.post("/api/v1/orders", sent, key="k")
        finally:
            connection.close()

    monkeypatch.setattr(services, "place_order", slow)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert inside.wait(30)
        assert_problem(twin.post("/api/v1/orders", sent, key="k"), 409, "idempotency_in_progress")
        go_on.set()
        assert running.result(30).status == 201
    assert twin.post("/api/v1/orders", sent, key="k").headers["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_answer_stored_between_look_up_and_insert(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up's snapshot may predate the twin's commit: then the unique key decides."""
    api = Api(onboarded())
    sent = body()
    first = api.post("/api/v1/orders", sent, key="k")
    find, blind = idempotency._lock_and_find, [True]

    def sees_nothing_at_first(**arguments: object) -> object:
        found = find(**arguments)  # type: ignore[arg-type]
        return None if blind.pop() else found

    blind = [False, True]
    monkeypatch.setattr(idempotency, "_lock_and_find", sees_nothing_at_first)
    again = api.post("/api/v1/orders", sent, key="k")
    assert (again.raw, again.headers["Idempotency-Replayed"]) == (first.raw, "true")
    assert Order.objects.count() == 1
    assert DailyLimit.objects.get(application__user=api.user).used_usd == 101


def test_the_stored_hash_cannot_be_found_by_trying_tax_ids(settings: Any) -> None:
    asked = {"tax_id": "529.982.247-25"}
    one = idempotency.fingerprint(method="POST", path="/a", data=asked)
    settings.BLIND_INDEX_KEY = "another key"

    assert idempotency.fingerprint(method="POST", path="/a", data=asked) != one
