"""Repayments that are approved in the same instant: each order once, each sale for one order."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from custody.models import CustodyRecord
from tests.people import new_officer, onboarded
from tests.quoting import a_quote
from tests.repaying import propose, propose_sale, repaid
from tests.threads import at_once
from trading.models import Order, Repayment, Sale
from trading.services import place_order
from trading.states import State

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 4


def owed(*, in_custody: bool = False) -> Order:
    now = timezone.now()
    order = place_order(
        user=onboarded(),
        quantity=Decimal("0.5"),
        quote=a_quote(price="200.00"),
        source="page",
        placement_key=None,
        now=now,
    )
    Order.objects.filter(pk=order.pk).update(
        state=State.FAILED,
        next_attempt_at=None,
        broker_order_id=str(uuid4()),
        filled_quantity=Decimal("0.5"),
        filled_avg_price=Decimal(200),
        custody=_receipt(order, now) if in_custody else None,
    )
    return Order.objects.get(pk=order.pk)


def _receipt(order: Order, now: datetime) -> CustodyRecord:
    return CustodyRecord.objects.create(
        reference=order.pk,
        symbol=order.symbol,
        quantity=Decimal("0.5"),
        state=CustodyRecord.State.COMPLETED,
        external_tx_id=order.pk.hex,
        custody_tx_id=str(uuid4()),
        created_at=now,
        completed_at=now,
    )


def approve_at_once(proposals: list[Proposal]) -> list[Proposal | Exception]:
    officers = [new_officer("decide_proposal") for _ in proposals]
    return at_once(
        len(proposals),
        lambda number: four_eyes.approve(
            proposal_id=proposals[number].pk,
            checker=officers[number],
            now=timezone.now() + timedelta(seconds=1),
        ),
    )


@pytest.mark.parametrize("name", ["sale_order_id", "custody_tx_id"])
def test_one_sale_and_one_transfer_are_recorded_for_one_order(name: str) -> None:
    used, orders = str(uuid4()), [owed(in_custody=name == "custody_tx_id") for _ in range(COUNT)]
    for order in orders:
        repaid(order)

    answers = approve_at_once([propose_sale(order, **{name: used}) for order in orders])

    assert Sale.objects.count() == 1
    assert AuditRow.objects.filter(action="order.shares_sold").count() == 1
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == COUNT - 1
    assert {each.code for each in refused} <= {"sale_invalid", "transfer_invalid", "used_meanwhile"}
    assert Proposal.objects.filter(state=Proposal.State.OPEN).count() == COUNT - 1


def test_an_order_is_paid_back_once_however_many_approve() -> None:
    answers = approve_at_once([propose(owed())] * COUNT)

    assert Repayment.objects.count() == 1
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert {each.code for each in refused} == {"decided"}
    assert len(refused) == COUNT - 1
