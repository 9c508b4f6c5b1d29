"""The buy flow page by page: what is shown, what is refused, and that nothing is bought twice."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Wallet
from kyc.models import ScreeningMatch
from tests.kyc import casework
from tests.pages.conftest import SetQuote
from tests.people import new_user, onboarded, with_limit_used
from tests.quoting import a_quote
from trading.models import Order
from trading.quotes import freeze

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("set_quote")]


def hidden(response: Any, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', response.content.decode())
    assert found is not None, name
    return found.group(1)


def confirm_form(browser: Client, quantity: str = "0.5") -> dict[str, str]:
    """What the review page would send."""
    review = browser.post(reverse("buy_review"), {"quantity": quantity})
    assert review.status_code == 200
    return {name: hidden(review, name) for name in ("quantity", "quote", "placement_key")}


def text_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.mark.parametrize("name", ["buy", "buy_review", "buy_confirm"])
def test_only_the_approved_may_buy(client: Client, name: str) -> None:
    assert client.get(reverse(name)).headers["Location"].startswith("/account/login/")
    client.force_login(new_user())
    answer = client.post(reverse(name))
    assert answer.headers["Location"] == reverse("onboarding")


def test_who_may_not_buy_for_now_learns_it_before_filling_in_anything(
    browser: Client, buyer: User
) -> None:
    form = confirm_form(browser)
    match = casework.a_match(buyer.kyc_application)
    ScreeningMatch.objects.filter(pk=match.pk).update(by=ScreeningMatch.By.IDENTIFIER)

    for answer in (browser.get(reverse("dashboard")), browser.get(reverse("buy"))):
        assert "Buying is paused for your account" in text_of(answer)
    for step in ("buy_review", "buy_confirm"):
        answer = browser.post(reverse(step), form)
        assert answer.status_code == 422
        assert text_of(answer).count("Buying is paused") == 1
    assert not Order.objects.exists()


def test_whose_wallet_is_disputed_is_led_to_it_before_filling_in_anything(
    browser: Client, buyer: User
) -> None:
    form = confirm_form(browser)
    Wallet.objects.filter(user=buyer).update(disputed_at=timezone.now())

    for answer in (browser.get(reverse("dashboard")), browser.get(reverse("buy"))):
        assert "Somebody else has proved that your wallet" in text_of(answer)
        assert f'href="{reverse("wallet")}">Go to your wallet' in answer.content.decode()
    for step in ("buy_review", "buy_confirm"):
        answer = browser.post(reverse(step), form)
        assert answer.status_code == 422
        assert text_of(answer).count("Somebody else has proved") == 1
    assert not Order.objects.exists()


def test_the_review_names_price_worst_price_fee_and_wallet(browser: Client, buyer: User) -> None:
    shown = text_of(browser.post(reverse("buy_review"), {"quantity": "0.5"}))

    assert "You buy 0.5 AAPL" in shown
    assert "Price per share $200.00" in shown
    assert "Worst price per share $202.00" in shown
    assert "Agora's fee $0.00" in shown
    assert "Estimated cost $100.00" in shown
    assert "Most it can cost $101.00" in shown
    assert buyer.wallet.address in shown
    assert not Order.objects.exists()


def test_a_confirmed_order_is_placed_once_however_often_the_form_is_sent(browser: Client) -> None:
    form = confirm_form(browser)
    first = browser.post(reverse("buy_confirm"), form)
    second = browser.post(reverse("buy_confirm"), form)

    order = Order.objects.get()
    assert first.headers["Location"] == second.headers["Location"] == f"/orders/{order.pk}/"
    assert str(order.placement_key) == form["placement_key"]
    assert order.source == "page"


def test_the_same_form_after_the_price_expired_still_leads_to_its_order(
    browser: Client, buyer: User
) -> None:
    form = confirm_form(browser)
    browser.post(reverse("buy_confirm"), form)
    past = timezone.now() - timedelta(minutes=5)
    form["quote"] = freeze(a_quote(now=past))

    again = browser.post(reverse("buy_confirm"), form)

    assert again.headers["Location"] == f"/orders/{Order.objects.get().pk}/"


@pytest.mark.parametrize("spoiled", ["expired", "forged"])
def test_a_price_that_is_not_ours_or_too_old_buys_nothing(browser: Client, spoiled: str) -> None:
    form = confirm_form(browser)
    past = timezone.now() - timedelta(minutes=5)
    form["quote"] = freeze(a_quote(now=past)) if spoiled == "expired" else form["quote"][:-3]

    answer = browser.post(reverse("buy_confirm"), form)

    assert answer.status_code == 422
    assert "The order was not placed" in text_of(answer)
    assert not Order.objects.exists()


def test_the_limit_is_explained_with_its_figures(browser: Client, buyer: User) -> None:
    with_limit_used(buyer, amount=Decimal(950))
    answer = browser.post(reverse("buy_review"), {"quantity": "0.5"})

    shown = text_of(answer)
    assert answer.status_code == 422
    assert "$101.00" in shown
    assert "$50.00 of $1,000.00 ($950.00 used)" in shown
    assert "00:00 (Sao Paulo)" in shown


def test_the_limit_is_checked_again_when_the_order_is_placed(browser: Client, buyer: User) -> None:
    form = confirm_form(browser)
    with_limit_used(buyer, amount=Decimal(950))

    answer = browser.post(reverse("buy_confirm"), form)

    assert answer.status_code == 422
    assert "$50.00 of $1,000.00" in text_of(answer)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ("", "This field is required"),
        ("many", "Enter the number of shares"),
        ("0.009", "The smallest order is 0.01 shares"),
        ("0.0123456789", "Shorten the quantity"),
        ("0,5", "Enter the number of shares"),
        ("NaN", "Enter the number of shares"),
    ],
)
def test_a_quantity_that_cannot_be_bought_is_explained_at_its_field(
    browser: Client, quantity: str, reason: str
) -> None:
    answer = browser.post(reverse("buy_review"), {"quantity": quantity})
    assert answer.status_code == 422
    assert reason in text_of(answer)
    assert 'aria-invalid="true"' in answer.content.decode()


def test_a_comma_parts_the_decimals_where_people_write_so(browser: Client) -> None:
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "pt-br"
    shown = text_of(browser.post(reverse("buy_review"), {"quantity": "0,5"}))
    assert "Você compra 0,5 AAPL" in shown
    assert "US$\xa0100,00" in shown or "US$ 100,00" in shown


def test_stale_or_missing_prices_stop_the_purchase(browser: Client, set_quote: SetQuote) -> None:
    old = timezone.now() - timedelta(seconds=settings.MARKET_DATA_MAX_AGE_SECONDS + 60)
    set_quote(a_quote(as_of=old))
    page = browser.get(reverse("buy"))
    assert "The last price is too old" in text_of(page)
    assert re.search(r"<button[^>]*disabled[^>]*>\s*Review the order", page.content.decode())
    assert browser.post(reverse("buy_review"), {"quantity": "1"}).status_code == 422

    set_quote(None)
    page = browser.get(reverse("buy"))
    assert "There is no price right now" in text_of(page)
    assert browser.post(reverse("buy_review"), {"quantity": "1"}).status_code == 422


def test_a_closed_market_is_said_before_the_order(browser: Client, set_quote: SetQuote) -> None:
    set_quote(a_quote(market_open=False, next_open=timezone.now() + timedelta(hours=9)))
    for page in (
        browser.get(reverse("buy")),
        browser.post(reverse("buy_review"), {"quantity": "0.5"}),
    ):
        assert "The market is closed" in text_of(page)
        assert '<time datetime="' in page.content.decode()


def test_the_estimate_fragment_answers_422_for_what_cannot_be_bought(browser: Client) -> None:
    good = browser.get(reverse("buy_estimate"), {"quantity": "2"})
    assert good.status_code == 200
    assert "$400.00" in text_of(good)
    bad = browser.get(reverse("buy_estimate"), {"quantity": "0.001"})
    assert bad.status_code == 422
    assert "The smallest order is 0.01 shares" in text_of(bad)
    assert "<html" not in bad.content.decode()


def test_a_fragment_asks_to_reload_once_the_session_has_ended(client: Client) -> None:
    answer = client.get(reverse("buy_estimate"), {"quantity": "2"})
    assert answer.status_code == 401
    assert answer.headers["HX-Refresh"] == "true"


class TestOrderPages:
    @pytest.fixture
    def order(self, browser: Client) -> Order:
        browser.post(reverse("buy_confirm"), confirm_form(browser))
        return Order.objects.get()

    @pytest.mark.parametrize("name", ["order", "order_status", "order_cancel", "order_receipt"])
    def test_strangers_find_nothing(self, order: Order, name: str) -> None:
        stranger = Client()
        stranger.force_login(onboarded())
        answer = stranger.get(reverse(name, args=[order.pk]), headers={"HX-Request": "true"})
        assert answer.status_code == 404

    def test_an_unchanged_order_is_answered_with_an_empty_304(
        self, browser: Client, order: Order
    ) -> None:
        address = reverse("order_status", args=[order.pk])
        first = browser.get(address, headers={"HX-Request": "true"})
        tag = first.headers["HX-PTag"]
        unchanged = browser.get(address, headers={"HX-Request": "true", "HX-PTag": tag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")

        Order.objects.filter(pk=order.pk).update(version=order.version + 1)
        changed = browser.get(address, headers={"HX-Request": "true", "HX-PTag": tag})
        assert changed.status_code == 200

    def test_polling_slows_down_and_stops(self, browser: Client, order: Order) -> None:
        address = reverse("order", args=[order.pk])
        assert 'hx-trigger="every 2s' in browser.get(address).content.decode()
        Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(seconds=90))
        assert 'hx-trigger="every 10s' in browser.get(address).content.decode()
        Order.objects.filter(pk=order.pk).update(state="REJECTED", next_attempt_at=None)
        shown = browser.get(address).content.decode()
        assert "hx-trigger" not in shown
        assert 'http-equiv="refresh"' not in shown

    def test_without_a_script_the_fragment_leads_to_the_page(
        self, browser: Client, order: Order
    ) -> None:
        answer = browser.get(reverse("order_status", args=[order.pk]))
        assert answer.headers["Location"] == reverse("order", args=[order.pk])

    def test_there_is_no_receipt_before_the_fill(self, browser: Client, order: Order) -> None:
        answer = browser.get(reverse("order_receipt", args=[order.pk]))
        assert answer.headers["Location"] == reverse("order", args=[order.pk])

    def test_the_list_comes_in_pages(self, browser: Client, order: Order) -> None:
        for number in range(20):
            order.pk = uuid4()
            order.client_order_id = f"copy-{number}"
            order.placement_key = None
            order.save(force_insert=True)
        assert "Page 1 of 2" in text_of(browser.get(reverse("orders")))
        assert "Page 2 of 2" in text_of(browser.get(reverse("orders"), {"page": "9"}))
