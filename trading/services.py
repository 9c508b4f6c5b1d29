"""Placing and cancelling buy orders (RAT-002, RAT-005, RAT-013)."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache

import structlog
from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Wallet
from agora.lib import work
from agora.lib.money import SHARE_DECIMALS, plain, up_to_cents
from agora.lib.prepared import Insert
from compliance import audit
from kyc import holds, limits
from kyc.models import Application
from trading.models import Order
from trading.quotes import SYMBOL, Quote
from trading.reasons import reason_text
from trading.states import State

log = structlog.get_logger(__name__)
SETTLE_TASK = "trading.tasks.settle_order"
MIN_QUANTITY = Decimal("0.01")
MIN_VALUE_USD = Decimal("1.00")
MAX_QUANTITY = Decimal(100_000)


class OrderRefused(Exception):
    """The order was refused and nothing is stored; `message` says what to do about it.

    `code` is stable for programs; `extra` holds the figures of a limit as strings.
    """

    def __init__(
        self, code: str, message: "str | Promise", *, extra: dict[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.extra = extra or {}


def parse_quantity(text: str) -> Decimal:
    """A share quantity of at least 0.01 with at most 9 decimals; raises OrderRefused."""
    try:
        value = Decimal(text.strip())
    except (InvalidOperation, AttributeError) as error:
        raise OrderRefused(
            "quantity_invalid", _("Enter the number of shares with a decimal point, such as 0.5.")
        ) from error
    _check_quantity(value)
    return value


def _check_quantity(value: Decimal) -> None:
    if not value.is_finite():
        raise OrderRefused("quantity_invalid", _("Enter the number of shares, such as 0.5."))
    if value < MIN_QUANTITY:
        raise OrderRefused("quantity_too_small", _("The smallest order is 0.01 shares."))
    if value > MAX_QUANTITY:
        raise OrderRefused("quantity_too_large", _("That is more shares than one order may buy."))
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -SHARE_DECIMALS:
        raise OrderRefused(
            "quantity_decimals", _("Shares can be divided to 9 decimals. Shorten the quantity.")
        )


@dataclass(frozen=True)
class _Buyer:
    """The person's approved application and wallet."""

    application: Application
    wallet: Wallet


def _buyer(user: User) -> _Buyer:
    application = getattr(user, "kyc_application", None)
    if application is None or not application.is_approved:
        raise OrderRefused("not_approved", _("Finish the onboarding first; then you can buy."))
    wallet = _checked(getattr(user, "wallet", None))
    return _Buyer(application=application, wallet=wallet)


def _checked(wallet: Wallet | None) -> Wallet:
    if wallet is None:
        raise OrderRefused("no_wallet", _("Add a wallet address first: tokens are minted to it."))
    if wallet.disputed_at is not None:
        raise OrderRefused(
            "wallet_disputed",
            _(
                "Somebody else has proved that your wallet's address is theirs. Prove that it is yours "
                "too, or use another wallet; then you can buy."
            ),
        )
    return wallet


def _check_quote(*, quote: Quote, quantity: Decimal, now: datetime) -> None:
    if now >= quote.expires_at:
        raise OrderRefused("quote_expired", _("The price has expired. Review the order again."))
    if quote.stale(now):
        raise OrderRefused(
            "market_data_stale", _("The market price is too old to buy at. Try again in a minute.")
        )
    if quantity * quote.price < MIN_VALUE_USD:
        raise OrderRefused("below_minimum_value", _("The broker takes orders from 1 USD on."))


def place_order(
    *,
    user: User,
    quantity: Decimal,
    quote: Quote,
    source: str,
    placement_key: str | None,
    now: datetime,
) -> Order:
    """Reserve the worst case against the daily limit and store the order, in one transaction.

    The person's limit row stays locked from the reservation to the commit, and so does the wallet,
    against changes: who proves its address meanwhile finds the order. Raises OrderRefused and
    then changes nothing. The same (user, placement_key) returns the order placed before, so that a
    form sent twice buys once. Joins a surrounding transaction instead of nesting in it.
    """
    if placement_key and (earlier := _placed_before(user, placement_key)):
        return earlier
    _check_quantity(quantity)
    buyer = _buyer(user)
    _check_quote(quote=quote, quantity=quantity, now=now)
    worst_usd = up_to_cents(quantity * quote.limit_price)
    try:
        with transaction.atomic(savepoint=False):
            day = limits.reserve(
                application=buyer.application,
                amount_usd=worst_usd,
                now=now,
                wallet=buyer.wallet.address,
            )
            if day is None:
                # The same form, a moment earlier, may have taken what is missing here.
                if placement_key and (earlier := _placed_before(user, placement_key)):
                    return earlier
                _check_again(buyer)
                raise _limit_exceeded(user=user, requested=worst_usd, now=now)
            order = _new_order(user, buyer, quantity, quote, source, worst_usd, day, now)
            order.placement_key = placement_key
            _insert()(order)
            _record_placed(order, now)
            work.nudge_after_commit(SETTLE_TASK, pk=order.pk)
    except IntegrityError:
        # The same form, a moment earlier, in another request: theirs is the order.
        if placement_key and (earlier := _placed_before(user, placement_key)):
            return earlier
        raise
    return order


