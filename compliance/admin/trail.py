"""The audit trail in the admin: read-only."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from agora.lib.admin import ReadOnlyAdmin
from compliance.models import AuditRow


@admin.register(AuditRow)
class AuditRowAdmin(ReadOnlyAdmin):
    list_display = ["moment", "actor", "action", "object_type", "object_id", "position"]
    list_filter = ["action", "object_type", "at"]
    list_select_related = ["seal"]
    search_fields = ["=uid", "actor", "action", "=object_id"]
    search_help_text = _("Object id, actor or action")
    date_hierarchy = "at"
    ordering = ["-id"]
    fields = [
        "uid", "at", "actor", "action", "object_type", "object_id", "evidence", "digest", "position",
    ]  # fmt: skip
    readonly_fields = fields

    @admin.display(description=_("at, UTC"), ordering="id")
    def moment(self, row: AuditRow) -> str:
        return f"{row.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]

    @admin.display(description=_("position in the chain"))
    def position(self, row: AuditRow) -> str:
        seal = getattr(row, "seal", None)
        return str(seal.position) if seal else str(_("not sealed yet"))

    @admin.display(description=_("row hash"))
    def digest(self, row: AuditRow) -> str:
        return bytes(row.row_hash).hex()
