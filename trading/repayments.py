"""How the books learn that a buyer was paid back in money: recorded by two people (RAT-003).

An order that failed after its shares were bought is owed back in money, outside Agora. Until that is
recorded here, the proof of reserve counts its shares as owed, then as kept by Agora. What becomes of
them is recorded apart (trading.sales).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.erasure import is_erased
from accounts.models import Notice, User
from accounts.notices import notify
from agora.lib.catalog import Text
from agora.lib.money import CENT, plain, to_cents
from compliance import audit, four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from trading.decisions import buyer_of, locked_order
from trading.models import Order, Repayment
from trading.states import State

REPAY = "trading.repay_order"
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_MOST_OF_COST = 10  # shares gain; a slip of the decimal point is more


def propose_repayment(
    *,
    order: Order,
    amount_usd: str,
    paid_on: date,
    payment_reference: str,
    reason: str,
    maker: User,
    now: datetime,
) -> Proposal:
    """Propose to record that the buyer of a failed order was paid back.

    `payment_reference` is the payment's own number, nothing personal. What was approved stays: there is
    no way to take it back. Raises PermissionDenied, or four_eyes.Refused. Locks the buyer's counter and
    the order.
    """
    return four_eyes.propose(
        kind=REPAY,
        object_type="order",
        object_id=order.pk,
        payload={
            "amount_usd": f"{_amount(amount_usd):.2f}",
            "paid_on": paid_on.isoformat(),
            "payment_reference": payment_reference.strip(),
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def _amount(text: str) -> Decimal:
    return number(
        text,
        CENT,
        "amount_invalid",
        _("Enter an amount in USD with a decimal point, such as 80.00."),
    )


def number(text: str, step: Decimal, code: str, message: Text) -> Decimal:
    """A number of whole steps, not negative, and small enough for its column; raises Refused."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise Refused(code, message) from error
    if not value.is_finite() or not 0 <= value < 10**9 or value != value.quantize(step):
        raise Refused(code, message)
    return abs(value)  # -0


def _check(proposal: Proposal) -> None:
    order = locked_order(proposal)
    if order.state != State.FAILED or not order.filled_quantity:
        raise Refused(
            "not_owed", _("Only an order that failed after its shares were bought is paid back.")
        )
    if Repayment.objects.filter(order=order).exists():
        raise Refused("repaid", _("It is recorded already that this order was paid back."))
    _check_payment(order, proposal)


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


def _record(proposal: Proposal, now: datetime) -> None:
    order, told = locked_order(proposal), proposal.payload
    Repayment.objects.create(
        order=order,
        proposal_id=proposal.pk,
        amount_usd=Decimal(told["amount_usd"]),
        paid_on=date.fromisoformat(told["paid_on"]),
        payment_reference=told["payment_reference"],
        recorded_at=now,
    )
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
        body=gettext_noop("%(amount)s were sent to you on %(day)s, as payment %(reference)s."),
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
    return [
        (_("Order"), f"{plain(order.filled_quantity)} {order.symbol}, {order.user}"),
        (_("The shares cost"), f"{_cost(order)} USD"),
        (_("Paid back"), f"{told['amount_usd']} USD, {told['paid_on']}"),
        (_("Number of the payment"), told["payment_reference"]),
        (
            _("What you vouch for"),
            _("the payment reached the buyer; once approved, this cannot be taken back"),
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