def _check_again(buyer: _Buyer) -> None:
    """Raise OrderRefused for what besides the limit stands against a reservation."""
    if holds.is_held(buyer.application.pk):
        raise OrderRefused("buying_paused", reason_text("buying_paused"))
    wallet = _checked(Wallet.objects.filter(user_id=buyer.application.user_id).first())
    if wallet.address != buyer.wallet.address:
        raise OrderRefused(
            "changed_meanwhile", _("Your wallet has just changed. Review the order again.")
        )


@cache
def _insert() -> Insert[Order]:
    return Insert(Order)


def _placed_before(user: User, placement_key: str) -> Order | None:
    return Order.objects.filter(user=user, placement_key=placement_key).first()


def _new_order(
    user: User,
    buyer: _Buyer,
    quantity: Decimal,
    quote: Quote,
    source: str,
    worst_usd: Decimal,
    day: date,
    now: datetime,
) -> Order:
    order_id = uuid.uuid4()
    return Order(
        id=order_id,
        user=user,
        source=source,
        symbol=SYMBOL,
        quantity=quantity,
        wallet_address=buyer.wallet.address,
        quote_price=quote.price,
        quoted_at=quote.quoted_at,
        limit_price=quote.limit_price,
        reserved_usd=worst_usd,
        limit_day=day,
        client_order_id=f"buy-{order_id.hex}",
        queued_until=quote.next_open,
        next_attempt_at=now,
        created_at=now,
        updated_at=now,
    )


def _record_placed(order: Order, now: datetime) -> None:
    audit.record(
        actor=f"user:{order.user_id}",
        action="order.placed",
        object_type="order",
        object_id=str(order.pk),
        evidence={
            "state": order.state,
            "symbol": order.symbol,
            "quantity": plain(order.quantity),
            "quote_price": plain(order.quote_price),
            "limit_price": plain(order.limit_price),
            "reserved_usd": plain(order.reserved_usd),
            "limit_day": order.limit_day.isoformat(),
            "source": order.source,
            "wallet": order.wallet_address,
        },
        now=now,
    )


def _limit_exceeded(*, user: User, requested: Decimal, now: datetime) -> OrderRefused:
    status = limits.limit_status(user=user, now=now)
    if status is None:
        return OrderRefused("not_approved", _("Finish the onboarding first; then you can buy."))
    figures = {
        "limit_usd": str(status.limit_usd),
        "used_usd": str(status.used_usd),
        "left_usd": str(status.left_usd),
        "requested_usd": str(requested),
        "resets_at": status.resets_at.isoformat(),
        "zone": status.zone,
    }
    message = _(
        "This order could cost up to %(requested_usd)s USD, but of your daily limit of "
        "%(limit_usd)s USD only %(left_usd)s USD are left (%(used_usd)s used). "
        "The limit resets at %(resets_at)s. Buy less, or come back then."
    )
    shown = {**figures, "resets_at": f"{status.resets_at:%Y-%m-%d %H:%M} ({status.zone})"}
    return OrderRefused("limit_exceeded", str(message) % shown, extra=figures)


def cancel_order(*, user: User, order_id: uuid.UUID, now: datetime) -> Order:
    """Cancel an order that waits for the market to open and release its reservation.

    Locks the person's limit row, then the order's. Raises Order.DoesNotExist for strangers,
    OrderRefused("not_cancellable") once it may have been sent to the broker; from then on only the
    broker's answer moves it.
    """
    with transaction.atomic():
        limits.hold(user=user)  # first, as settlement does: the other way round they could deadlock
        order = Order.objects.select_for_update().get(pk=order_id, user=user)
        if order.state != State.PENDING or order.sent_at is not None:
            raise OrderRefused(
                "not_cancellable", _("The order is already at the broker and cannot be cancelled.")
            )
        Order.objects.filter(pk=order.pk).update(
            state=State.CANCELLED,
            reason="cancelled_by_user",
            attention=False,
            next_attempt_at=None,
            lease_token=None,
            lease_until=None,
            queued_until=None,
            reserved_usd=Decimal(0),
            updated_at=now,
            version=order.version + 1,
        )
        limits.settle(user=user, day=order.limit_day, reserved=order.reserved_usd, spent=Decimal(0))
        audit.record(
            actor=audit.actor_of(user),
            action="order.cancelled",
            object_type="order",
            object_id=str(order.pk),
            evidence={"state": State.CANCELLED, "reason": "cancelled_by_user"},
            now=now,
        )
    order.refresh_from_db()
    return order


def try_again(*, order_ids: list[uuid.UUID], actor: str, now: datetime) -> int:
    """Make parked orders due again; how many were parked. Others are left alone.

    Safe at any time: every step looks up what an earlier try did before it sends anything.
    """
    count = 0
    for order_id in order_ids:
        with transaction.atomic():
            changed = Order.objects.filter(pk=order_id, attention=True).update(
                attention=False, attempts=0, next_attempt_at=now, updated_at=now
            )
            if not changed:
                continue
            audit.record(
                actor=actor,
                action="order.tried_again",
                object_type="order",
                object_id=str(order_id),
                evidence={},
                now=now,
            )
            work.nudge_after_commit(SETTLE_TASK, pk=order_id)
            count += 1
    return count
