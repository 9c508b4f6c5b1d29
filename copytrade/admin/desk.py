"""Masters' orders in the back office: read, and tried again when they need somebody."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from compliance import audit
from copytrade.models import MasterOrder
from copytrade.reasons import text_of
from copytrade.services import desk
from copytrade.states import MasterOrderState

_COLOURS = {
    MasterOrderState.PENDING: "info",
    MasterOrderState.WORKING: "info",
    MasterOrderState.FILLED: "success",
    MasterOrderState.CANCELLED: "default",
    MasterOrderState.REJECTED: "danger",
}


@admin.register(MasterOrder)
class MasterOrderAdmin(ReadOnlyAdmin):
    """Orders on masters' own accounts, placed here or seen at the exchange."""

    list_display = ["placed", "strategy", "side", "ordered", "done", "status", "look"]
    list_filter = ["state", "attention", "source", "side"]
    list_select_related = ["strategy"]
    search_fields = [
        "=id", "=strategy__id", "strategy__name", "client_order_id", "exchange_order_id",
    ]  # fmt: skip
    search_help_text = _("Id of order or strategy; strategy's name; order id of either side")
    date_hierarchy = "placed_at"
    ordering = ["-placed_at", "-id"]
    actions = ["try_again"]
    fieldsets = [
        (None, {"fields": ["id", "strategy", "state", "why", "attention", "last_error", "trail"]}),
        (_("Order"), {"fields": [
            "symbol", "side", "type", "ordered", "limit", "done", "paid", "source", "replaces",
            "held_before", "equity",
            "placed_at", "cancel_requested_at", "updated_at",
        ]}),
        (_("Exchange"), {"fields": ["account", "client_order_id", "exchange_order_id"]}),
        (_("Work"), {"fields": ["next_attempt_at", "attempts", "lease_until", "asked_at"]}),
    ]  # fmt: skip
    readonly_fields = ["asked_at"]

    ordered = decimal_column("quantity", _("ordered"))
    limit = decimal_column("price", _("limit price"))
    done = decimal_column("filled", _("filled"))
    paid = decimal_column("quote_filled", _("paid or received"))
    held_before = decimal_column("position_before", _("held before"))
    equity = decimal_column("equity_before", _("equity before"))
    trail = trail_link("master_order")

    @admin.display(description=_("placed"), ordering="placed_at")
    def placed(self, order: MasterOrder) -> str:
        return f"{order.placed_at:%Y-%m-%d %H:%M:%S}"

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, order: MasterOrder) -> tuple[str, str]:
        return order.state, order.get_state_display()

    @display(description=_("attention"), ordering="attention", label={"yes": "danger"})
    def look(self, order: MasterOrder) -> "tuple[str, str] | str":
        return ("yes", str(_("needs a person"))) if order.attention else "–"

    @admin.display(description=_("reason"))
    def why(self, order: MasterOrder) -> str:
        return f"{text_of(order.reason)} ({order.reason})" if order.reason else "–"

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Who may only look at orders may not set them going."""
        return request.user.has_perm("copytrade.change_masterorder")

    @admin.action(description=_("Try again what needs attention"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[MasterOrder]) -> None:
        count = desk.try_again(
            order_ids=list(queryset.values_list("pk", flat=True)),
            actor=audit.actor_of(request.user),
            now=timezone.now(),
        )
        text = ngettext("%(n)d order is due again.", "%(n)d orders are due again.", count)
        messages.info(request, text % {"n": count})
