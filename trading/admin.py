"""Orders in the admin: read-only; what needs attention can be tried again, by a service."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export import resources
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import action, display

from agora.lib.admin import (
    PROPOSED,
    ReadOnlyAdmin,
    ReasonForm,
    answer_dialog,
    decimal_column,
    trail_link,
)
from compliance import audit
from compliance.four_eyes import Refused
from trading import services
from trading.decisions import propose_resolution
from trading.models import Order
from trading.reasons import reason_text
from trading.states import State

_COLOURS = {
    State.PENDING: "info",
    State.SUBMITTED: "info",
    State.FILLED: "info",
    State.CUSTODY_CONFIRMED: "info",
    State.MINTING: "info",
    State.MINT_CONFIRMED: "success",
    State.REJECTED: "warning",
    State.CANCELLED: "warning",
    State.FAILED: "danger",
}


class OrderResource(resources.ModelResource):
    """The columns of an exported order; no personal data."""

    class Meta:
        model = Order
        fields = [
            "id", "symbol", "quantity", "state", "reason", "limit_price", "reserved_usd",
            "limit_day", "client_order_id", "broker_order_id", "broker_status", "filled_quantity",
            "filled_avg_price", "custody__custody_tx_id", "mint__tx_hash", "mint__block_number",
            "wallet_address", "created_at", "updated_at",
        ]  # fmt: skip


@admin.register(Order)
class OrderAdmin(ExportMixin, ReadOnlyAdmin):
    resource_classes = [OrderResource]
    export_form_class = ExportForm
    list_display = ["placed", "user", "ordered", "status", "filled", "price", "look", "changed"]
    list_filter = ["state", "attention", "symbol", "source", "created_at"]
    list_select_related = ["user"]
    search_fields = [
        "=id", "client_order_id", "broker_order_id", "user__email", "wallet_address",
        "custody__custody_tx_id", "mint__tx_hash",
    ]  # fmt: skip
    search_help_text = _("Order, broker, custody or transaction id, e-mail address, wallet")
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    actions = ["try_again"]
    actions_detail = ["propose_end"]
    fieldsets = [
        (None, {"fields": ["id", "user", "state", "why", "attention", "last_error", "trail"]}),
        (_("Order"), {"fields": [
            "ordered", "limit_price", "quote_price", "quoted_at", "reserved_usd", "limit_day",
            "source", "wallet_address", "created_at", "updated_at", "queued_until",
        ]}),
        (_("Broker"), {"fields": [
            "client_order_id", "broker_order_id", "broker_status", "filled", "price", "sent_at",
            "broker_raw",
        ]}),
        (_("Custody and mint"), {"fields": ["custody", "mint"]}),
        (_("Work"), {"fields": ["next_attempt_at", "attempts", "lease_until", "asked_at"]}),
    ]  # fmt: skip
    readonly_fields = ["asked_at"]

    filled = decimal_column("filled_quantity", _("filled"))
    price = decimal_column("filled_avg_price", _("average price, USD"))
    trail = trail_link("order")

    @admin.display(description=_("placed"), ordering="created_at")
    def placed(self, order: Order) -> str:
        return f"{order.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("changed"), ordering="updated_at")
    def changed(self, order: Order) -> str:
        return f"{order.updated_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("ordered"), ordering="quantity")
    def ordered(self, order: Order) -> str:
        return f"{order.quantity.normalize():f} {order.symbol}"

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, order: Order) -> tuple[str, str]:
        return order.state, order.get_state_display()

    @display(description=_("attention"), ordering="attention", label={"yes": "danger"})
    def look(self, order: Order) -> "tuple[str, str] | str":
        return ("yes", str(_("needs a person"))) if order.attention else "–"

    @admin.display(description=_("reason"))
    def why(self, order: Order) -> str:
        return f"{reason_text(order.reason)} ({order.reason})" if order.reason else "–"

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Who may only look at orders may not set them going."""
        return request.user.has_perm("trading.change_order")

    @admin.action(description=_("Try again what needs attention"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        count = services.try_again(
            order_ids=list(queryset.values_list("pk", flat=True)),
            actor=audit.actor_of(request.user),
            now=timezone.now(),
        )
        text = ngettext("%(n)d order is due again.", "%(n)d orders are due again.", count)
        messages.info(request, text % {"n": count})

    def has_propose_end_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("trading.resolve_order")

    @action(
        description=_("Propose its end"),
        url_path="propose-end",
        permissions=["propose_end"],
        dialog={
            "title": _("Propose its end"),
            "description": _(
                "For an order that needs a person and that trying again does not help. Before a fill it "
                "is cancelled and its limit released; after one it fails and the buyer has to be paid "
                "back. Look into the broker's books and at the chain first. A second person decides."
            ),
            "form_class": ReasonForm,
            "form_submit_text": _("Propose"),
        },
    )
    def propose_end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return answer_dialog(
            request,
            lambda: propose_resolution(
                order=Order.objects.get(pk=UUID(object_id)),
                reason=form.cleaned_data["reason"],
                maker=request.user,  # type: ignore[arg-type]
                now=timezone.now(),
            ),
            refusal=Refused,
            done=str(PROPOSED),
            back=reverse("admin:trading_order_change", args=[object_id]),
        )
