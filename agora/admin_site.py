"""The officers' admin: django-unfold's site, entered through the same sign-in as everything else."""

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.reauthentication import ask_for_factor, has_shown_factor
from accounts.second_factors import has_second_factor


class AgoraAdminSite(UnfoldAdminSite):
    """No login form of its own: allauth's limits on guessing hold for officers too.

    Nobody gets in without a second factor that was shown in this very session: a session that began
    before there was one is asked for it at the door.
    """

    site_header = _("Agora back office")
    site_title = _("Agora")
    index_title = _("Overview")
    empty_value_display = "–"

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        if not super().has_permission(request) or not isinstance(user, User):
            return False
        return has_shown_factor(request, user) and has_second_factor(user)

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        user, target = request.user, request.GET.get("next", resolve_url("admin:index"))
        if not isinstance(user, User):
            return redirect_to_login(target)
        if user.is_staff and not has_second_factor(user):
            return redirect("second_factor_needed")
        if user.is_staff and not has_shown_factor(request, user):
            return ask_for_factor(request, user=user, target=target)
        # Signed in, but no officer.
        raise PermissionDenied

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The one page for that, which asks again, tells the person and ends other sessions."""
        return redirect("account_change_password")
