"""API tokens and their uses in the admin: read-only; a token's prefix, never its digest."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from accounts.models import ApiToken, TokenUse
from agora.lib.admin import ReadOnlyAdmin, trail_link


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = [
        "prefix", "name", "user", "created_at", "expires_at", "revoked_at", "last_used_at",
    ]  # fmt: skip
    list_select_related = ["user"]
    search_fields = ["=id", "prefix", "name", "user__email"]
    fields = [
        "id", "user", "name", "prefix", "scopes", "networks", "created_at", "expires_at",
        "revoked_at", "last_used_at", "trail",
    ]  # fmt: skip
    readonly_fields = fields

    trail = trail_link("api_token")


@admin.register(TokenUse)
class TokenUseAdmin(ReadOnlyAdmin):
    list_display = [
        "last_at", "token", "owner", "shown_outcome", "count", "method", "route", "status", "address",
    ]  # fmt: skip
    list_filter = ["outcome", "last_at"]
    list_select_related = ["token__user"]
    search_fields = ["=token__id", "token__prefix", "=address", "token__user__email"]
    search_help_text = _("Token's id or prefix, network address, e-mail address")
    fields = [
        "token", "minute", "outcome", "address", "count", "method", "route", "status", "last_at",
    ]  # fmt: skip
    readonly_fields = fields
    actions_list = ["export_uses"]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("compliance.export_auditrow")

    @action(description=_("Export"), url_path="export", permissions=["export"])
    def export_uses(self, request: HttpRequest) -> HttpResponse:
        """The form of exports, which the trail and uses share."""
        form = reverse("admin:compliance_auditrow_export_trail")
        return HttpResponseRedirect(f"{form}?kind=token-uses")

    @admin.display(description=_("user"))
    def owner(self, use: TokenUse) -> str:
        return use.token.user.email

    @display(description=_("outcome"), ordering="outcome", label={"used": "success"})
    def shown_outcome(self, use: TokenUse) -> tuple[str, str]:
        return use.outcome, use.get_outcome_display()
