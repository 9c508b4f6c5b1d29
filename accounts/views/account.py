"""Account pages of our own: settings and the reader's choices."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.selectors import wallet_of
from accounts.services import set_language
from agora.lib.pages import HIDE_BALANCES_COOKIE, THEME_COOKIE, THEMES, next_or

YEAR = 365 * 24 * 60 * 60


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Colours, language and hidden balances: kept in cookies, so they work before signing in.

    The language is kept with the account too: e-mails know no cookie.
    """
    if request.method != "POST":
        if not request.user.is_authenticated:
            return render(request, "accounts/preferences.html", {"wallet": None})
        return render(
            request, "accounts/preferences.html", {"wallet": wallet_of(signed_in(request))}
        )
    response = HttpResponseRedirect(next_or(request, reverse("preferences")))
    language = request.POST.get("language")
    if language in dict(settings.LANGUAGES):
        _remember(response, settings.LANGUAGE_COOKIE_NAME, str(language))
        if request.user.is_authenticated:
            set_language(user=signed_in(request), language=str(language))
    theme = request.POST.get("theme")
    if theme in THEMES:
        _remember(response, THEME_COOKIE, str(theme))
    hidden = request.POST.get("hide_balances")
    if hidden in {"0", "1"}:
        _remember(response, HIDE_BALANCES_COOKIE, str(hidden))
    return response


def _remember(response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=YEAR,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
