"""Subscriptions in the admin: read-only, with the positions they hold."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from copytrade.models import CopyPosition, Subscription
from copytrade.reasons import text_of
from copytrade.states import SubscriptionState

_COLOURS = {
    SubscriptionState.ACTIVE: "success",
    SubscriptionState.PAUSED: "warning",
    SubscriptionState.REDUCING: "danger",
    SubscriptionState.STOPPING: "warning",
    SubscriptionState.STOPPED: "info",
}


class Positions(TabularInline):
    """What the subscription holds."""

    model = CopyPosition
    fields = ["symbol", "quantity", "cost", "realized", "fees", "carried", "updated_at"]
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ["id", "follower", "strategy", "status", "capital", "created_at", "attention"]
    list_filter = ["state", "sizing", "minimum", "attention", "created_at"]
    list_select_related = ["follower", "strategy"]
    search_fields = ["=id", "follower__email", "strategy__name"]
    search_help_text = _("Subscription id, e-mail address, strategy")
    inlines = [Positions]
    fieldsets = [
        (None, {"fields": [
            "id", "follower", "strategy", "account", "state", "why", "attention", "trail",
        ]}),
        (_("Terms"), {"fields": [
            "sizing", "size", "capital", "symbols", "slippage_bps", "max_open", "minimum",
            "start", "on_stop", "stop_at", "version",
        ]}),
        (_("Work"), {"fields": [
            "next_attempt_at", "attempts", "lease_until", "last_error", "created_at",
            "updated_at", "stopped_at",
        ]}),
    ]  # fmt: skip

    capital = decimal_column("allocated", _("allocated, USDT"))
    size = decimal_column("factor", _("amount or factor"))
    stop_at = decimal_column("stop_equity", _("stop-loss at, USDT"))
    trail = trail_link("subscription")

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.state, subscription.get_state_display()

    @admin.display(description=_("reason"))
    def why(self, subscription: Subscription) -> str:
        reason = subscription.state_reason
        return str(text_of(reason)) if reason else "–"
