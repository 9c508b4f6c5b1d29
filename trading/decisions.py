"""How an order that needs a person ends: by two people, after looking at the vendors' books.

An order is left to a person (`attention`) when its steps cannot go on by themselves. Trying again is
one person's action (trading.services.try_again); ending it is decided here (RAT-005).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.models import Notice, User
from accounts.notices import notify
from agora.lib.catalog import Text
from agora.lib.money import plain
from compliance import audit, four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from kyc import limits
from tokens import services as tokens
from tokens.models import MintTx
from trading.models import Order
from trading.states import BOUGHT, MOVES, NOT_BOUGHT, State

RESOLVE = "trading.resolve_order"


def propose_resolution(*, order: Order, reason: str, maker: User, now: datetime) -> Proposal:
    """Propose to end an order that needs a person: cancelled before a fill, failed after one.

    Raises PermissionDenied, or four_eyes.Refused for an order that does not need a person, may still
    be minted, or has bought shares at the broker.
    """
    return four_eyes.propose(
        kind=RESOLVE,
        object_type="order",
        object_id=order.pk,
        payload={"state": order.state, "version": order.version, "to": _end_of(order)},
        reason=reason,
        maker=maker,
        now=now,
    )


def _end_of(order: Order) -> str:
    if order.state in NOT_BOUGHT:
        return State.CANCELLED
    if order.state in BOUGHT:
        return State.FAILED
    raise Refused("not_open", _("This order has ended already."))


def locked_order(proposal: Proposal) -> Order:
    """The order of a proposal, locked after its buyer's counter; raises Refused when it is gone."""
    order_id = UUID(proposal.object_id)
    buyer = User.objects.filter(orders=order_id).first()
    if buyer is None:
        raise Refused("gone", _("This order is not there any more."))
    limits.hold(user=buyer)  # first, as settlement does: the other way round they could deadlock
    return Order.objects.select_for_update(of=("self",)).select_related("user").get(pk=order_id)


def _check(proposal: Proposal) -> None:
    order = locked_order(proposal)
    if not order.attention:
        raise Refused(
            "not_parked", _("This order goes on by itself: only one that needs a person is ended.")
        )
    if (order.state, order.version) != (proposal.payload["state"], proposal.payload["version"]):
        raise Refused("changed", _("The order moved on meanwhile. Look at it and propose it anew."))
    if order.state in NOT_BOUGHT and order.filled_quantity:
        raise Refused(
            "bought", _("The broker has bought shares for this order: it cannot be cancelled.")
        )
    if order.mint is not None and tokens.may_be_mined(order.mint):
        raise Refused(
            "may_be_minted",
            _("A mint of this order was sent and may still be mined. Try it again instead."),
        )
    if _may_arrive(order):
        raise Refused(
            "may_arrive",
            _(
                "The receipt of this order was sent to custody, or may have been, and has not ended "
                "there. Have the custodian complete or reject it, then try the order again."
            ),
        )


def _may_arrive(order: Order) -> bool:
    """Whether a receipt may come into custody without anybody who would note it."""
    record = order.custody
    if order.state != State.FILLED or record is None:
        return False
    return bool(record.custody_tx_id or order.asked_at)


def buyer_of(proposal: Proposal) -> UUID | None:
    """Whose order it is: they neither propose nor decide."""
    return User.objects.filter(orders=UUID(proposal.object_id)).values_list("pk", flat=True).first()


def _end(proposal: Proposal, now: datetime) -> None:
    order = locked_order(proposal)
    to = State(proposal.payload["to"])
    MOVES.check(order.state, to)
    if order.state in NOT_BOUGHT:
        limits.settle(
            user=order.user, day=order.limit_day, reserved=order.reserved_usd, spent=Decimal(0)
        )
        order.reserved_usd = Decimal(0)
    if order.mint_id:
        _fail_mint(MintTx.objects.select_for_update().get(pk=order.mint_id), now)
    Order.objects.filter(pk=order.pk).update(
        state=to,
        reason="resolved_by_officers",
        attention=False,
        next_attempt_at=None,
        lease_token=None,
        lease_until=None,
        queued_until=None,
        reserved_usd=order.reserved_usd,
        updated_at=now,
        version=F("version") + 1,
    )
    audit.record(
        actor=f"user:{proposal.checker_id}",
        action="order.resolved",
        object_type="order",
        object_id=str(order.pk),
        evidence={"state": to, "from": order.state, "proposal": str(proposal.pk)},
        now=now,
    )
    _tell(order, to, now)


def _fail_mint(mint: MintTx, now: datetime) -> None:
    if mint.nonce is not None:
        tokens.give_back_nonce(mint=mint, reusable=True, now=now)
    mint.state = MintTx.State.FAILED
    mint.save(update_fields=["state"])


def _tell(order: Order, to: State, now: datetime) -> None:
    bought = to == State.FAILED
    notify(
        user=order.user,
        kind="order_resolved",
        level=Notice.Level.ALERT if bought else Notice.Level.WARNING,
        subject=gettext_noop("Your order of %(quantity)s %(symbol)s was ended"),
        body=gettext_noop(
            "The shares were bought, but the tokens could not be minted. We will contact you about "
            "paying you back."
        )
        if bought
        else gettext_noop(
            "It was cancelled before anything was bought, and no longer counts for your daily limit."
        ),
        params={"quantity": plain(order.quantity), "symbol": order.symbol},
        url=reverse("order", args=[order.pk]),
        dedupe_key=f"order-resolved-{order.pk}",
        now=now,
    )


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    order = Order.objects.select_related("user").filter(pk=UUID(proposal.object_id)).first()
    if order is None:
        return []
    to = State(proposal.payload["to"])
    is_open = proposal.state == Proposal.State.OPEN  # after it, the order says nothing of before
    now = [
        (_("State now"), order.get_state_display()),
        (_("Last error"), order.last_error or "–"),
    ]
    return [
        (_("Order"), f"{plain(order.quantity)} {order.symbol}, {order.user}"),
        *(now if is_open else []),
        (_("State then"), to.label),
        (
            _("What you vouch for"),
            _("the broker's books show that nothing was bought")
            if to == State.CANCELLED
            else _(
                "no token was minted for it; the buyer is owed the money, to be paid back outside Agora"
            ),
        ),
    ]


KINDS = [
    Kind(
        name=RESOLVE,
        title=_("End of an order"),
        maker_permission="trading.resolve_order",
        check=_check,
        effect=_end,
        lines=_lines,
        subject=buyer_of,
    )
]
