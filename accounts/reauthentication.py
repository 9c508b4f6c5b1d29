"""Showing once more who one is, before pages that could do lasting harm in a stranger's hands.

Somebody who finds an open browser, or steals its cookie, must not get exchange keys, API tokens, the
wallet or the address book with it. Signing in counts as showing; so does confirming on allauth's
pages. Who has a second factor shows that: a password may be known to somebody else.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from accounts.access import signed_in
from accounts.models import User
from accounts.second_factors import has_second_factor

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

# A form that was opened in time may take as long again to fill in.
_FORM_FACTOR = 2


def recently_signed_in(view: View[P]) -> View[P]:
    """A view for people who have shown within REAUTHENTICATION_SECONDS who they are.

    Anybody else confirms it first and comes back to this page by GET. What a form sent too late
    would do is not done, and never kept for later: it may hold secrets.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if has_shown_recently(request):
            return view(request, *args, **kwargs)
        return ask(request)

    return guarded


def has_shown_recently(request: HttpRequest) -> bool:
    """Whether the person of this session has shown in time who they are; one query."""
    limit: int = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    if request.method not in ("GET", "HEAD"):
        limit *= _FORM_FACTOR
    return _seconds_since_shown(request) <= limit


def ask(request: HttpRequest) -> HttpResponse:
    """Lead to the page where it is confirmed, and from there to this one by GET."""
    is_read = request.method in ("GET", "HEAD")
    if not is_read:
        messages.info(
            request, _("It has been a while. Confirm that it is you, then send it again.")
        )
    target = request.get_full_path() if is_read else request.path
    address = f"{_where(request)}{urlencode({'next': target})}"
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=401, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def signed_in_now(request: HttpRequest, user: User) -> None:
    """Note in the session that its owner has just signed in."""
    record_authentication(request, user, "sign_in", reauthenticated=True)


def factor_shown(request: HttpRequest, user: User, *, type: str) -> None:  # noqa: A002
    """Note in the session that its owner has just shown a new second factor of this type."""
    record_authentication(request, user, "mfa", type=type, reauthenticated=True)


def has_shown_factor(request: HttpRequest, user: User) -> bool:
    """Whether a second factor was shown in this session."""
    return any(
        record.get("method") == "mfa" for record in get_authentication_records(request, user)
    )


def ask_for_factor(request: HttpRequest, *, user: User, target: str) -> HttpResponse:
    """Lead somebody who has a second factor to show it, and then to the target."""
    methods = get_adapter().get_reauthentication_methods(user)
    return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': target})}")


def _seconds_since_shown(request: HttpRequest) -> float:
    user = signed_in(request)
    # A session may be older than the factor: nothing that it has shown tells who began it.
    by_factor = has_second_factor(user)
    records = get_authentication_records(request, user)
    shown = [r["at"] for r in records if not by_factor or r.get("method") == "mfa"]
    return time.time() - max(shown) if shown else float("inf")


def _where(request: HttpRequest) -> str:
    """The page to confirm on; people who only sign in by a provider sign in there once more."""
    methods = get_adapter().get_reauthentication_methods(request.user)
    if methods:
        return f"{methods[0]['url']}?"
    account = SocialAccount.objects.filter(user=request.user).first()
    if account is None:
        raise PermissionDenied
    again = urlencode({"process": "login", "auth_params": "prompt=login"})
    return f"{reverse('openid_connect_login', args=[account.provider])}?{again}&"
