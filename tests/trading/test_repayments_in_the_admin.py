"""Officers propose in the back office that an order was paid back, and read there what was."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from compliance.models import Proposal
from tests.people import new_officer
from tests.repaying import approve, repaid, sale_of
from tests.trading.test_repayments import owed
from tests.trading.test_resolutions import an_order
from trading.models import Order
from trading.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer() -> User:
    return new_officer("view_order", "resolve_order")


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def page_of(order: Order, user: User) -> str:
    page = reverse("admin:trading_order_change", args=[order.pk])
    return browser_of(user).get(page).content.decode()


def dialog_of(order: Order) -> str:
    return reverse("admin:trading_order_propose_repayment", args=[order.pk])


def filled_in(**changes: str) -> dict[str, str]:
    return {
        "_form_submitted": "True",
        "amount_usd": "100.00",
        "paid_on": timezone.now().date().isoformat(),
        "payment_reference": "FT-2026/0815",
        "reason": "Seen in the books.",
        **changes,
    }


def test_a_repayment_is_proposed_where_the_order_is(officer: User) -> None:
    order = owed()
    assert dialog_of(order) in page_of(order, officer)

    answer = browser_of(officer).post(dialog_of(order), filled_in(amount_usd="100.5"))

    assert answer.headers["HX-Redirect"] == reverse("admin:trading_order_change", args=[order.pk])
    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("trading.repay_order", str(order.pk))
    assert proposal.payload["amount_usd"] == "100.50"


def test_what_cannot_be_true_is_told_and_not_proposed(officer: User) -> None:
    browser, order = browser_of(officer), owed()

    answer = browser.post(dialog_of(order), filled_in(amount_usd="10"))

    assert "The shares cost 100.00 USD" in answer.text
    assert 'value="10"' in answer.text, "what was typed stays"
    assert not Proposal.objects.exists()


def test_a_form_with_gaps_proposes_nothing(officer: User) -> None:
    answer = browser_of(officer).post(
        dialog_of(owed()), filled_in(payment_reference="", paid_on="x")
    )

    assert answer.status_code == 200
    assert "HX-Redirect" not in answer.headers
    assert not Proposal.objects.exists()


def test_only_what_is_owed_can_be_paid_back(officer: User) -> None:
    for order in (an_order(), an_order(state=State.CANCELLED)):
        assert dialog_of(order) not in page_of(order, officer)
        assert browser_of(officer).post(dialog_of(order), filled_in()).status_code == 403


def test_who_may_not_end_orders_may_not_propose_it() -> None:
    order, looker = owed(), new_officer("view_order")

    assert browser_of(looker).post(dialog_of(order), filled_in()).status_code == 403
    assert not Proposal.objects.exists()


def test_the_order_shows_what_was_paid_and_what_is_kept(officer: User) -> None:
    order, sale = owed(), str(uuid4())
    repaid(order, amount_usd="101")
    sale_of(order, quantity="0.4", sale_order_id=sale)

    page = page_of(order, officer)

    assert "101.00 USD" in page
    assert sale in page
    assert "0.1" in page
    assert dialog_of(order) not in page


def sale_dialog_of(order: Order, name: str = "propose_sale") -> str:
    return reverse(f"admin:trading_order_{name}", args=[order.pk])


def test_a_sale_is_proposed_and_withdrawn_where_the_order_is(officer: User) -> None:
    order, sale = owed(), str(uuid4())
    given = {"_form_submitted": "True", "reason": "Seen.", "sale_order_id": sale}
    assert sale_dialog_of(order) not in page_of(order, officer)
    repaid(order)

    assert sale_dialog_of(order) in page_of(order, officer)
    browser_of(officer).post(
        sale_dialog_of(order), {**given, "quantity": "0.4", "custody_tx_id": str(uuid4())}
    )
    proposal = Proposal.objects.get(kind="trading.record_sale")
    assert (proposal.payload["quantity"], proposal.payload["sale_order_id"]) == ("0.4", sale)
    withdrawal = sale_dialog_of(order, "propose_sale_withdrawal")
    assert withdrawal not in page_of(order, officer)

    approve(proposal)
    assert withdrawal in page_of(order, officer)
    browser_of(officer).post(withdrawal, given)
    asked = Proposal.objects.get(kind="trading.withdraw_sale")
    assert (asked.object_type, asked.object_id) == ("sale", str(proposal.pk))


def test_who_may_not_end_orders_proposes_no_sale() -> None:
    order, looker = owed(), new_officer("view_order")
    repaid(order)
    sale_of(order, quantity="0.4")

    for name in ("propose_sale", "propose_sale_withdrawal"):
        assert browser_of(looker).post(sale_dialog_of(order, name), filled_in()).status_code == 403
