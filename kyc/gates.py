"""Who may pass to pages that need an approved application."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.access import signed_in
from kyc.selectors import is_approved

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def approved_required(view: View[P]) -> View[P]:
    """Only for people signed in and approved; others are led to sign-in or to the onboarding page."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not is_approved(signed_in(request)):
            query = urlencode({"next": request.path}) if request.method == "GET" else ""
            return HttpResponseRedirect(f"{reverse('onboarding')}?{query}".rstrip("?"))
        return view(request, *args, **kwargs)

    return login_required(wrapped)
