"""Mint transactions in the admin: read-only, with every attempt that was signed."""

from django.contrib import admin
from unfold.admin import TabularInline

from agora.lib.admin import ReadOnlyAdmin
from tokens.models import MintAttempt, MintTx


class MintAttemptInline(TabularInline):
    model = MintAttempt
    extra = 0
    can_delete = False
    fields = ["number", "external_tx_id", "signing_tx_id", "tx_hash", "created_at", "broadcast_at"]
    readonly_fields = fields


@admin.register(MintTx)
class MintTxAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "reference",
        "units",
        "to_address",
        "state",
        "tx_hash",
        "block_number",
        "nonce",
        "created_at",
    ]
    list_filter = ["state", "chain_id", "created_at"]
    search_fields = [
        "=id",
        "=reference",
        "tx_hash",
        "broker_trade_id",
        "to_address",
        "attempts__tx_hash",
    ]
    date_hierarchy = "created_at"
    inlines = [MintAttemptInline]
