"""Pages about signing in safely that allauth does not have."""

from collections.abc import Callable
from functools import wraps

import requests
from allauth.account import views as allauth_views
from allauth.account.models import EmailAddress
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount.providers.openid_connect import views as oidc
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.reauthentication import recently_signed_in
from accounts.second_factors import has_second_factor

View = Callable[[HttpRequest], HttpResponseBase]

# One transaction for the new password and what follows from it (accounts.sign_in_events): without it
# a failure in between would leave the old tokens alive, and the link of a reset used up.
change_password = transaction.atomic(allauth_views.password_change)
reset_password = transaction.atomic(allauth_views.password_reset_from_key)

# allauth lets people without password and second factor pass here unasked: those who only sign in by a
# provider. Ours has them sign in there once more.
choose_password = recently_signed_in(transaction.atomic(allauth_views.password_set))
e_mail_addresses = recently_signed_in(allauth_views.email)


def _with_confirmed_address(view: View) -> View:
    """Says what is missing, with a way there: a second factor locks out who cannot get a message."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        open_ones = EmailAddress.objects.filter(user=signed_in(request), verified=False)
        if not settings.MFA_ALLOW_UNVERIFIED_EMAIL and open_ones.exists():
            return render(request, "accounts/email_to_confirm.html", status=403)
        return view(request)

    return guarded


set_up_app = recently_signed_in(_with_confirmed_address(totp.activate_totp))
add_passkey = recently_signed_in(_with_confirmed_address(webauthn.add_webauthn))


@login_required
@require_safe
def second_factor_needed(request: HttpRequest) -> HttpResponse:
    """Why the back office is still closed to an officer, and what opens it."""
    if has_second_factor(signed_in(request)):
        return redirect("mfa_index")
    return render(request, "accounts/second_factor_needed.html")


@login_required
@require_POST
def session_end(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign out one other session of the person's own."""
    session = UserSession.objects.filter(pk=session_id, user=signed_in(request)).first()
    if session is None or session.is_current():
        raise Http404
    get_adapter().end_sessions([session])
    messages.success(request, _("That session is signed out."))
    return redirect("usersessions_list")


def provider_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send somebody to the provider by a page instead of a redirect.

    The pages' policy lets a form lead to this site only, and browsers hold that against redirects.
    """
    try:
        response: HttpResponse = oidc.login(request, provider_id)
    except requests.RequestException:
        return render(request, "socialaccount/authentication_error.html", status=503)
    if request.method != "POST" or response.status_code != 302:
        return response
    return render(request, "socialaccount/leaving.html", {"target": response.headers["Location"]})
