"""The officers' admin: django-unfold's site, entered through the same sign-in as everything else."""

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.models import User
from accounts.second_factors import has_second_factor


class AgoraAdminSite(UnfoldAdminSite):
    """No login form of its own: allauth's limits on guessing hold for officers too.

    Nobody gets in without a second factor. allauth asks for it at every sign-in once there is one,
    and the first one ends all other sessions, so that whoever has one has shown it in this session.
    """

    site_header = _("Agora back office")
    site_title = _("Agora")
    index_title = _("Overview")

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return (
            super().has_permission(request) and isinstance(user, User) and has_second_factor(user)
        )

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and user.is_staff and not has_second_factor(user):
            return redirect("second_factor_needed")
        if user.is_authenticated:
            # Signed in, but no officer.
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", resolve_url("admin:index")))
