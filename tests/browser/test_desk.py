"""The master's desk in a real browser: it follows by itself, works without a script, and is clean."""

from decimal import Decimal

import pytest
from django.db import transaction
from playwright.sync_api import ViewportSize

from agora.sandbox.client import SandboxControl
from copytrade.models import CopyOrder, MasterOrder, Strategy
from tests.browser.conftest import Visitor, Visitors
from tests.browser.test_accessible import VIEWS, assert_clean, inspect
from tests.copying import Trader, new_subscription
from tests.copytrade.deskwork import advance, limit, place, published

pytestmark = pytest.mark.django_db(transaction=True)


def _at_work(sandbox: SandboxControl) -> tuple[Trader, Strategy, MasterOrder]:
    """A desk with something in every part of it."""
    master, strategy = published(sandbox, name="Calm swing of majors")
    new_subscription(strategy=strategy)
    new_subscription(strategy=strategy)
    advance(place(strategy))
    CopyOrder.objects.filter(rank=1).update(state="SKIPPED", reason="expired", next_attempt_at=None)
    CopyOrder.objects.filter(rank=2).update(state="FILLED", filled=1, next_attempt_at=None)
    resting = advance(limit(strategy))
    advance(place(strategy, symbol="ETH/USDT", quantity=Decimal(4)))  # more than there is money for
    return master, strategy, resting


def _desk(strategy: Strategy, rest: str = "") -> str:
    return f"/copy/strategies/{strategy.pk}/desk/{rest}"


def _fill_ticket(visitor: Visitor, *, amount: str) -> None:
    visitor.page.get_by_label("How much").fill(amount)
    visitor.page.get_by_role("button", name="Review the order").click()


@pytest.mark.parametrize("viewport", VIEWS)
def test_every_page_of_the_desk(
    visitors: Visitors, sandbox: SandboxControl, viewport: ViewportSize
) -> None:
    master, strategy, resting = _at_work(sandbox)
    visitor = visitors(viewport=viewport)
    visitor.sign_in(master.user)
    wrong = {}
    for rest in (
        "",
        "close/?symbol=BTC/USDT&part=50",
        f"orders/{resting.pk}/cancel/",
        f"orders/{resting.pk}/replace/",
    ):
        visitor.open(_desk(strategy, rest))
        wrong[rest] = inspect(visitor)
    visitor.open(_desk(strategy))
    _fill_ticket(visitor, amount="x")
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["with errors"] = inspect(visitor)
    _fill_ticket(visitor, amount="0.01")
    visitor.sees("Review your order")
    wrong["review"] = inspect(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_an_order_is_placed(visitors: Visitors, sandbox: SandboxControl, script: bool) -> None:
    master, strategy = published(sandbox)
    visitor = visitors(script=script)
    visitor.sign_in(master.user)

    visitor.open(_desk(strategy))
    _fill_ticket(visitor, amount="0.01")
    visitor.sees("Review your order")
    visitor.page.get_by_role("button", name="Buy now").click()

    visitor.page.get_by_text("Your order is on its way to the exchange.").wait_for()
    assert MasterOrder.objects.filter(strategy=strategy).count() == 1


def test_the_desk_shows_by_itself_what_became_of_an_order(
    visitors: Visitors, sandbox: SandboxControl
) -> None:
    master, strategy = published(sandbox)
    with transaction.atomic():
        order = place(strategy)
    visitor = visitors()
    visitor.sign_in(master.user)
    visitor.open(_desk(strategy))
    visitor.page.get_by_text("No signal yet").wait_for()

    advance(order)

    visitor.page.get_by_role("cell", name="Open BTC/USDT").wait_for()
    visitor.page.get_by_text("No open order now.").wait_for()
