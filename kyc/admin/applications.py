"""Applications in the admin: read-only."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from agora.lib.admin import ReadOnlyAdmin
from kyc.models import Application


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin):
    list_display = ["id", "user", "country", "status", "tier", "submitted_at", "decided_by"]
    list_filter = ["status", "country", "tier", "submitted_at"]
    list_select_related = ["user", "tier"]
    search_fields = ["=id", "user__email"]
    date_hierarchy = "submitted_at"
    fields = [
        "id", "user", "country", "name_for_officers", "tax_id_for_officers", "status", "tier",
        "consent_version", "consent_hash", "consented_at", "submitted_at", "decided_at", "decided_by",
    ]  # fmt: skip

    @admin.display(description=_("full name"))
    def name_for_officers(self, application: Application) -> str:
        return application.full_name

    @admin.display(description=_("tax id"))
    def tax_id_for_officers(self, application: Application) -> str:
        return application.tax_id

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return self.fields
