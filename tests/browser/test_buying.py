"""From sign-up to minted tokens as a person does it, with and without JavaScript."""

import re

from django.core import mail
from pytest_django import Settings

from accounts.models import User
from agora.sandbox.client import SandboxControl
from tests.browser.conftest import PHONE, Visitor, Visitors
from tests.conftest import Chain
from tests.people import a_cpf, an_address, onboarded
from tests.settling import place, settle
from trading.models import Order

PASSWORD = "a-long-pass-phrase-7"


def sign_up(visitor: Visitor, *, email: str) -> None:
    """Create an account, follow the link in the mail and sign in."""
    page = visitor.open("/account/signup/")
    page.locator("#id_email").fill(email)
    page.locator("#id_password1").fill(PASSWORD)
    page.locator("#id_password2").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Create account").click()
    visitor.sees("Check your e-mail")
    link = re.search(r"https?://\S+/account/confirm-email/\S+", str(mail.outbox[-1].body))
    assert link is not None
    visitor.open("/account/confirm-email/" + link.group().rstrip("/").rpartition("/")[2] + "/")
    page.get_by_role("button", name="Yes, confirm it").click()
    if "/account/login/" in page.url:
        page.locator("#id_login").fill(email)
        page.locator("#id_password").fill(PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    visitor.sees("Dashboard")


def onboard(visitor: Visitor, *, number: int) -> None:
    """Fill in the onboarding form, first wrongly, then rightly."""
    page = visitor.open("/onboarding/")
    page.get_by_role("radio", name="Brazil").check()
    page.get_by_role("textbox", name="Full name").fill("Maria da Silva")
    page.get_by_role("textbox", name="Wallet address").fill(an_address(number))
    page.locator("#id_tax_id").fill("111.111.111-11")
    page.get_by_role("button", name="Send and continue").click()
    page.get_by_text("eleven equal digits").wait_for()
    page.locator("#id_tax_id").fill(a_cpf(number))
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Send and continue").click()
    visitor.sees("Buy AAPL-RAT")


def buy(visitor: Visitor, *, quantity: str) -> Order:
    """Buy through review; the order that came of it."""
    page = visitor.open("/buy/")
    page.locator("#id_quantity").fill(quantity)
    page.get_by_role("button", name="Review the order").click()
    visitor.sees("Review your order")
    page.get_by_role("button", name="Buy AAPL-RAT").click()
    visitor.sees(f"Order of {quantity} AAPL")
    return Order.objects.get(pk=page.url.rstrip("/").rpartition("/")[2])


def polls_of(visitor: Visitor) -> int:
    return sum(url.endswith("/status/") for url in visitor.requests)


def test_a_newcomer_signs_up_buys_and_watches_the_tokens_minted(
    visitors: Visitors, chain: Chain
) -> None:
    visitor = visitors(viewport=PHONE)
    sign_up(visitor, email="maria@example.com")
    onboard(visitor, number=700_701)
    order = buy(visitor, quantity="0.5")
    page = visitor.page

    page.get_by_role("heading", name="Order Processing").wait_for()
    settle(order, chain=chain)
    visitor.sees("Tokens Minted!")  # without a reload

    hash_shown = page.locator("dd .mono", has_text="0x").last.inner_text()
    order.refresh_from_db()
    assert order.mint is not None
    assert hash_shown == order.mint.tx_hash
    page.get_by_role("link", name="See your balance").click()
    assert (
        page.locator("section", has_text="Your AAPL-RAT balance")
        .locator(".money")
        .first.inner_text()
        == "0.5"
    )
    assert User.objects.filter(email="maria@example.com").exists()


def test_polling_is_cheap_and_ends_by_itself(visitors: Visitors, chain: Chain) -> None:
    user = onboarded()
    order = place(user)
    visitor = visitors()
    visitor.sign_in(user)
    answers: list[int] = []
    visitor.page.on(
        "response",
        lambda answer: answers.append(answer.status) if answer.url.endswith("/status/") else None,
    )
    visitor.open(f"/orders/{order.pk}/")
    while polls_of(visitor) < 2:
        visitor.page.wait_for_timeout(100)
    assert set(answers) == {304}

    settle(order, chain=chain)
    visitor.sees("Tokens Minted!")
    polled = polls_of(visitor)
    visitor.page.wait_for_timeout(4_500)
    assert polls_of(visitor) == polled


def test_everything_works_without_javascript(visitors: Visitors, chain: Chain) -> None:
    visitor = visitors(script=False)
    sign_up(visitor, email="joana@example.com")
    onboard(visitor, number=700_702)
    order = buy(visitor, quantity="0.25")
    assert 'http-equiv="refresh"' in visitor.page.content()
    settle(order, chain=chain)
    visitor.page.reload()
    visitor.sees("Tokens Minted!")
    assert 'http-equiv="refresh"' not in visitor.page.content()

    visitor.page.get_by_role("link", name="Receipt").click()
    visitor.sees("Receipt")
    assert "Maria da Silva" in visitor.page.content()


def test_an_order_that_waits_for_the_market_is_cancelled_in_a_dialog(
    visitors: Visitors, sandbox: SandboxControl
) -> None:
    user = onboarded()
    sandbox.market(mode="closed")
    visitor = visitors()
    visitor.sign_in(user)
    page = visitor.open("/buy/")
    page.get_by_text("The market is closed").first.wait_for()
    order = buy(visitor, quantity="0.1")
    visitor.sees("Waiting for the market to open")

    page.get_by_role("link", name="Cancel the order").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep the order").click()
    order.refresh_from_db()
    assert order.state == "PENDING"
    page.get_by_role("link", name="Cancel the order").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()
    visitor.sees("Order cancelled")
    order.refresh_from_db()
    assert order.state == "CANCELLED"
    assert sandbox.orders() == [] or all(
        found["client_order_id"] != order.client_order_id for found in sandbox.orders()
    )


def test_a_price_that_has_run_out_cannot_be_ordered_at(
    visitors: Visitors, settings: Settings
) -> None:
    settings.QUOTE_SECONDS = 3
    user = onboarded()
    visitor = visitors()
    visitor.sign_in(user)
    page = visitor.open("/buy/")
    page.get_by_role("button", name="Review the order").click()
    visitor.sees("Review your order")
    page.locator("#price-expired").get_by_text("The price has expired").wait_for()
    assert page.get_by_role("button", name="Buy AAPL-RAT").is_disabled()
    # Whoever sends the form all the same is refused by the server, whose second ends a little later.
    page.wait_for_timeout(1_100)
    page.locator("#place-order").evaluate("(button) => button.removeAttribute('disabled')")
    page.locator("#place-order").click()
    page.get_by_text("The order was not placed").wait_for()
    assert not Order.objects.filter(user=user).exists()


def test_the_estimate_follows_what_is_typed(visitors: Visitors, sandbox: SandboxControl) -> None:
    sandbox.market(price="200.00")
    user = onboarded()
    visitor = visitors()
    visitor.sign_in(user)
    page = visitor.open("/buy/")
    estimate = page.locator("#estimate")
    page.locator("#id_quantity").fill("2")
    estimate.get_by_text("$40").first.wait_for()
    page.locator("#id_quantity").fill("50")
    estimate.get_by_text("more than is left of your daily limit").wait_for()
    page.locator("#id_quantity").fill("0.001")
    estimate.get_by_text("The smallest order is 0.01").wait_for()
    sandbox.market(price=None)
