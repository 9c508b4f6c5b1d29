"""The master's orders, the signals they give, and the legs that copy them."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agora.lib.money import plain
from agora.lib.work import Job
from copytrade.models.accounts import ExchangeAccount
from copytrade.models.fields import amount
from copytrade.models.strategies import Strategy
from copytrade.models.subscriptions import Subscription
from copytrade.states import LegState, MasterOrderState


class Side(models.TextChoices):
    BUY = "BUY", _("Buy")
    SELL = "SELL", _("Sell")


class OrderType(models.TextChoices):
    MARKET = "MARKET", _("Market")
    LIMIT = "LIMIT", _("Limit")


class MasterOrder(Job):
    """An order on the master's own account, placed here or seen at the exchange (EXE-1).

    The job is sending an order that was placed here, and following it while it is open.
    `position_before` and `equity_before` are the master's as the order came: the base of fractions
    and of equity-proportional sizing. `filled` never goes down.
    """

    class Source(models.TextChoices):
        PAGE = "page", _("Website")
        API = "api", _("API")
        EXCHANGE = "exchange", _("At the exchange")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="orders")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(_("source"), max_length=8, choices=Source)
    placement_key = models.CharField(max_length=80, null=True, blank=True, editable=False)
    client_order_id = models.CharField(_("client order id"), max_length=36)
    exchange_order_id = models.CharField(
        _("exchange order id"), max_length=64, null=True, blank=True
    )
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    symbol = models.CharField(_("pair"), max_length=20)
    side = models.CharField(_("side"), max_length=4, choices=Side)
    type = models.CharField(_("type"), max_length=6, choices=OrderType)
    quantity = amount(_("quantity"))
    price = amount(_("limit price"), null=True, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=MasterOrderState, default=MasterOrderState.PENDING
    )
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    filled = amount(_("filled"), default=0)
    quote_filled = amount(_("paid or received"), default=0)
    position_before = amount(default=0)
    equity_before = amount(default=0)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    placed_at = models.DateTimeField(_("placed"))
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("master's order")
        verbose_name_plural = _("masters' orders")
        ordering = ["-placed_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_masterorder_due",
            ),
            models.Index(fields=["strategy", "-placed_at"], name="copytrade_order_of_strategy"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "exchange_order_id"],
                name="copytrade_masterorder_at_exchange",
            ),
            models.UniqueConstraint(
                fields=["strategy", "placement_key"], name="copytrade_masterorder_placement"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, filled__gte=0), name="copytrade_masterorder_quantity"
            ),
            models.CheckConstraint(
                condition=~Q(type="LIMIT") | Q(price__gt=0), name="copytrade_masterorder_price"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} {plain(self.quantity)} {self.symbol}, {self.get_state_display()}"


class Signal(models.Model):
    """Something that followers have to copy: one event of a master's order.

    `cumulative` is the quantity of the master's order that is to be copied by now, in its base
    asset, so that slices never drift; an event seen twice is the same row. For a close, followers
    sell `cumulative / position_before` of what they held. With `subscription` it concerns that one
    alone (joining on start, closing on stop, closing an orphan).
    """

    class Kind(models.TextChoices):
        OPEN = "OPEN", _("Open")
        CLOSE = "CLOSE", _("Close")
        CANCEL = "CANCEL", _("Cancel")

    class Cause(models.TextChoices):
        MASTER = "master", _("The master's order")
        JOIN = "join", _("Joining the master's positions")
        STOP = "stop", _("Closing on stop")
        RISK = "risk", _("Closing at a risk limit")
        ORPHAN = "orphan", _("Closing what the master no longer holds")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="signals")
    number = models.PositiveBigIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=6, choices=Kind)
    cause = models.CharField(_("cause"), max_length=6, choices=Cause, default=Cause.MASTER)
    master_order = models.ForeignKey(
        MasterOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="signals"
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="own_signals"
    )
    symbol = models.CharField(_("pair"), max_length=20)
    side = models.CharField(_("side"), max_length=4, choices=Side)
    type = models.CharField(_("type"), max_length=6, choices=OrderType)
    price = amount(_("reference price"))
    cumulative = amount(_("quantity so far"), default=0)
    order_quantity = amount(_("quantity of the order"), default=0)
    position_before = amount(default=0)
    equity_before = amount(default=0)
    at = models.DateTimeField(_("at the master"))
    expires_at = models.DateTimeField(_("opens expire"), null=True, blank=True)
    seed = models.BigIntegerField(editable=False)
    created_at = models.DateTimeField(_("published"))

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        ordering = ["-created_at", "-number"]
        indexes = [models.Index(fields=["subscription"], name="copytrade_signal_of_sub")]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "number"], name="copytrade_signal_number"),
            models.UniqueConstraint(
                fields=["master_order", "kind", "cumulative"], name="copytrade_signal_once"
            ),
            models.CheckConstraint(
                condition=Q(master_order__isnull=False) | Q(subscription__isnull=False),
                name="copytrade_signal_has_cause",
            ),
            models.CheckConstraint(
                condition=Q(kind="OPEN", side="BUY")
                | Q(kind="CLOSE", side="SELL")
                | Q(kind="CANCEL"),
                name="copytrade_signal_side",
            ),
            models.CheckConstraint(condition=Q(price__gt=0), name="copytrade_signal_price"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.get_kind_display()} {self.symbol}"


class CopyOrder(Job):
    """A leg: what became of one signal for one subscription, with its five quantities (EXE-1).

    The row is the job. SENDING means: may have been heard at the exchange; `asked_at` is the signed
    timestamp, after which plus the exchange's window a request of that sending is refused there.
    Each index is written anew at every move, so that foreign keys have none of their own where
    another begins with them.
    `reason` tells why it was not copied, or not in full (copytrade.reasons).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    signal = models.ForeignKey(
        Signal, on_delete=models.PROTECT, related_name="legs", db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="legs", db_index=False
    )
    leg = models.PositiveSmallIntegerField(_("leg"), default=0)
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="legs", db_index=False
    )
    master_order = models.ForeignKey(
        MasterOrder,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=6, choices=Signal.Kind)
    symbol = models.CharField(_("pair"), max_length=20)
    side = models.CharField(_("side"), max_length=4, choices=Side)
    rank = models.PositiveIntegerField(_("turn"), default=0)
    client_order_id = models.CharField(_("client order id"), max_length=28)
    state = models.CharField(_("state"), max_length=9, choices=LegState, default=LegState.PLANNED)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    type = models.CharField(_("type"), max_length=6, choices=OrderType, blank=True)
    price = amount(_("limit price"), null=True, blank=True)
    ideal = amount(_("ideal quantity"), null=True, blank=True)
    clamped = amount(_("within limits"), null=True, blank=True)
    rounded = amount(_("rounded"), null=True, blank=True)
    carried_in = amount(_("carried over from before"), default=0)
    sent = amount(_("sent"), default=0)
    filled = amount(_("filled"), default=0)
    quote_filled = amount(_("paid or received"), default=0)
    exchange_order_id = models.CharField(_("exchange order id"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("planned"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("copied order")
        verbose_name_plural = _("copied orders")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_leg_due",
            ),
            models.Index(
                fields=["signal", "rank"],
                condition=Q(next_attempt_at__isnull=False),
                name="copytrade_leg_turn",
            ),
            models.Index(
                fields=["subscription", "-created_at", "-id"], name="copytrade_leg_of_sub"
            ),
            models.Index(fields=["master_order", "subscription"], name="copytrade_leg_of_order"),
            models.Index(
                fields=["account"],
                condition=Q(state__in=["PLANNED", "SENDING", "WORKING"]),
                name="copytrade_leg_open",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["signal", "subscription", "leg"], name="copytrade_leg_once"
            ),
            models.UniqueConstraint(fields=["client_order_id"], name="copytrade_leg_client_id"),
            # Orders of one account go out one after the other (research 2.3), held by the database.
            models.UniqueConstraint(
                fields=["account"], condition=Q(state="SENDING"), name="copytrade_leg_serial"
            ),
            models.CheckConstraint(
                condition=Q(sent__gte=0, filled__gte=0, quote_filled__gte=0),
                name="copytrade_leg_amounts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["SKIPPED", "EXPIRED", "REJECTED"]) | ~Q(reason=""),
                name="copytrade_leg_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="SENDING") | Q(asked_at__isnull=False),
                name="copytrade_leg_sending_is_signed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_side_display()} {self.symbol}, {self.get_state_display()}"
