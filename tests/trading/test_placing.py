"""Placing an order: what is stored, and every reason for which nothing is (RAT-002, RAT-013)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User, Wallet
from compliance.models import AuditRow
from kyc.models import Application, DailyLimit
from tests.people import new_user, onboarded, with_limit_used
from tests.quoting import a_quote
from tests.trading.conftest import Untouched
from trading.models import Order
from trading.selectors import order_for, orders_of
from trading.services import OrderRefused, parse_quantity, place_order

pytestmark = pytest.mark.django_db


def buy(user: User, quantity: str = "0.5", **changes: Any) -> Order:
    values = {"quote": a_quote(), "source": "page", "placement_key": None, "now": timezone.now()}
    return place_order(user=user, quantity=Decimal(quantity), **{**values, **changes})


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_an_order_is_stored_pending_and_due_at_once(buyer: User) -> None:
    now = timezone.now()

    order = buy(buyer, "0.123456789", now=now)

    stored = Order.objects.get(pk=order.pk)
    assert (stored.state, stored.next_attempt_at, stored.user) == ("PENDING", now, buyer)
    assert str(stored.quantity) == "0.123456789"
    assert stored.client_order_id == f"buy-{order.pk.hex}"
    assert stored.wallet_address == buyer.wallet.address


def test_the_worst_case_is_reserved_to_the_next_cent(buyer: User) -> None:
    order = buy(buyer, "0.333333333", quote=a_quote(price="200.00"))

    # 0.333333333 × 202.00 (a collar of 1 %) = 67.333333…
    assert (order.limit_price, order.reserved_usd) == (Decimal("202.00"), Decimal("67.34"))
    assert DailyLimit.objects.get().used_usd == Decimal("67.34")


def test_the_placing_is_audited_with_what_was_agreed(buyer: User) -> None:
    order = buy(buyer)

    row = AuditRow.objects.get(action="order.placed")
    assert (row.actor, row.object_type, row.object_id) == (
        f"user:{buyer.pk}",
        "order",
        str(order.pk),
    )
    assert row.evidence == {
        "state": "PENDING",
        "symbol": "AAPL",
        "quantity": "0.5",
        "quote_price": "200",
        "limit_price": "202",
        "reserved_usd": "101",
        "limit_day": order.limit_day.isoformat(),
        "source": "page",
        "wallet": buyer.wallet.address,
    }


def test_the_same_form_again_is_the_same_order(buyer: User) -> None:
    first = buy(buyer, placement_key="form-1")

    assert buy(buyer, "0.7", placement_key="form-1") == first
    assert Order.objects.count() == 1
    assert DailyLimit.objects.get().used_usd == first.reserved_usd


def test_an_order_in_a_closed_market_knows_until_when_it_waits(buyer: User) -> None:
    opening = timezone.now() + timedelta(hours=9)

    order = buy(buyer, quote=a_quote(market_open=False, next_open=opening))

    assert (order.state, order.queued_until) == ("PENDING", opening)


def test_old_market_data_is_no_obstacle_while_the_market_is_closed(buyer: User) -> None:
    friday = timezone.now() - timedelta(days=2)

    order = buy(buyer, quote=a_quote(as_of=friday, market_open=False, next_open=timezone.now()))

    assert order.state == "PENDING"


def assert_refused(code: str, untouched: Untouched, user: User, *args: Any, **changes: Any) -> Any:
    """The order is refused with this code and a message, and nothing has changed anywhere."""
    with untouched(), pytest.raises(OrderRefused) as refusal:
        buy(fresh(user), *args, **changes)
    assert refusal.value.code == code
    assert str(refusal.value.message)
    return refusal.value


def test_nobody_buys_before_onboarding(untouched: Untouched) -> None:
    assert_refused("not_approved", untouched, new_user())


@pytest.mark.parametrize("status", ["PENDING", "REJECTED"])
def test_nobody_buys_without_approval(buyer: User, untouched: Untouched, status: str) -> None:
    Application.objects.filter(user=buyer).update(status=status)

    assert_refused("not_approved", untouched, buyer)


def test_nobody_buys_without_a_wallet(buyer: User, untouched: Untouched) -> None:
    Wallet.objects.filter(user=buyer).delete()

    assert_refused("no_wallet", untouched, buyer)


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.009999999", "quantity_too_small"),
        ("0", "quantity_too_small"),
        ("-1", "quantity_too_small"),
        ("100000.000000001", "quantity_too_large"),
        ("0.1234567891", "quantity_decimals"),
        ("NaN", "quantity_invalid"),
        ("Infinity", "quantity_invalid"),
    ],
)
def test_a_quantity_out_of_bounds_is_refused(
    buyer: User, untouched: Untouched, quantity: str, code: str
) -> None:
    assert_refused(code, untouched, buyer, quantity)


def test_the_smallest_quantity_is_a_hundredth(buyer: User) -> None:
    assert buy(buyer, "0.01").quantity == Decimal("0.01")


def test_less_than_a_dollar_is_below_what_the_broker_takes(
    buyer: User, untouched: Untouched
) -> None:
    assert_refused("below_minimum_value", untouched, buyer, "0.01", quote=a_quote(price="99.99"))
    assert buy(buyer, "0.01", quote=a_quote(price="100.00")).state == "PENDING"


def test_an_expired_quote_buys_nothing(buyer: User, untouched: Untouched) -> None:
    quote = a_quote()

    assert_refused("quote_expired", untouched, buyer, quote=quote, now=quote.expires_at)


def test_stale_market_data_buys_nothing(buyer: User, untouched: Untouched) -> None:
    old = timezone.now() - timedelta(seconds=settings.MARKET_DATA_MAX_AGE_SECONDS + 1)

    assert_refused("market_data_stale", untouched, buyer, quote=a_quote(as_of=old))


@pytest.mark.django_db(transaction=True)
def test_beyond_the_limit_the_refusal_tells_all_figures(buyer: User, untouched: Untouched) -> None:
    with_limit_used(buyer, Decimal("950.00"))

    refusal = assert_refused("limit_exceeded", untouched, buyer)

    figures = dict(refusal.extra)
    reset = datetime.fromisoformat(figures.pop("resets_at"))
    assert timezone.now() < reset <= timezone.now() + timedelta(days=1)
    assert figures == {
        "limit_usd": "1000.00",
        "used_usd": "950.00",
        "left_usd": "50.00",
        "requested_usd": "101.00",
        "zone": "America/Sao_Paulo",
    }
    for figure in ("101.00", "1000.00", "50.00", "950.00"):
        assert figure in str(refusal.message)


@pytest.mark.django_db(transaction=True)
def test_the_limit_may_be_used_to_the_last_cent(buyer: User, untouched: Untouched) -> None:
    with_limit_used(buyer, Decimal("899.00"))

    assert buy(buyer).reserved_usd == Decimal("101.00")
    assert_refused("limit_exceeded", untouched, buyer, "0.01")


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", "0.5"), (" 1.25 ", "1.25"), ("1e-2", "0.01"), ("3", "3")]
)
def test_a_typed_quantity_is_read_exactly(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "half", "0,5", "1.2.3", "0x10", "--1"])
def test_what_is_no_number_is_no_quantity(text: str) -> None:
    with pytest.raises(OrderRefused) as refusal:
        parse_quantity(text)
    assert refusal.value.code == "quantity_invalid"


@given(st.text(max_size=30))
def test_no_text_whatever_gets_past_the_bounds(text: str) -> None:
    try:
        quantity = parse_quantity(text)
    except OrderRefused:
        return
    assert Decimal("0.01") <= quantity <= 100_000
    assert quantity == round(quantity, 9)


def test_strangers_do_not_see_an_order(buyer: User) -> None:
    order, stranger = buy(buyer), onboarded()

    assert order_for(user=buyer, order_id=order.pk) == order
    with pytest.raises(Order.DoesNotExist):
        order_for(user=stranger, order_id=order.pk)
    assert list(orders_of(stranger)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": "0.009999999"},
        {"filled_quantity": "0.6"},
        {"reserved_usd": "-0.01"},
        {"state": "FILLED"},
        {"state": "CUSTODY_CONFIRMED"},
        {"state": "MINTING"},
        {"state": "MINT_CONFIRMED"},
    ],
)
def test_the_database_itself_refuses_an_order_that_cannot_be(
    buyer: User, wrong: dict[str, str]
) -> None:
    order = buy(buyer)

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**wrong)
