"""Custody records in the admin: read-only."""

from django.contrib import admin

from agora.lib.admin import ReadOnlyAdmin
from custody.models import CustodyRecord


@admin.register(CustodyRecord)
class CustodyRecordAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "reference",
        "quantity",
        "symbol",
        "state",
        "custody_tx_id",
        "created_at",
        "completed_at",
    ]
    list_filter = ["state", "symbol", "created_at"]
    search_fields = ["=id", "=reference", "custody_tx_id", "external_tx_id"]
    date_hierarchy = "created_at"
