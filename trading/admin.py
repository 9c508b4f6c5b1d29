"""Orders in the admin: read-only; what needs attention can be tried again, by a service."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export import resources
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm

from agora.lib.admin import ReadOnlyAdmin
from compliance import audit
from trading import services
from trading.models import Order


class OrderResource(resources.ModelResource):
    """The columns of an exported order; no personal data."""

    class Meta:
        model = Order
        fields = [
            "id", "symbol", "quantity", "state", "reason", "limit_price", "reserved_usd", "limit_day",
            "client_order_id", "broker_order_id", "broker_status", "filled_quantity",
            "filled_avg_price", "custody__custody_tx_id", "mint__tx_hash", "mint__block_number",
            "wallet_address", "created_at", "updated_at",
        ]  # fmt: skip


@admin.register(Order)
class OrderAdmin(ExportMixin, ReadOnlyAdmin):
    resource_classes = [OrderResource]
    export_form_class = ExportForm
    list_display = [
        "id", "user", "quantity", "symbol", "state", "attention", "filled_quantity",
        "filled_avg_price", "broker_order_id", "created_at", "updated_at",
    ]  # fmt: skip
    list_filter = ["state", "attention", "symbol", "source", "created_at"]
    list_select_related = ["user"]
    search_fields = [
        "=id",
        "client_order_id",
        "broker_order_id",
        "user__email",
        "wallet_address",
        "mint__tx_hash",
    ]
    date_hierarchy = "created_at"
    actions = ["try_again"]

    @admin.action(description=_("Try again what needs attention"), permissions=["view"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        count = services.try_again(
            order_ids=list(queryset.values_list("pk", flat=True)),
            actor=audit.actor_of(request.user),
            now=timezone.now(),
        )
        text = ngettext("%(n)d order is due again.", "%(n)d orders are due again.", count)
        messages.info(request, text % {"n": count})
