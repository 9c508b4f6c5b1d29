"""Reads about orders, and the timeline that page, API and receipt share (RAT-014)."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Wallet
from agora.lib.money import plain
from compliance import audit
from compliance.models import AuditRow
from trading.models import Order
from trading.reasons import reason_text
from trading.states import MOVES, State


def order_for(*, user: User, order_id: uuid.UUID) -> Order:
    """An order of this user with its records; raises Order.DoesNotExist for strangers."""
    return Order.objects.select_related("custody", "mint").get(pk=order_id, user=user)


def orders_of(user: User) -> QuerySet[Order]:
    """The user's orders, newest first."""
    return Order.objects.filter(user=user).select_related("mint").order_by("-created_at", "-id")


def goes_to(wallet: Wallet) -> bool:
    """Whether an order of the wallet's owner was minted to it, or is under way to it."""
    orders = Order.objects.filter(user_id=wallet.user_id, wallet_address=wallet.address)
    return orders.filter(Q(state=State.MINT_CONFIRMED) | ~Q(state__in=MOVES.terminal)).exists()


def explorer_link(kind: str, value: object) -> str | None:
    """Address of a block explorer's page (`tx`, `block`, `address`); None without an explorer."""
    if not settings.CHAIN_EXPLORER_URL:
        return None
    return f"{settings.CHAIN_EXPLORER_URL}/{kind}/{value}"


def headline(order: Order) -> "str | Promise":
    """The order's status in the words of RAT-014."""
    if order.attention:
        return _("We are looking into this order")
    if order.state == State.PENDING and order.queued_until:
        return _("Waiting for the market to open")
    return {
        State.PENDING: _("Order Processing"),
        State.SUBMITTED: _("Order Processing"),
        State.FILLED: _("Shares bought, custody being confirmed"),
        State.CUSTODY_CONFIRMED: _("Tokens Minting"),
        State.MINTING: _("Tokens Minting"),
        State.MINT_CONFIRMED: _("Tokens Minted!"),
        State.REJECTED: _("Order rejected"),
        State.CANCELLED: _("Order cancelled"),
        State.FAILED: _("Order failed"),
    }[State(order.state)]


@dataclass(frozen=True)
class Evidence:
    """One re-checkable fact of a step; `href` leads to a block explorer where there is one."""

    label: "str | Promise"
    value: str
    href: str | None = None
    copyable: bool = False


@dataclass(frozen=True)
class Step:
    """A step of the order: done, current, waiting or failed; `seconds` it took from the one before."""

    key: str
    title: "str | Promise"
    state: str
    at: datetime | None = None
    seconds: float | None = None
    evidence: list[Evidence] = field(default_factory=list)
    note: "str | Promise" = ""


# Key, title, and the audit action that says the step is done.
_PLAN: list[tuple[str, "str | Promise", str]] = [
    ("placed", _("Order placed"), "order.placed"),
    ("submitted", _("Sent to the broker"), "order.submitted"),
    ("filled", _("Shares bought"), "order.filled"),
    ("custody", _("Custody confirmed"), "order.custody_confirmed"),
    ("mint_sent", _("Mint sent to the chain"), "order.mint_sent"),
    ("minted", _("Tokens minted"), "order.mint_confirmed"),
]


def timeline(order: Order) -> list[Step]:
    """The order's steps with the time each took and its evidence, from the audit trail."""
    done = {row.action: row for row in audit.history(object_type="order", object_id=str(order.pk))}
    steps: list[Step] = []
    before: datetime | None = None
    for key, title, action in _PLAN:
        row = done.get(action)
        if row is not None:
            seconds = (row.at - before).total_seconds() if before else None
            steps.append(Step(key, title, "done", row.at, seconds, _evidence(key, order, row)))
            before = row.at
        else:
            steps.append(_open_step(key, title, order, first=all(s.state == "done" for s in steps)))
    if (row := done.get("order.repaid")) is not None:
        steps.append(Step("repaid", _("Paid back"), "done", row.at, evidence=_repaid_evidence(row)))
    return steps


def _open_step(key: str, title: "str | Promise", order: Order, *, first: bool) -> Step:
    if not first:
        return Step(key, title, "waiting")
    if order.state in (State.REJECTED, State.CANCELLED, State.FAILED):
        return Step(key, title, "failed", at=order.updated_at, note=reason_text(order.reason))
    if order.attention:
        note = _("This step needs a look by our team. Your order and its money are safe.")
        return Step(key, title, "current", note=note)
    queued = bool(order.queued_until) and order.state == State.PENDING
    return Step(key, title, "current", note=_("Queued until the market opens.") if queued else "")


def _evidence(key: str, order: Order, row: AuditRow) -> list[Evidence]:
    build = {
        "placed": _placed_evidence,
        "submitted": _submitted_evidence,
        "filled": _filled_evidence,
        "custody": _custody_evidence,
        "mint_sent": _sent_evidence,
        "minted": _minted_evidence,
    }[key]
    return build(order, row)


def _placed_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    return [
        Evidence(_("Quantity"), f"{plain(order.quantity)} {order.symbol}"),
        Evidence(_("Worst price"), f"{order.limit_price} USD"),
    ]


def _submitted_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    return [Evidence(_("Broker order id"), order.broker_order_id or "", copyable=True)]


def _filled_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    facts = [Evidence(_("Filled quantity"), f"{plain(order.filled_quantity)} {order.symbol}")]
    if order.filled_avg_price is not None:
        facts.append(Evidence(_("Average price"), f"{plain(order.filled_avg_price)} USD"))
    if order.filled_quantity < order.quantity:
        rest = plain(order.quantity - order.filled_quantity)
        facts.append(Evidence(_("Not filled, released"), f"{rest} {order.symbol}"))
    return facts


def _custody_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    tx_id = str(row.evidence.get("custody_tx_id", ""))
    return [Evidence(_("Custody transaction id"), tx_id, copyable=True)]


def _sent_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    tx_hash = str(row.evidence.get("tx_hash", ""))
    return [Evidence(_("Transaction hash"), tx_hash, explorer_link("tx", tx_hash), copyable=True)]


def _minted_evidence(order: Order, row: AuditRow) -> list[Evidence]:
    tx_hash, block = str(row.evidence["tx_hash"]), str(row.evidence["block"])
    units = Decimal(str(row.evidence["units"])).scaleb(-18)
    return [
        Evidence(_("Transaction hash"), tx_hash, explorer_link("tx", tx_hash), copyable=True),
        Evidence(_("Block"), block, explorer_link("block", block)),
        Evidence(_("Minted"), f"{plain(units)} AAPL-RAT"),
    ]


def _repaid_evidence(row: AuditRow) -> list[Evidence]:
    return [
        Evidence(_("Amount"), f"{row.evidence['amount_usd']} USD"),
        Evidence(_("Sent on"), str(row.evidence["paid_on"])),
        Evidence(_("Number of the payment"), str(row.evidence["payment_reference"]), copyable=True),
    ]
