"""A master's orders over the API: placed once, only by the master, held to the exchange's rules."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from copytrade.models import KillSwitch, MarkPrice, MasterOrder, Strategy
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.copying import Trader
from tests.copytrade.deskwork import advance, published
from tests.people import new_user

pytestmark = pytest.mark.django_db
BUY = {"symbol": "BTC/USDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
LIMIT = {**BUY, "type": "LIMIT", "price": "40000"}


@pytest.fixture
def desk(sandbox: SandboxControl) -> tuple[Trader, Strategy]:
    return published(sandbox)


@pytest.fixture
def strategy(desk: tuple[Trader, Strategy]) -> Strategy:
    return desk[1]


@pytest.fixture
def master(desk: tuple[Trader, Strategy]) -> Api:
    return Api(desk[0].user)


def path(strategy: Strategy, order: str = "") -> str:
    return f"/api/v1/copy/strategies/{strategy.pk}/orders" + (f"/{order}" if order else "")


def patched(api: Api, strategy: Strategy, order: str, **terms: str) -> Answer:
    headers = {"Idempotency-Key": str(uuid4())}
    return api.call("PATCH", path(strategy, order), terms, headers=headers)


def test_an_order_is_placed_and_read(master: Api, strategy: Strategy) -> None:
    placed = master.post(path(strategy), LIMIT)

    assert placed.status == 201, placed.raw
    assert (placed.body["state"], placed.body["price"]) == ("PENDING", "40000")
    assert placed.headers["Location"] == path(strategy, placed.body["id"])
    assert master.get(placed.headers["Location"]).body == placed.body
    assert [o["id"] for o in master.get(path(strategy)).body["results"]] == [placed.body["id"]]
    assert master.get(path(strategy) + "?state=FILLED").body["results"] == []


def test_the_client_order_id_is_one_of_letters_and_digits(master: Api, strategy: Strategy) -> None:
    client_id = master.post(path(strategy), BUY).body["client_order_id"]

    assert client_id.isalnum()
    assert client_id.isascii()
    assert client_id[0] == "m"
    assert len(client_id) <= 28


def test_the_same_key_places_one_order(master: Api, strategy: Strategy) -> None:
    first = master.post(path(strategy), BUY, key="once")
    again = master.post(path(strategy), BUY, key="once")

    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert MasterOrder.objects.count() == 1


def test_an_open_order_is_replaced_and_cancelled(master: Api, strategy: Strategy) -> None:
    order = MasterOrder.objects.get(pk=master.post(path(strategy), LIMIT).body["id"])
    advance(order)

    new = patched(master, strategy, str(order.pk), quantity="0.02", price="41000")
    assert (new.status, new.body["replaces"]) == (201, str(order.pk)), new.raw
    advance(MasterOrder.objects.get(pk=new.body["id"]))
    gone = master.call("DELETE", path(strategy, new.body["id"]))

    assert gone.status == 200
    assert gone.body["cancel_requested_at"]
    assert advance(MasterOrder.objects.get(pk=new.body["id"])).state == "CANCELLED"


@pytest.mark.parametrize(
    ("terms", "pointer", "code"),
    [
        ({"quantity": "0.000001"}, "#/quantity", "quantity_range"),
        ({"quantity": "0.0100001"}, "#/quantity", "quantity_step"),
        ({"quantity": "-1"}, "#/quantity", "number_invalid"),
        ({"quantity": "1e5"}, "#/quantity", "number_invalid"),
        ({"quantity": "٣"}, "#/quantity", "number_invalid"),
        ({"quantity": "0.00005"}, "#/quantity", "below_minimum_value"),
        ({"quantity": "999999999999999999"}, "#/quantity", "quantity_range"),
        ({"quantity": 1}, "#/quantity", "not_text"),
        ({"price": "100"}, "#/price", "price_not_used"),
        ({"type": "LIMIT"}, "#/price", "price_missing"),
        ({"type": "LIMIT", "price": "40000.001"}, "#/price", "price_tick"),
        ({"symbol": "ADA/USDT"}, "#/symbol", "symbol_not_in_strategy"),
        ({"symbol": "BTC/USDT\x00"}, "#/symbol", None),
        ({"side": "SELL", "quantity": "0.6"}, "#/quantity", "more_than_held"),
        ({"side": "buy"}, "#/side", None),
        ({"type": "STOP_LOSS"}, "#/type", None),
        ({"leverage": "5"}, "#/leverage", "unknown"),
    ],
)
def test_a_bad_order_points_to_its_field_and_stores_nothing(
    master: Api, strategy: Strategy, terms: dict[str, object], pointer: str, code: str | None
) -> None:
    answer = master.post(path(strategy), {**BUY, **terms})

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [pointer]
    assert code in (None, answer.body["errors"][0]["code"])
    assert not MasterOrder.objects.exists()


def test_open_sales_count_against_what_can_be_sold(master: Api, strategy: Strategy) -> None:
    sale = {**LIMIT, "side": "SELL", "price": "60000", "quantity": "0.3"}
    assert master.post(path(strategy), sale).status == 201

    answer = master.post(path(strategy), sale)

    assert answer.body["errors"][0]["code"] == "more_than_held"
    assert "0.2" in answer.body["errors"][0]["detail"]


def test_nothing_is_placed_while_trading_is_stopped(master: Api, strategy: Strategy) -> None:
    KillSwitch.objects.create(
        level="strategy",
        strategy=strategy,
        reason="test",
        engaged_by="test",
        engaged_at=timezone.now(),
    )

    problem = assert_problem(master.post(path(strategy), BUY), 409, "order_conflict")

    assert problem["reason"] == "kill_switch"
    assert not MasterOrder.objects.exists()


def test_an_ended_order_can_be_neither_changed_nor_cancelled(
    master: Api, strategy: Strategy
) -> None:
    order = str(master.post(path(strategy), BUY).body["id"])
    advance(MasterOrder.objects.get(pk=order))

    changed = patched(master, strategy, order, quantity="0.02", price="41000")
    cancelled = master.call("DELETE", path(strategy, order))

    assert assert_problem(changed, 409, "order_conflict")["reason"] == "not_open"
    assert assert_problem(cancelled, 409, "order_conflict")["reason"] == "not_open"


def test_a_stranger_finds_nothing(master: Api, strategy: Strategy) -> None:
    order = str(master.post(path(strategy), BUY).body["id"])
    stranger = Api(new_user())

    for answer in (
        stranger.get(path(strategy)),
        stranger.get(path(strategy, order)),
        stranger.post(path(strategy), BUY),
        patched(stranger, strategy, order, quantity="0.02", price="41000"),
        stranger.call("DELETE", path(strategy, order)),
    ):
        assert_problem(answer, 404, "not_found")
    assert MasterOrder.objects.count() == 1


def test_an_order_of_another_strategy_is_not_found(
    sandbox: SandboxControl, master: Api, strategy: Strategy
) -> None:
    other, theirs = published(sandbox)
    order = str(Api(other.user).post(path(theirs), BUY).body["id"])

    assert_problem(master.get(path(strategy, order)), 404, "not_found")
    assert_problem(master.call("DELETE", path(strategy, order)), 404, "not_found")


@pytest.mark.parametrize("scope", ["read", "trade"])
def test_acting_needs_the_scope_copy(
    desk: tuple[Trader, Strategy], strategy: Strategy, scope: str
) -> None:
    answer = Api(desk[0].user, scopes=(scope,)).post(path(strategy), BUY)

    assert_problem(answer, 403, "insufficient_scope")
    assert not MasterOrder.objects.exists()


def test_without_a_key_nothing_is_placed(master: Api, strategy: Strategy) -> None:
    answer = master.post(path(strategy), BUY, key=None)

    assert_problem(answer, 400, "idempotency_key_missing")
    assert not MasterOrder.objects.exists()


def test_a_market_order_needs_a_fresh_price(
    sandbox: SandboxControl, master: Api, strategy: Strategy
) -> None:
    MarkPrice.objects.update(at=timezone.now() - timedelta(minutes=5))

    answer = master.post(path(strategy), BUY)

    assert_problem(answer, 503, "market_data_stale")
    assert "Retry-After" in answer.headers
    assert master.post(path(strategy), LIMIT).status == 201


def test_quantities_are_exact(master: Api, strategy: Strategy) -> None:
    placed = master.post(path(strategy), {**LIMIT, "quantity": "0.01000", "price": "40000.010"})

    assert (placed.body["quantity"], placed.body["price"]) == ("0.01", "40000.01")
    assert MasterOrder.objects.get().quantity == Decimal("0.01")
