"""Strategies and their track records in the admin: read-only; masters change them by services."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from copytrade.models import NavPoint, Strategy, TrackRecord
from copytrade.states import StrategyState

_COLOURS = {
    StrategyState.ACTIVE: "success",
    StrategyState.PAUSED: "warning",
    StrategyState.DELETED: "info",
}


class TrackRecordInline(TabularInline):
    """The figures of each period, under their strategy."""

    model = TrackRecord
    extra = 0
    can_delete = False
    fields = ["period", "return_", "profit", "drawdown", "ratio", "won", "trades", "computed_at"]
    readonly_fields = fields

    return_ = decimal_column("roi", _("return"))
    profit = decimal_column("pnl", _("profit and loss"))
    drawdown = decimal_column("max_drawdown", _("largest drawdown"))
    ratio = decimal_column("sharpe", _("Sharpe ratio"))
    won = decimal_column("win_rate", _("winning trades"))

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Strategy)
class StrategyAdmin(ReadOnlyAdmin):
    list_display = [
        "name", "master", "status", "is_public", "followers", "copied", "polled_at", "attention",
        "is_demo",
    ]  # fmt: skip
    list_filter = ["state", "attention", "is_public", "is_demo", "style", "exchange"]
    list_select_related = ["master"]
    search_fields = ["=id", "master__email", "name"]
    search_help_text = _("Strategy id, the master's e-mail address, name")
    inlines = [TrackRecordInline]
    fieldsets = [
        (None, {"fields": ["id", "name", "master", "account", "state", "trail"]}),
        (_("Terms"), {"fields": [
            "description", "symbols", "style", "copy_on", "smallest", "max_followers", "is_public",
        ]}),
        (_("Followers"), {"fields": ["copiers", "copied", "signal_count"]}),
        (_("Work"), {"fields": [
            "polled_at", "next_attempt_at", "attempts", "lease_until", "last_error", "attention",
            "is_demo", "created_at", "updated_at",
        ]}),
    ]  # fmt: skip
    readonly_fields = ["copiers", "signal_count"]

    trail = trail_link("strategy")
    copied = decimal_column("aum", _("copied capital"))
    smallest = decimal_column("min_equity", _("smallest allocation"))

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, strategy: Strategy) -> tuple[str, str]:
        return strategy.state, strategy.get_state_display()

    @admin.display(description=_("followers"), ordering="copiers")
    def followers(self, strategy: Strategy) -> str:
        return f"{strategy.copiers} / {strategy.max_followers}"


@admin.register(NavPoint)
class NavPointAdmin(ReadOnlyAdmin):
    list_display = ["day", "strategy", "unit", "worth", "net_flows"]
    list_select_related = ["strategy"]
    search_fields = ["=strategy__id", "strategy__name"]
    search_help_text = _("Strategy id, name")
    ordering = ["-day", "-id"]
    fields = ["strategy", "day", "unit", "worth", "net_flows", "holdings"]

    unit = decimal_column("nav", _("unit value"))
    worth = decimal_column("equity", _("equity"))
    net_flows = decimal_column("flows", _("deposits less withdrawals"))
