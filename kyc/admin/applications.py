"""Applications in the admin: read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agora.lib.admin import ReadOnlyAdmin
from compliance import audit
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

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Who is shown name and tax id leaves a row."""
        application = self.get_object(request, object_id or "")
        if application is not None and self.has_view_permission(request, application):
            audit.viewed(
                viewer=request.user,
                object_type="kyc_application",
                object_id=str(application.pk),
                fields=["full_name", "tax_id"],
                now=timezone.now(),
            )
        return super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description=_("full name"))
    def name_for_officers(self, application: Application) -> str:
        return application.full_name

    @admin.display(description=_("tax id"))
    def tax_id_for_officers(self, application: Application) -> str:
        return application.tax_id

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return self.fields
