"""The officers' admin: django-unfold's site, entered through the same sign-in as everything else."""

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class AgoraAdminSite(UnfoldAdminSite):
    """No login form of its own: allauth's limits on guessing hold for officers too."""

    site_header = _("Agora back office")
    site_title = _("Agora")
    index_title = _("Overview")

    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        if request.user.is_authenticated:
            # Signed in, but no officer.
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", resolve_url("admin:index")))
