"""That a buyer was paid back is recorded by two people, once, and only what can be true."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.models import Notice, User
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from custody.models import CustodyRecord
from tests.approvals import approved
from tests.repaying import approve, propose, repaid
from tests.trading.test_resolutions import an_order
from tokens.models import MintTx
from trading.models import Order, Repayment
from trading.selectors import timeline
from trading.states import State

pytestmark = pytest.mark.django_db
COST = Decimal("100.00")  # of 0.5 shares at 200 USD


def owed(*, in_custody: bool = True) -> Order:
    """An order that failed after its shares were bought, and its receipt came into custody or not."""
    order = an_order(state=State.FILLED, asked=False)
    Order.objects.filter(pk=order.pk).update(state=State.FAILED, attention=False)
    MintTx.objects.filter(reference=order.pk).update(state="FAILED", nonce=None)
    record = CustodyRecord.objects.filter(reference=order.pk)
    if in_custody:
        record.update(state="COMPLETED", custody_tx_id=str(uuid4()), completed_at=timezone.now())
    else:
        record.update(state="FAILED")
    return Order.objects.select_related("custody").get(pk=order.pk)


def test_what_was_paid_is_stored_and_takes_two_people() -> None:
    order = owed()
    proposal = propose(order, amount_usd="101.5")
    assert not Repayment.objects.exists()

    approve(proposal)

    paid = Repayment.objects.get()
    assert (paid.order_id, paid.proposal_id) == (order.pk, proposal.pk)
    assert (paid.amount_usd, paid.payment_reference) == (Decimal("101.50"), "FT-2026/0815")
    order.refresh_from_db()
    assert order.state == State.FAILED


def test_the_buyer_is_told_and_sees_it_in_the_order() -> None:
    order = owed()

    repaid(order)

    notice = Notice.objects.get(user=order.user, kind="order_repaid")
    assert "100.00" in notice.text
    assert notice.url == f"/orders/{order.pk}/"
    step = timeline(order)[-1]
    assert (step.key, step.state) == ("repaid", "done")
    assert step.evidence[0].value == "100.00 USD"


def test_the_trail_holds_the_ids_and_who_approved() -> None:
    proposal = propose(owed())

    approve(proposal)

    row = AuditRow.objects.get(action="order.repaid")
    proposal.refresh_from_db()
    assert row.actor == f"user:{proposal.checker_id}"
    assert row.evidence == {**proposal.payload, "proposal": str(proposal.pk)}


def test_a_buyer_whose_account_is_erased_is_not_written_to() -> None:
    order = owed()
    User.objects.filter(pk=order.user_id).update(email=f"{uuid4()}@erased.invalid")

    repaid(order)

    assert not Notice.objects.filter(user=order.user, kind="order_repaid").exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_usd": "0"}, "amount_invalid"),
        ({"amount_usd": "-100"}, "amount_invalid"),
        ({"amount_usd": "99.99"}, "amount_invalid"),
        ({"amount_usd": "1000.01"}, "amount_invalid"),
        ({"amount_usd": "100.001"}, "amount_invalid"),
        ({"amount_usd": "NaN"}, "amount_invalid"),
        ({"amount_usd": "9e999999"}, "amount_invalid"),
        ({"amount_usd": "much"}, "amount_invalid"),
        ({"paid_on": "9999-12-31"}, "date_invalid"),
        ({"paid_on": "2020-01-01"}, "date_invalid"),
        ({"payment_reference": ""}, "reference_invalid"),
        ({"payment_reference": "To: buyer@example.org"}, "reference_invalid"),
        ({"payment_reference": "x" * 65}, "reference_invalid"),
    ],
)
def test_what_cannot_be_true_is_refused(changes: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        propose(owed(), **changes)

    assert refused.value.code == code
    assert not Proposal.objects.exists()


def test_shares_that_cost_less_than_a_cent_are_paid_back_with_at_least_one() -> None:
    order = owed()
    Order.objects.filter(pk=order.pk).update(filled_quantity=Decimal("0.000000001"))
    order.refresh_from_db()

    with pytest.raises(Refused, match=r"The shares cost 0\.01 USD"):
        propose(order, amount_usd="0.00")

    repaid(order, amount_usd="0.01")
    assert Repayment.objects.get().amount_usd == Decimal("0.01")


def test_the_payment_is_not_before_the_order_nor_after_today() -> None:
    order = owed()
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(days=3))
    order.refresh_from_db()
    day = timezone.now().date()

    propose(order, paid_on=(day - timedelta(days=3)).isoformat())
    for wrong in (day - timedelta(days=4), day + timedelta(days=1)):
        with pytest.raises(Refused, match="future, or before the order"):
            propose(order, paid_on=wrong.isoformat())


@pytest.mark.parametrize("state", sorted(set(State) - {State.FAILED}))
def test_only_an_order_that_failed_is_paid_back(state: str) -> None:
    with pytest.raises(Refused, match="failed after its shares were bought"):
        propose(an_order(state=state))


def test_a_failed_order_that_bought_nothing_is_not_paid_back() -> None:
    order = owed()
    Order.objects.filter(pk=order.pk).update(filled_quantity=0)

    with pytest.raises(Refused, match="failed after its shares were bought"):
        propose(order)


def test_an_order_is_paid_back_once() -> None:
    order = owed()
    repaid(order)

    with pytest.raises(Refused, match="recorded already"):
        propose(order)


def test_nobody_records_their_own_repayment() -> None:
    order = owed()
    buyer = order.user
    buyer.user_permissions.set(
        Permission.objects.filter(codename__in=["resolve_order", "decide_proposal"])
    )

    with pytest.raises(Proposal.DoesNotExist):
        four_eyes.approve(
            proposal_id=propose(order).pk,
            checker=User.objects.get(pk=buyer.pk),
            now=timezone.now(),
        )


def test_the_second_person_reads_what_is_vouched_for() -> None:
    order = owed()

    lines = dict(four_eyes.lines_of(propose(order)))

    told = {str(label): str(value) for label, value in lines.items()}
    assert told["The shares cost"] == f"{COST} USD"
    assert told["Paid back"].startswith("100.00 USD")
    assert "cannot be taken back" in told["What you vouch for"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trading_repayment SET amount_usd = 1",
        "DELETE FROM trading_repayment",
        "TRUNCATE trading_repayment",
    ],
)
def test_what_was_recorded_does_not_change(statement: str) -> None:
    repaid(owed())

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert Repayment.objects.get().amount_usd == COST


def test_nothing_is_recorded_without_its_approved_decision() -> None:
    order, other = owed(), owed()
    waiting = propose(order).pk
    elsewhere = approved(kind="trading.repay_order", object_type="order", object_id=other.pk)

    for proposal_id in (uuid4(), waiting, elsewhere):
        with (
            pytest.raises(DatabaseError, match="needs the approved decision"),
            transaction.atomic(),
        ):
            Repayment.objects.create(
                order=order,
                proposal_id=proposal_id,
                amount_usd=COST,
                paid_on=timezone.now().date(),
                payment_reference="FT-1",
                recorded_at=timezone.now(),
            )
