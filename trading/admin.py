"""Orders in the admin: read-only; what needs attention can be tried again, by a service."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export import resources
from import_export.admin import ExportMixin
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from agora.lib.admin import (
    PROPOSED,
    ReadOnlyAdmin,
    ReasonForm,
    answer_dialog,
    decimal_column,
    dialog,
    trail_link,
)
from agora.lib.money import plain
from compliance import audit
from compliance.four_eyes import Refused
from compliance.models import Proposal
from trading import sales, services
from trading.decisions import propose_resolution
from trading.models import Order, Repayment
from trading.reasons import reason_text
from trading.repayments import propose_repayment
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


class RepaymentForm(ReasonForm):
    """What the bank's books say of a repayment."""

    amount_usd = forms.CharField(
        label=_("paid back, USD"), max_length=20, widget=UnfoldAdminTextInputWidget
    )
    paid_on = forms.DateField(
        label=_("day of the payment"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    payment_reference = forms.CharField(
        label=_("number of the payment"),
        help_text=_("As the bank numbers it. No name, no account number."),
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ["amount_usd", "paid_on", "payment_reference", "reason"]


class SaleForm(ReasonForm):
    """What the broker's and the custodian's books say of a sale of kept shares."""

    quantity = forms.CharField(
        label=_("shares sold"), max_length=20, widget=UnfoldAdminTextInputWidget
    )
    sale_order_id = forms.CharField(
        label=_("broker's id of the sale"), max_length=64, widget=UnfoldAdminTextInputWidget
    )
    custody_tx_id = forms.CharField(
        label=_("custodian's id of the transfer"),
        help_text=_("That took the receipts of the sold shares out of custody."),
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ["quantity", "sale_order_id", "custody_tx_id", "reason"]


class SaleWithdrawalForm(ReasonForm):
    """Which sale was recorded wrongly."""

    sale_order_id = forms.CharField(
        label=_("broker's id of the sale"),
        help_text=_("As it was recorded."),
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ["sale_order_id", "reason"]


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
    actions_detail = ["propose_end", "propose_repayment", "propose_sale", "propose_sale_withdrawal"]
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
        (_("Paid back"), {"fields": ["paid_back", "sold", "kept"]}),
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

    @admin.display(description=_("paid back"))
    def paid_back(self, order: Order) -> str:
        paid: Repayment | None = getattr(order, "repayment", None)
        if paid is None:
            return "–"
        return f"{paid.amount_usd} USD, {paid.paid_on:%Y-%m-%d}, {paid.payment_reference}"

    @admin.display(description=_("shares sold"))
    def sold(self, order: Order) -> str:
        found = sales.recorded_sales().filter(repayment=order.pk)
        return format_html_join(mark_safe("<br>"), "{}", ((sale,) for sale in found)) or "–"

    @admin.display(description=_("shares kept by Agora"))
    def kept(self, order: Order) -> str:
        paid: Repayment | None = getattr(order, "repayment", None)
        return "–" if paid is None else plain(sales.kept(order))

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

    def has_propose_repayment_permission(
        self, request: HttpRequest, object_id: object = None
    ) -> bool:
        """Only of what is owed; the service asks again."""
        owed = Order.objects.filter(state=State.FAILED, filled_quantity__gt=0, repayment=None)
        allowed = request.user.has_perm("trading.resolve_order")
        return allowed and owed.filter(pk=str(object_id)).exists()

    @action(
        description=_("Propose its repayment"),
        url_path="propose-repayment",
        permissions=["propose_repayment"],
        dialog=dialog(
            _("Propose its repayment"),
            _(
                "Once the buyer has the money: what was paid. From then on the proof of reserve counts the "
                "shares as owed no more, but as kept by Agora. A second person decides; what is approved "
                "cannot be taken back."
            ),
            _("Propose"),
            RepaymentForm,
        ),
    )
    def propose_repayment(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return _propose(propose_repayment, request, form, object_id)

    def has_propose_sale_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Only of what was paid back; the service asks again."""
        allowed = request.user.has_perm("trading.resolve_order")
        return allowed and Repayment.objects.filter(pk=str(object_id)).exists()

    @action(
        description=_("Propose a sale"),
        url_path="propose-sale",
        permissions=["propose_sale"],
        dialog=dialog(
            _("Propose a sale"),
            _(
                "Once shares that Agora kept are sold at the broker, and their receipts are out of "
                "custody: the proof of reserve then counts them no more. A second person decides."
            ),
            _("Propose"),
            SaleForm,
        ),
    )
    def propose_sale(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return _propose(sales.propose_sale, request, form, object_id)

    def has_propose_sale_withdrawal_permission(
        self, request: HttpRequest, object_id: object = None
    ) -> bool:
        """Only where a sale is recorded; the service asks again."""
        allowed = request.user.has_perm("trading.resolve_order")
        return allowed and sales.recorded_sales().filter(repayment=str(object_id)).exists()

    @action(
        description=_("Propose to withdraw a sale"),
        url_path="propose-sale-withdrawal",
        permissions=["propose_sale_withdrawal"],
        dialog=dialog(
            _("Propose to withdraw a sale"),
            _(
                "For a sale that was recorded with a wrong id or quantity: its shares count as kept "
                "again, and it can be recorded anew. A second person decides."
            ),
            _("Propose"),
            SaleWithdrawalForm,
        ),
    )
    def propose_sale_withdrawal(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        return _propose(sales.propose_withdrawal, request, form, object_id)


def _propose(
    service: Callable[..., Proposal], request: HttpRequest, form: Any, object_id: str
) -> HttpResponse:
    return answer_dialog(
        request,
        lambda: service(
            order=Order.objects.get(pk=UUID(object_id)),
            **form.values,
            maker=request.user,
            now=timezone.now(),
        ),
        refusal=Refused,
        done=str(PROPOSED),
        back=reverse("admin:trading_order_change", args=[object_id]),
    )
