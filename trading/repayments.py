"""How the books learn that a buyer was paid back in money: recorded by two people (RAT-003).

An order that failed after its shares were bought is owed back in money, outside Agora. Until that is
recorded here, the proof of reserve counts its shares as owed. Then it counts only what was not sold,
as kept by Agora, and knows the sale and the transfer by the vendors' ids. Nothing is asked of the
vendors here: each snapshot compares with their lists.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop
from psycopg.errors import UniqueViolation

from accounts.erasure import is_erased
from accounts.models import Notice, User
from accounts.notices import notify
from agora.lib.catalog import Text
from agora.lib.money import CENT, SHARE_DECIMALS, plain, to_cents
from compliance import audit, four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from custody.models import CustodyRecord
from trading.decisions import buyer_of, locked_order
from trading.models import Order, Repayment
from trading.states import State

REPAY = "trading.repay_order"
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_TRANSFER = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOST_OF_COST = 10  # shares gain; a slip of the decimal point is more


def propose_repayment(
    *,
    order: Order,
    amount_usd: str,
    paid_on: date,
    payment_reference: str,
    sold_quantity: str,
    sale_order_id: str,
    custody_tx_id: str,
    reason: str,
    maker: User,
    now: datetime,
) -> Proposal:
    """Propose to record that the buyer of a failed order was paid back.

    `payment_reference` is the payment's own number, nothing personal. `sale_order_id` is the broker's
    id of the order that sold `sold_quantity` of the shares, `custody_tx_id` the custodian's id of the
    transfer that took their receipts out; empty where there was none. Raises PermissionDenied, or
    four_eyes.Refused. Locks the buyer's counter and the order.
    """
    return four_eyes.propose(
        kind=REPAY,
        object_type="order",
        object_id=order.pk,
        payload={
            "amount_usd": f"{_amount(amount_usd):.2f}",
            "paid_on": paid_on.isoformat(),
            "payment_reference": payment_reference.strip(),
            "sold_quantity": plain(_quantity(sold_quantity)),
            "sale_order_id": _sale_id(sale_order_id.strip()),
            "custody_tx_id": custody_tx_id.strip(),
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def _amount(text: str) -> Decimal:
    return _number(
        text,
        CENT,
        "amount_invalid",
        _("Enter an amount in USD with a decimal point, such as 80.00."),
    )


def _quantity(text: str) -> Decimal:
    return _number(
        text,
        Decimal(1).scaleb(-SHARE_DECIMALS),
        "sold_invalid",
        _("Enter the number of shares that were sold, such as 0.5; 0 if Agora keeps them."),
    )


def _number(text: str, step: Decimal, code: str, message: Text) -> Decimal:
    """A number of whole steps, not negative, and small enough for its column; raises Refused."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise Refused(code, message) from error
    if not value.is_finite() or not 0 <= value < 10**9 or value != value.quantize(step):
        raise Refused(code, message)
    return abs(value)  # -0


def _sale_id(text: str) -> str:
    """The id as the broker writes it: a UUID in small letters; raises Refused."""
    try:
        return str(UUID(text)) if text else ""
    except ValueError as error:
        raise Refused("sale_invalid", _("The broker's order id is a UUID.")) from error


def _check(proposal: Proposal) -> None:
    order = locked_order(proposal)
    if order.state != State.FAILED or not order.filled_quantity:
        raise Refused(
            "not_owed", _("Only an order that failed after its shares were bought is paid back.")
        )
    if Repayment.objects.filter(order=order).exists():
        raise Refused("repaid", _("It is recorded already that this order was paid back."))
    _check_payment(order, proposal)
    _check_sale(order, proposal.payload)
    _check_transfer(order, proposal.payload)


def _check_payment(order: Order, proposal: Proposal) -> None:
    told, cost = proposal.payload, max(_cost(order), CENT)
    if not cost <= Decimal(told["amount_usd"]) <= _MOST_OF_COST * cost:
        raise Refused(
            "amount_invalid",
            _(
                "The shares cost %(cost)s USD: the buyer gets that back, at most %(times)s times as much."
            )
            % {"cost": cost, "times": _MOST_OF_COST},
        )
    day = date.fromisoformat(told["paid_on"])
    if not order.created_at.date() <= day <= proposal.proposed_at.date():
        raise Refused(
            "date_invalid", _("The day of the payment lies in the future, or before the order.")
        )
    if not _REFERENCE.fullmatch(told["payment_reference"]):
        raise Refused(
            "reference_invalid",
            _(
                "Enter the payment's own number: letters, digits and . _ / -, at most 64. "
                "No name, no account number."
            ),
        )


def _cost(order: Order) -> Decimal:
    """What the shares cost, in USD: what the order counted against the daily limit."""
    return to_cents(order.filled_quantity * (order.filled_avg_price or Decimal(0)))


