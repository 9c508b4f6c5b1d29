"""Mint transactions in the admin: read-only, with every attempt that was signed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, trail_link
from agora.lib.money import plain, shares_of
from tokens.models import MintAttempt, MintTx

State = MintTx.State


class MintAttemptInline(TabularInline):
    model = MintAttempt
    extra = 0
    can_delete = False
    fields = ["number", "external_tx_id", "signing_tx_id", "tx_hash", "created_at", "broadcast_at"]
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MintTx)
class MintTxAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "amount", "status", "tx_hash", "block_number", "nonce"]
    list_filter = ["state", "chain_id", "created_at"]
    search_fields = [
        "=id", "=reference", "tx_hash", "broker_trade_id", "to_address", "attempts__tx_hash",
    ]  # fmt: skip
    search_help_text = _("Order id, transaction hash, broker order id or wallet")
    date_hierarchy = "created_at"
    fields = [
        "id", "reference", "amount", "units", "to_address", "state", "broker_trade_id", "tx_hash",
        "block_number", "block_hash", "chain_id", "contract", "sender", "nonce", "created_at",
        "confirmed_at", "trail",
    ]  # fmt: skip
    inlines = [MintAttemptInline]

    trail = trail_link("mint_tx")

    @admin.display(description=_("amount, AAPL-RAT"), ordering="units")
    def amount(self, mint: MintTx) -> str:
        return plain(shares_of(int(mint.units)))

    @display(
        description=_("state"),
        ordering="state",
        label={State.PENDING: "info", State.CONFIRMED: "success", State.FAILED: "danger"},
    )
    def status(self, mint: MintTx) -> tuple[str, str]:
        return mint.state, mint.get_state_display()
