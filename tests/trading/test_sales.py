"""Sales of shares that Agora kept: by two people, each once, never more than there are, and mendable."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from custody.models import CustodyRecord
from tests.approvals import approved
from tests.repaying import approve, propose_sale, propose_withdrawal, repaid, sale_of
from tests.trading.test_repayments import owed
from trading.models import Order, Sale, SaleWithdrawal
from trading.sales import kept

pytestmark = pytest.mark.django_db
HALF = Decimal("0.5")


def a_repaid(*, in_custody: bool = True) -> Order:
    order = owed(in_custody=in_custody)
    repaid(order)
    return order


def test_a_sale_is_stored_as_the_vendors_write_it_and_takes_two_people() -> None:
    order, sale, out = a_repaid(), str(uuid4()), str(uuid4())
    proposal = propose_sale(
        order, sale_order_id=f" {sale.upper()} ", custody_tx_id=f" {out.upper()} "
    )
    assert (Sale.objects.count(), kept(order)) == (0, HALF)

    approve(proposal)

    stored = Sale.objects.get()
    assert (stored.repayment_id, stored.proposal_id) == (order.pk, proposal.pk)
    assert (stored.quantity, stored.sale_order_id, stored.custody_tx_id) == (HALF, sale, out)
    assert kept(order) == 0


def test_the_trail_holds_the_ids_and_who_approved() -> None:
    order, sale = a_repaid(), str(uuid4())
    proposal = propose_sale(order, sale_order_id=sale)
    approve(proposal)
    withdrawal = propose_withdrawal(order, sale)
    approve(withdrawal)

    rows = AuditRow.objects.filter(object_id=str(order.pk))
    for made, action in ((proposal, "shares_sold"), (withdrawal, "sale_withdrawn")):
        made.refresh_from_db()
        row = rows.get(action=f"order.{action}")
        assert row.actor == f"user:{made.checker_id}"
        assert row.evidence == {**made.payload, "proposal": str(made.pk)}


def test_kept_shares_are_sold_bit_by_bit_and_no_more_than_there_are() -> None:
    order = a_repaid()
    sale_of(order, quantity="0.2")
    sale_of(order, quantity="0.2")
    assert kept(order) == Decimal("0.1")

    with pytest.raises(Refused, match=r"at most the 0\.1 shares"):
        propose_sale(order, quantity="0.100000001")

    sale_of(order, quantity="0.1")
    assert kept(order) == 0


def test_what_is_owed_still_is_nobodys_to_sell() -> None:
    with pytest.raises(Refused, match="Record first that the buyer was paid back"):
        propose_sale(owed())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0"}, "sold_invalid"),
        ({"quantity": "-0.1"}, "sold_invalid"),
        ({"quantity": "0.500000001"}, "sold_invalid"),
        ({"quantity": "0.0000000001"}, "sold_invalid"),
        ({"quantity": "all"}, "sold_invalid"),
        ({"sale_order_id": ""}, "sale_invalid"),
        ({"sale_order_id": "sold"}, "sale_invalid"),
        ({"custody_tx_id": ""}, "transfer_invalid"),
        ({"custody_tx_id": "a b"}, "transfer_invalid"),
    ],
)
def test_what_cannot_be_true_is_refused(changes: dict[str, str], code: str) -> None:
    order = a_repaid()

    with pytest.raises(Refused) as refused:
        propose_sale(order, **changes)

    assert refused.value.code == code
    assert not Proposal.objects.filter(kind="trading.record_sale").exists()


def test_a_receipt_on_its_way_into_custody_has_to_come_out_again() -> None:
    order = a_repaid()
    CustodyRecord.objects.filter(reference=order.pk).update(state="PENDING", completed_at=None)

    with pytest.raises(Refused, match="enter the custodian's id"):
        propose_sale(order, custody_tx_id="")


def test_what_never_came_into_custody_needs_no_transfer() -> None:
    order = a_repaid(in_custody=False)
    with pytest.raises(Refused, match="leave the transfer's id empty"):
        propose_sale(order, custody_tx_id=str(uuid4()))

    sale_of(order, custody_tx_id="")

    assert Sale.objects.get().custody_tx_id is None


@pytest.mark.parametrize(
    ("name", "message"),
    [("sale_order_id", "is recorded here already"), ("custody_tx_id", "is recorded here already")],
)
def test_a_sale_and_a_transfer_are_recorded_once(name: str, message: str) -> None:
    used, order = str(uuid4()), a_repaid()
    first = propose_sale(a_repaid(), **{name: used})
    second = propose_sale(order, **{name: used.upper()})
    approve(first)

    with pytest.raises(Refused, match=message):
        approve(second)
    third = a_repaid().pk
    with pytest.raises(IntegrityError, match="recorded already"), transaction.atomic():
        Sale.objects.create(
            proposal_id=approved(kind="trading.record_sale", object_type="order", object_id=third),
            repayment_id=third,
            **{"quantity": HALF, "sale_order_id": str(uuid4()), name: used},
            recorded_at=timezone.now(),
        )

    assert Sale.objects.count() == 1


def test_ids_of_what_was_bought_are_no_ids_of_what_was_sold() -> None:
    order, other = a_repaid(), owed()
    assert other.custody is not None

    with pytest.raises(Refused, match="recorded here already"):
        propose_sale(order, sale_order_id=str(other.broker_order_id))
    with pytest.raises(Refused, match="recorded here already"):
        propose_sale(order, custody_tx_id=str(other.custody.custody_tx_id))


def test_a_withdrawn_sale_counts_no_more_and_can_be_recorded_anew() -> None:
    order, sale, out = a_repaid(), str(uuid4()), str(uuid4())
    sale_of(order, quantity="0.2", sale_order_id=sale, custody_tx_id=out)

    approve(propose_withdrawal(order, sale.upper()))

    assert kept(order) == HALF
    sale_of(order, quantity="0.25", sale_order_id=sale, custody_tx_id=out)
    assert kept(order) == Decimal("0.25")
    assert Sale.objects.count() == 2


def test_only_what_is_recorded_for_the_order_is_withdrawn() -> None:
    order, other, sale = a_repaid(), a_repaid(), str(uuid4())
    sale_of(order, sale_order_id=sale)

    for named, wrong in ((other, sale), (order, str(uuid4()))):
        with pytest.raises(Refused, match="No such sale"):
            propose_withdrawal(named, wrong)
    approve(propose_withdrawal(order, sale))
    with pytest.raises(Refused, match="No such sale"):
        propose_withdrawal(order, sale)

    assert SaleWithdrawal.objects.count() == 1


def test_a_withdrawal_is_about_the_buyer_too() -> None:
    order, sale = a_repaid(), str(uuid4())
    sale_of(order, sale_order_id=sale)

    assert propose_withdrawal(order, sale).subject_id == order.user_id


def test_the_second_person_reads_what_is_vouched_for() -> None:
    order, sale = a_repaid(), str(uuid4())

    lines = dict(four_eyes.lines_of(propose_sale(order, quantity="0.4", sale_order_id=sale)))

    told = {str(label): str(value) for label, value in lines.items()}
    assert (told["Shares kept by Agora"], told["Shares sold"]) == ("0.5", "0.4")
    assert told["Broker's id of the sale"] == sale


@pytest.mark.parametrize("table", ["trading_sale", "trading_salewithdrawal"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET proposal_id = proposal_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"],
)
def test_what_was_recorded_does_not_change(statement: str, table: str) -> None:
    order, sale = a_repaid(), str(uuid4())
    sale_of(order, sale_order_id=sale)
    approve(propose_withdrawal(order, sale))

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))

    assert (Sale.objects.count(), SaleWithdrawal.objects.count()) == (1, 1)


def test_nothing_is_recorded_without_its_approved_decision() -> None:
    order, other, now = a_repaid(), a_repaid(), timezone.now()
    sale_of(other)
    sale = Sale.objects.get()
    elsewhere = approved(kind="trading.record_sale", object_type="order", object_id=other.pk)

    def sell(proposal_id: UUID) -> None:
        Sale.objects.create(
            proposal_id=proposal_id,
            repayment_id=order.pk,
            quantity=HALF,
            sale_order_id=str(uuid4()),
            recorded_at=now,
        )

    def withdraw(proposal_id: UUID) -> None:
        SaleWithdrawal.objects.create(sale=sale, proposal_id=proposal_id, withdrawn_at=now)

    for store in (sell, withdraw):
        for proposal_id in (uuid4(), elsewhere):
            with (
                pytest.raises(DatabaseError, match="needs the approved decision"),
                transaction.atomic(),
            ):
                store(proposal_id)
