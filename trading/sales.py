"""What becomes of shares that Agora kept once their buyer was paid back: their sales, by two people.

The proof of reserve counts what was not sold as kept, and knows each sale and transfer by the vendors'
ids. Nothing is asked of the vendors here: each snapshot compares with their lists. A record that was
wrong is withdrawn by two people, and may then be made anew (RAT-003).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext_lazy as _
from psycopg.errors import UniqueViolation

from accounts.models import User
from agora.lib.catalog import Text
from agora.lib.money import SHARE_DECIMALS, plain
from compliance import audit, four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from custody.models import CustodyRecord
from trading.decisions import buyer_of, locked_order
from trading.models import Order, Repayment, Sale, SaleWithdrawal
from trading.repayments import number

RECORD = "trading.record_sale"
WITHDRAW = "trading.withdraw_sale"
_TRANSFER = re.compile(r"[A-Za-z0-9-]{1,64}")


def recorded_sales() -> QuerySet[Sale]:
    """The sales that were not withdrawn."""
    return Sale.objects.filter(withdrawal=None)


def kept(order: Order) -> Decimal:
    """Shares of a repaid order that were not sold."""
    sold = recorded_sales().filter(repayment=order.pk).aggregate(all=Sum("quantity"))["all"]
    return order.filled_quantity - (sold or Decimal(0))


def propose_sale(
    *,
    order: Order,
    quantity: str,
    sale_order_id: str,
    custody_tx_id: str,
    reason: str,
    maker: User,
    now: datetime,
) -> Proposal:
    """Propose to record that shares of a repaid order were sold at the broker.

    `sale_order_id` is the broker's id of the sale, `custody_tx_id` the custodian's id of the transfer
    that took their receipts out; empty where there were none. Raises PermissionDenied, or
    four_eyes.Refused. Locks the buyer's counter and the order.
    """
    return four_eyes.propose(
        kind=RECORD,
        object_type="order",
        object_id=order.pk,
        payload={
            "quantity": plain(_quantity(quantity)),
            "sale_order_id": _sale_id(sale_order_id.strip()),
            "custody_tx_id": _transfer_id(custody_tx_id.strip()),
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def propose_withdrawal(
    *, order: Order, sale_order_id: str, reason: str, maker: User, now: datetime
) -> Proposal:
    """Propose that the record of a sale counts no more, as an id or the quantity was wrong.

    `sale_order_id` is the broker's id as it was recorded. Raises PermissionDenied, or four_eyes.Refused.
    """
    found = recorded_sales().filter(repayment=order.pk, sale_order_id=sale_order_id.strip().lower())
    sale = found.first()
    if sale is None:
        raise Refused("sale_invalid", _("No such sale is recorded for this order."))
    return four_eyes.propose(
        kind=WITHDRAW,
        object_type="sale",
        object_id=sale.pk,
        payload={"order": str(order.pk), "sale_order_id": sale.sale_order_id},
        reason=reason,
        maker=maker,
        now=now,
    )


def _quantity(text: str) -> Decimal:
    return number(
        text,
        Decimal(1).scaleb(-SHARE_DECIMALS),
        "sold_invalid",
        _("Enter the number of shares that were sold, such as 0.5."),
    )


def _sale_id(text: str) -> str:
    """The id as the broker writes it: a UUID in small letters; raises Refused."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise Refused("sale_invalid", _("The broker's order id is a UUID.")) from error


def _transfer_id(text: str) -> str:
    """The id as the custodian writes it: a UUID in small letters, anything else as it is."""
    try:
        UUID(text)
    except ValueError:
        return text
    return text.lower()


def _check(proposal: Proposal) -> None:
    order, told = locked_order(proposal), proposal.payload
    if not Repayment.objects.filter(order=order).exists():
        raise Refused(
            "not_repaid",
            _("Record first that the buyer was paid back: until then the shares are theirs."),
        )
    left = kept(order)
    if not 0 < Decimal(told["quantity"]) <= left:
        raise Refused(
            "sold_invalid",
            _("More than nothing was sold, and at most the %(kept)s shares that are kept.")
            % {"kept": plain(left)},
        )
    sale = told["sale_order_id"]
    used = Order.objects.filter(broker_order_id=sale).exists()
    if used or recorded_sales().filter(sale_order_id=sale).exists():
        raise Refused("sale_invalid", _("This order at the broker is recorded here already."))
    _check_transfer(order, told["custody_tx_id"])


