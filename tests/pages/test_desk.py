"""The desk's pages: reviewed before it is sent, once for each form, for the master alone."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agora.sandbox.client import SandboxControl
from copytrade.models import MasterOrder, Strategy
from copytrade.selectors import desk as selectors
from tests.copying import Trader, new_subscription
from tests.copytrade.deskwork import advance, limit, place, published
from tests.people import new_user

pytestmark = pytest.mark.django_db
TICKET = {"symbol": "BTC/USDT", "side": "BUY", "type": "MARKET", "amount": "0.01", "unit": "base"}


@pytest.fixture
def desk(sandbox: SandboxControl) -> tuple[Trader, Strategy]:
    return published(sandbox)


@pytest.fixture
def strategy(desk: tuple[Trader, Strategy]) -> Strategy:
    return desk[1]


@pytest.fixture
def master(client: Client, desk: tuple[Trader, Strategy]) -> Client:
    client.force_login(desk[0].user)
    return client


def path(strategy: Strategy, rest: str = "") -> str:
    return f"/copy/strategies/{strategy.pk}/desk/{rest}"


def hidden(page: "HttpResponse | Any") -> dict[str, str]:
    """The values that the page's form would send."""
    found = re.findall(
        r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', page.content.decode()
    )
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def text(page: "HttpResponse | Any") -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_the_desk_shows_orders_positions_and_signals(master: Client, strategy: Strategy) -> None:
    new_subscription(strategy=strategy)
    advance(place(strategy))
    advance(limit(strategy))

    page = text(master.get(path(strategy)))

    assert "1 follower copies openings now" in page
    assert "at 40,000" in page
    assert "0.50999 BTC/USDT" in page
    assert "Open BTC/USDT" in page


def test_an_order_is_reviewed_then_placed(master: Client, strategy: Strategy) -> None:
    new_subscription(strategy=strategy)

    review = master.post(path(strategy, "review/"), TICKET)
    assert "1 follower will copy it" in text(review)
    assert "500.00 USDT" in text(review)
    assert not MasterOrder.objects.exists()
    answer = master.post(path(strategy, "confirm/"), hidden(review))

    assert answer.status_code == 302
    order = MasterOrder.objects.get()
    assert (order.quantity, order.source, order.type) == (Decimal("0.01"), "page", "MARKET")


def test_the_same_form_sent_twice_places_one_order(master: Client, strategy: Strategy) -> None:
    form = hidden(master.post(path(strategy, "review/"), TICKET))

    master.post(path(strategy, "confirm/"), form)
    again = master.post(path(strategy, "confirm/"), form)

    assert again.status_code == 302
    assert MasterOrder.objects.count() == 1


def test_an_amount_of_value_is_turned_into_a_quantity_and_cut(
    master: Client, strategy: Strategy
) -> None:
    review = master.post(path(strategy, "review/"), {**TICKET, "amount": "333", "unit": "quote"})

    assert hidden(review)["quantity"] == "0.00666"


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"amount": ""}, "This field is required."),
        ({"amount": "abc"}, "Enter a number"),
        ({"amount": "-1"}, "Enter a number above 0"),
        ({"amount": "0.000012345"}, "must be a multiple of"),
        ({"amount": "0.00001"}, "takes orders from"),
        ({"type": "LIMIT"}, "A limit order needs a price."),
        ({"type": "LIMIT", "price": "40000.001"}, "must be a multiple of"),
        ({"side": "SELL", "amount": "2"}, "You can sell at most"),
        ({"symbol": "ADA/USDT"}, "Select a valid choice"),
    ],
)
def test_a_bad_ticket_says_what_to_do_and_keeps_what_was_typed(
    master: Client, strategy: Strategy, terms: dict[str, str], told: str
) -> None:
    answer = master.post(path(strategy, "review/"), {**TICKET, **terms})

    assert answer.status_code == 422
    assert told in text(answer)
    assert f'value="{terms.get("amount", "0.01")}"' in answer.content.decode() or not terms.get(
        "amount", "0.01"
    )
    assert not MasterOrder.objects.exists()


def test_a_comma_parts_decimals_where_people_write_so(master: Client, strategy: Strategy) -> None:
    master.cookies["django_language"] = "pt-br"

    review = master.post(path(strategy, "review/"), {**TICKET, "amount": "0,01"})

    assert hidden(review)["quantity"] == "0.01"


def test_a_hostile_confirmation_places_nothing(master: Client, strategy: Strategy) -> None:
    form = hidden(master.post(path(strategy, "review/"), TICKET))

    for change in (
        {"quantity": "NaN"},
        {"quantity": "1e999"},
        {"quantity": "0"},
        {"side": "HOLD"},
        {"symbol": "DOGE/USDT"},
        {"placement_key": "x"},
        {"type": "MARKET", "price": "1"},
        {"quantity": "99999999"},
    ):
        answer = master.post(path(strategy, "confirm/"), {**form, **change})
        assert answer.status_code in (302, 422), change
    assert not MasterOrder.objects.exists()


