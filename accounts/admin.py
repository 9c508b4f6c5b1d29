"""People in the admin: read-only; tokens show their prefix, never a digest."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts.models import ApiToken, User, Wallet
from agora.lib.admin import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ["email", "is_active", "is_staff", "is_demo", "date_joined", "last_login"]
    list_filter = ["is_active", "is_staff", "is_demo", "date_joined"]
    search_fields = ["email", "=id"]
    ordering = ["-date_joined"]
    fields = [
        "id",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "is_demo",
        "date_joined",
        "last_login",
    ]

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        """No search by password: its hash could be guessed letter by letter."""
        return not lookup.startswith("password") and super().lookup_allowed(lookup, value, request)


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ["address", "user", "created_at", "verified_at"]
    list_select_related = ["user"]
    search_fields = ["address", "user__email"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = [
        "prefix",
        "name",
        "user",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]
    list_select_related = ["user"]
    search_fields = ["prefix", "name", "user__email"]
