"""Exchange accounts in the admin: read-only, and their keys not at all."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, trail_link
from copytrade.models import ExchangeAccount
from copytrade.reasons import text_of
from copytrade.states import AccountState

_COLOURS = {
    AccountState.ACTIVE: "success",
    AccountState.PAUSED: "danger",
    AccountState.REMOVED: "info",
}


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(ReadOnlyAdmin):
    list_display = ["label", "user", "exchange", "status", "key_hint", "checked_at", "attention"]
    list_filter = ["state", "exchange", "attention", "can_withdraw", "ip_restricted"]
    list_select_related = ["user"]
    search_fields = ["=id", "user__email", "label"]
    search_help_text = _("Account id, e-mail address, name")
    fieldsets = [
        (None, {"fields": ["id", "user", "exchange", "label", "state", "why", "trail"]}),
        (_("Key"), {"fields": [
            "key_hint", "can_trade", "can_withdraw", "ip_restricted", "checked_at",
        ]}),
        (_("Ledger"), {"fields": ["opened_at", "proved_at"]}),
        (_("Work"), {"fields": [
            "failures", "blocked_until", "next_attempt_at", "attempts", "lease_until",
            "last_error", "attention", "created_at",
        ]}),
    ]  # fmt: skip

    trail = trail_link("exchange_account")

    @display(description=_("state"), ordering="state", label=_COLOURS)
    def status(self, account: ExchangeAccount) -> tuple[str, str]:
        return account.state, account.get_state_display()

    @admin.display(description=_("reason"))
    def why(self, account: ExchangeAccount) -> str:
        return str(text_of(account.state_reason)) if account.state_reason else "–"