def _check_transfer(order: Order, transfer: str) -> None:
    # A transfer that was sent counts as one that arrived: of a failed order nobody notes its end.
    there = CustodyRecord.objects.filter(reference=order.pk, custody_tx_id__isnull=False)
    there = there.exclude(state=CustodyRecord.State.FAILED)
    if bool(transfer) != there.exists():
        raise Refused(
            "transfer_invalid",
            _("No receipts had to leave custody for this order: leave the transfer's id empty.")
            if transfer
            else _(
                "Receipts of the shares are in custody: enter the custodian's id of the transfer that "
                "took those of the sold shares out."
            ),
        )
    used = CustodyRecord.objects.filter(custody_tx_id=transfer).exists()
    used = used or recorded_sales().filter(custody_tx_id=transfer).exists()
    if transfer and (used or not _TRANSFER.fullmatch(transfer)):
        raise Refused(
            "transfer_invalid",
            _("This is no id of the custodian's, or it is recorded here already."),
        )


def _record(proposal: Proposal, now: datetime) -> None:
    told = proposal.payload
    try:
        with transaction.atomic():
            Sale.objects.create(
                proposal_id=proposal.pk,
                repayment_id=UUID(proposal.object_id),
                quantity=Decimal(told["quantity"]),
                sale_order_id=told["sale_order_id"],
                custody_tx_id=told["custody_tx_id"] or None,
                recorded_at=now,
            )
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        # Two orders, approved in the same instant.
        raise Refused(
            "used_meanwhile", _("The sale or the transfer was just recorded for another order.")
        ) from error
    _note(proposal, "order.shares_sold", proposal.object_id, now)


def _note(proposal: Proposal, action: str, order_id: str, now: datetime) -> None:
    evidence: Mapping[str, object] = {**proposal.payload, "proposal": str(proposal.pk)}
    audit.record(
        actor=f"user:{proposal.checker_id}",
        action=action,
        object_type="order",
        object_id=order_id,
        evidence=evidence,
        now=now,
    )


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    order = Order.objects.filter(pk=UUID(proposal.object_id)).first()
    if order is None:
        return []
    told = proposal.payload
    return [
        (_("Order"), f"{plain(order.filled_quantity)} {order.symbol}"),
        (_("Shares kept by Agora"), plain(kept(order))),
        (_("Shares sold"), told["quantity"]),
        (_("Broker's id of the sale"), told["sale_order_id"]),
        (_("Custodian's id of the transfer"), told["custody_tx_id"] or "–"),
        (_("What you vouch for"), _("the vendors' books show this sale and transfer")),
    ]


def _check_withdrawal(proposal: Proposal) -> None:
    if not recorded_sales().filter(pk=UUID(proposal.object_id)).exists():
        raise Refused("withdrawn", _("This sale is withdrawn already."))


def _withdraw(proposal: Proposal, now: datetime) -> None:
    SaleWithdrawal.objects.create(
        sale_id=UUID(proposal.object_id), proposal_id=proposal.pk, withdrawn_at=now
    )
    _note(proposal, "order.sale_withdrawn", proposal.payload["order"], now)


def _withdrawal_lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    sale = Sale.objects.filter(pk=UUID(proposal.object_id)).first()
    if sale is None:
        return []
    return [
        (_("Order"), str(sale.repayment_id)),
        (_("Shares sold"), plain(sale.quantity)),
        (_("Broker's id of the sale"), sale.sale_order_id),
        (_("Custodian's id of the transfer"), sale.custody_tx_id or "–"),
        (_("What you vouch for"), _("this record is wrong: the shares count as kept again")),
    ]


def _buyer_of_sale(proposal: Proposal) -> UUID | None:
    found = Sale.objects.filter(pk=UUID(proposal.object_id))
    return found.values_list("repayment__order__user_id", flat=True).first()


KINDS = [
    Kind(
        name=RECORD,
        title=_("Sale of kept shares"),
        maker_permission="trading.resolve_order",
        check=_check,
        effect=_record,
        lines=_lines,
        subject=buyer_of,
    ),
    Kind(
        name=WITHDRAW,
        title=_("Withdrawal of a sale"),
        maker_permission="trading.resolve_order",
        check=_check_withdrawal,
        effect=_withdraw,
        lines=_withdrawal_lines,
        subject=_buyer_of_sale,
    ),
]