def test_a_part_of_a_position_is_sold_after_a_confirmation(
    master: Client, strategy: Strategy
) -> None:
    asked = master.get(path(strategy, "close/?symbol=BTC/USDT&part=50"))
    form = hidden(asked)
    answer = master.post(path(strategy, "close/"), {**form, "part": "50"})
    again = master.post(path(strategy, "close/"), {**form, "part": "50"})

    assert (answer.status_code, again.status_code) == (302, 302)
    order = MasterOrder.objects.get()
    assert (order.side, order.quantity) == ("SELL", Decimal("0.25"))


def test_an_open_order_is_cancelled_after_a_confirmation(
    master: Client, strategy: Strategy
) -> None:
    order = advance(limit(strategy))
    page = path(strategy, f"orders/{order.pk}/cancel/")

    assert master.get(page).status_code == 200
    assert MasterOrder.objects.get().cancel_requested_at is None
    assert master.post(page).status_code == 302
    assert MasterOrder.objects.get().cancel_requested_at is not None


def test_an_open_order_is_changed(master: Client, strategy: Strategy) -> None:
    order = advance(limit(strategy))
    page = path(strategy, f"orders/{order.pk}/replace/")
    form = hidden(master.get(page))

    refused = master.post(page, {**form, "quantity": "0.02", "price": "0"})
    answer = master.post(page, {**form, "quantity": "0.02", "price": "41000"})

    assert (refused.status_code, answer.status_code) == (422, 302)
    new = MasterOrder.objects.get(replaces=order)
    assert (new.quantity, new.price) == (Decimal("0.02"), Decimal(41_000))


def test_the_desk_follows_what_happens_and_is_quiet_otherwise(
    master: Client, strategy: Strategy
) -> None:
    script = {"HX-Request": "true"}
    first = master.get(path(strategy, "state/"), headers=script)
    tag = first.headers["HX-PTag"]
    assert master.get(path(strategy, "prices/"), headers=script).status_code == 200

    limit(strategy)
    news = master.get(path(strategy, "state/"), headers={**script, "HX-PTag": tag})

    assert news.status_code == 200
    assert news.headers["HX-PTag"] != tag


def test_the_desk_is_read_in_six_queries_whatever_it_shows(
    strategy: Strategy, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        advance(place(strategy))
        limit(strategy)

    with django_assert_num_queries(6):
        selectors.desk_of(strategy=strategy, now=timezone.now())


def _requests(strategy: Strategy, order: MasterOrder) -> list[tuple[str, str, dict[str, Any]]]:
    one = f"orders/{order.pk}/"
    return [
        ("GET", "", {}),
        ("GET", "state/", {}),
        ("GET", "prices/", {}),
        ("POST", "review/", TICKET),
        ("POST", "confirm/", {}),
        ("GET", "close/?symbol=BTC/USDT", {}),
        ("POST", "close/", {"symbol": "BTC/USDT", "part": "100", "placement_key": str(uuid4())}),
        ("GET", one + "cancel/", {}),
        ("POST", one + "cancel/", {}),
        ("GET", one + "replace/", {}),
        ("POST", one + "replace/", {"quantity": "1", "price": "1"}),
    ]


def test_a_stranger_finds_nothing(client: Client, strategy: Strategy) -> None:
    order = limit(strategy)
    client.force_login(new_user())

    for method, rest, data in _requests(strategy, order):
        call = client.post if method == "POST" else client.get
        assert call(path(strategy, rest), data).status_code == 404, rest
    order.refresh_from_db()
    assert (MasterOrder.objects.count(), order.cancel_requested_at) == (1, None)


def test_nobody_signed_out_gets_in(client: Client, strategy: Strategy) -> None:
    order = limit(strategy)

    for method, rest, data in _requests(strategy, order):
        call = client.post if method == "POST" else client.get
        assert call(path(strategy, rest), data).status_code in (302, 401), rest


def test_a_paused_strategy_can_be_sold_out_of_but_not_bought_into(
    master: Client, strategy: Strategy
) -> None:
    Strategy.objects.filter(pk=strategy.pk).update(state="PAUSED")

    bought = master.post(path(strategy, "review/"), TICKET)
    sold = master.post(path(strategy, "review/"), {**TICKET, "side": "SELL"})

    assert (bought.status_code, sold.status_code) == (422, 200)
    assert "The strategy is paused: you can sell, but not buy." in text(bought)


def test_a_deleted_strategy_has_no_desk(master: Client, strategy: Strategy) -> None:
    Strategy.objects.filter(pk=strategy.pk).update(state="DELETED", updated_at=timezone.now())

    assert master.get(path(strategy)).status_code == 404
