"""Signals and their legs in the admin: read-only; the answer to "why was this not copied?"."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from agora.lib.money import plain
from copytrade.models import CopyOrder, Signal
from copytrade.selectors.explain import explain_leg, headline
from copytrade.states import LegState

_LEG_COLOURS = {
    LegState.PLANNED: "info",
    LegState.SENDING: "info",
    LegState.WORKING: "info",
    LegState.FILLED: "success",
    LegState.DONE: "success",
    LegState.CANCELLED: "warning",
    LegState.SKIPPED: "warning",
    LegState.EXPIRED: "warning",
    LegState.REJECTED: "danger",
}


def list_link(model: str, text: object, **filters: object) -> str:
    """A link to the rows of another table that belong to this one."""
    address = reverse(f"admin:copytrade_{model}_changelist")
    query = urlencode({f"{name}__exact": str(value) for name, value in filters.items()})
    return format_html('<a href="{}?{}">{}</a>', address, query, text)


@admin.register(Signal)
class SignalAdmin(ReadOnlyAdmin):
    list_display = ["published", "strategy", "number", "kind", "symbol", "told", "copies"]
    list_filter = ["kind", "cause", "symbol", "created_at"]
    list_select_related = ["strategy"]
    search_fields = ["=id", "strategy__name", "=strategy__id", "=master_order__id"]
    search_help_text = _("Id of signal, strategy or master's order; strategy's name")
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-number"]
    fields = [
        "id", "strategy", "number", "kind", "cause", "told", "master_order", "subscription",
        "symbol", "side", "type", "reference", "so_far", "ordered", "held_before", "equity",
        "at", "created_at", "expires_at", "seed", "copies",
    ]  # fmt: skip
    readonly_fields = fields

    reference = decimal_column("price", _("reference price"))
    so_far = decimal_column("cumulative", _("quantity so far"))
    ordered = decimal_column("order_quantity", _("quantity of the order"))
    held_before = decimal_column("position_before", _("held before"))
    equity = decimal_column("equity_before", _("equity before"))

    @admin.display(description=_("published"), ordering="created_at")
    def published(self, signal: Signal) -> str:
        return f"{signal.created_at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    @admin.display(description=_("what happened"))
    def told(self, signal: Signal) -> str:
        return headline(signal)

    @admin.display(description=_("copies"))
    def copies(self, signal: Signal) -> str:
        return list_link("copyorder", _("What became of it"), signal__id=signal.pk)


@admin.register(CopyOrder)
class CopyOrderAdmin(ReadOnlyAdmin):
    list_display = [
        "planned", "subscription", "side", "symbol", "status", "reason", "done_of_ideal", "look",
    ]  # fmt: skip
    list_filter = ["state", "reason", "kind", "attention", "symbol", "created_at"]
    list_select_related = ["subscription__strategy", "subscription__follower"]
    search_fields = [
        "=id", "=signal__id", "=subscription__id", "=account__id", "client_order_id",
        "exchange_order_id",
    ]  # fmt: skip
    search_help_text = _("Id of leg, signal, subscription or account; order id of either side")
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    fieldsets = [
        (None, {"fields": [
            "id", "signal", "subscription", "account", "state", "answer", "reason", "trades", "trail",
        ]}),
        (_("Quantities"), {"fields": [
            "ideally", "in_limits", "in_steps", "sent_out", "matched", "paid", "brought",
        ]}),
        (_("Order"), {"fields": [
            "kind", "symbol", "side", "type", "limit", "leg", "rank", "client_order_id",
            "exchange_order_id", "created_at", "accepted_at", "updated_at",
        ]}),
        (_("Work"), {"fields": [
            "next_attempt_at", "attempts", "lease_until", "asked_at", "sends", "missed_lookups",
            "last_error", "attention",
        ]}),
    ]  # fmt: skip
    readonly_fields = ["asked_at", "sends", "missed_lookups"]

    ideally = decimal_column("ideal", _("ideal"))
    in_limits = decimal_column("clamped", _("within limits"))
    in_steps = decimal_column("rounded", _("rounded"))
    sent_out = decimal_column("sent", _("sent"))
    matched = decimal_column("filled", _("filled"))
    paid = decimal_column("quote_filled", _("paid or received"))
    brought = decimal_column("carried_in", _("brought in from before"))
    limit = decimal_column("price", _("limit price"))
    trail = trail_link("copy_order")

    @admin.display(description=_("planned"), ordering="created_at")
    def planned(self, leg: CopyOrder) -> str:
        return f"{leg.created_at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    @display(description=_("state"), ordering="state", label=_LEG_COLOURS)
    def status(self, leg: CopyOrder) -> tuple[str, str]:
        return leg.state, leg.get_state_display()

    @admin.display(description=_("filled of ideal"))
    def done_of_ideal(self, leg: CopyOrder) -> str:
        return f"{plain(leg.filled)} / {'–' if leg.ideal is None else plain(leg.ideal)}"

    @display(description=_("attention"), ordering="attention", label={"yes": "danger"})
    def look(self, leg: CopyOrder) -> "tuple[str, str] | str":
        return ("yes", str(_("needs a person"))) if leg.attention else "–"

    @admin.display(description=_("what became of it"))
    def answer(self, leg: CopyOrder) -> str:
        found = explain_leg(leg)
        return f"{found.outcome} {found.why}".strip()

    @admin.display(description=_("trades"))
    def trades(self, leg: CopyOrder) -> str:
        return list_link("fill", _("Its trades"), copy_order__id=leg.pk)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        linked = lookup in ("signal__id__exact", "subscription__id__exact")
        return linked or bool(super().lookup_allowed(lookup, value, request))
