"""Custody records in the admin: read-only."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from agora.lib.admin import ReadOnlyAdmin, decimal_column, trail_link
from custody.models import CustodyRecord

State = CustodyRecord.State


@admin.register(CustodyRecord)
class CustodyRecordAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "held", "symbol", "status", "custody_tx_id", "reference"]
    list_filter = ["state", "symbol", "created_at"]
    search_fields = ["=id", "=reference", "custody_tx_id", "external_tx_id"]
    search_help_text = _("Order id, custody transaction id or our external id")
    date_hierarchy = "created_at"
    fields = [
        "id", "reference", "held", "symbol", "state", "external_tx_id", "custody_tx_id",
        "vendor_status", "created_at", "completed_at", "trail",
    ]  # fmt: skip

    held = decimal_column("quantity", _("quantity"))
    trail = trail_link("custody_record")

    @display(
        description=_("state"),
        ordering="state",
        label={State.PENDING: "info", State.COMPLETED: "success", State.FAILED: "danger"},
    )
    def status(self, record: CustodyRecord) -> tuple[str, str]:
        return record.state, record.get_state_display()