def _check_sale(order: Order, told: Mapping[str, str]) -> None:
    sold, sale = Decimal(told["sold_quantity"]), told["sale_order_id"]
    if sold > order.filled_quantity:
        raise Refused(
            "sold_invalid",
            _("Only %(bought)s shares were bought for this order.")
            % {"bought": plain(order.filled_quantity)},
        )
    if bool(sold) != bool(sale):
        raise Refused(
            "sale_invalid",
            _(
                "Enter the broker's id of the sale if shares were sold, and none if Agora keeps all."
            ),
        )
    used = Order.objects.filter(broker_order_id=sale).exists()
    if sale and (used or Repayment.objects.filter(sale_order_id=sale).exists()):
        raise Refused("sale_invalid", _("This order at the broker belongs to another one here."))


def _check_transfer(order: Order, told: Mapping[str, str]) -> None:
    sold, transfer = Decimal(told["sold_quantity"]), told["custody_tx_id"]
    record = CustodyRecord.objects.filter(reference=order.pk).exclude(
        state=CustodyRecord.State.FAILED
    )
    # A transfer that was sent counts, too: of an order that failed nobody notes its end.
    if sold and not transfer and record.exclude(custody_tx_id=None).exists():
        raise Refused(
            "transfer_invalid",
            _(
                "Receipts of the shares are in custody: enter the custodian's id of the transfer that "
                "took those of the sold shares out."
            ),
        )
    if not transfer:
        return
    if not sold or not record.exists():
        raise Refused(
            "transfer_invalid",
            _("No receipts had to leave custody for this order: leave the transfer's id empty."),
        )
    used = CustodyRecord.objects.filter(custody_tx_id=transfer).exists()
    used = used or Repayment.objects.filter(custody_tx_id=transfer).exists()
    if used or not _TRANSFER.fullmatch(transfer):
        raise Refused(
            "transfer_invalid",
            _("This is no id of the custodian's, or it belongs to another order."),
        )


def _record(proposal: Proposal, now: datetime) -> None:
    order, told = locked_order(proposal), proposal.payload
    try:
        with transaction.atomic():
            Repayment.objects.create(
                order=order,
                proposal_id=proposal.pk,
                amount_usd=Decimal(told["amount_usd"]),
                paid_on=date.fromisoformat(told["paid_on"]),
                payment_reference=told["payment_reference"],
                sold_quantity=Decimal(told["sold_quantity"]),
                sale_order_id=told["sale_order_id"] or None,
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
    audit.record(
        actor=f"user:{proposal.checker_id}",
        action="order.repaid",
        object_type="order",
        object_id=str(order.pk),
        evidence={**told, "proposal": str(proposal.pk)},
        now=now,
    )
    if not is_erased(order.user):
        _tell(order, told, now)


def _tell(order: Order, told: Mapping[str, str], now: datetime) -> None:
    notify(
        user=order.user,
        kind="order_repaid",
        level=Notice.Level.INFO,
        subject=gettext_noop("You were paid back for your order of %(quantity)s %(symbol)s"),
        body=gettext_noop("%(amount)s USD were sent to you on %(day)s, as payment %(reference)s."),
        params={
            "quantity": plain(order.quantity),
            "symbol": order.symbol,
            "amount": {"usd": told["amount_usd"]},
            "day": told["paid_on"],
            "reference": told["payment_reference"],
        },
        url=reverse("order", args=[order.pk]),
        dedupe_key=f"order-repaid-{order.pk}",
        now=now,
    )


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    order = Order.objects.select_related("user").filter(pk=UUID(proposal.object_id)).first()
    if order is None:
        return []
    told = proposal.payload
    kept = order.filled_quantity - Decimal(told["sold_quantity"])
    return [
        (_("Order"), f"{plain(order.filled_quantity)} {order.symbol}, {order.user}"),
        (_("The shares cost"), f"{_cost(order)} USD"),
        (_("Paid back"), f"{told['amount_usd']} USD, {told['paid_on']}"),
        (_("Number of the payment"), told["payment_reference"]),
        (_("Shares sold"), told["sold_quantity"]),
        (_("Broker's id of the sale"), told["sale_order_id"] or "–"),
        (_("Custodian's id of the transfer"), told["custody_tx_id"] or "–"),
        (_("Shares kept by Agora"), plain(kept)),
        (
            _("What you vouch for"),
            _("the payment reached the buyer, and the vendors' books show this sale and transfer"),
        ),
    ]


KINDS = [
    Kind(
        name=REPAY,
        title=_("Repayment of an order"),
        maker_permission="trading.resolve_order",
        check=_check,
        effect=_record,
        lines=_lines,
        subject=buyer_of,
    )
]
