"""Account pages of our own: settings, the reader's choices and API tokens (ID-1)."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.forms import TokenForm
from accounts.models import ApiToken
from accounts.reauthentication import recently_signed_in
from accounts.selectors import wallet_of
from accounts.services import set_language
from accounts.token_store import TokenRefused, issue_token, revoke_token
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


@login_required
@recently_signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_tokens(request: HttpRequest) -> HttpResponse:
    """List and issue API tokens; a new one is shown in this answer only."""
    user, now = signed_in(request), timezone.now()
    form = TokenForm(request.POST or None, user=user)
    context: dict[str, object] = {"form": form, "now": now}
    if request.method == "POST" and form.is_valid():
        try:
            token, plaintext = issue_token(
                user=user,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(now=now),
                now=now,
            )
        except TokenRefused as error:
            form.add_error(error.field if error.field in form.fields else None, str(error.message))
        else:
            context |= {"issued": token, "plaintext": plaintext, "form": TokenForm(user=user)}
    context["tokens"] = ApiToken.objects.filter(user=user, revoked_at__isnull=True)
    return render(request, "accounts/api_tokens.html", context, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def api_token_revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Ask before a token is revoked, then revoke it."""
    user = signed_in(request)
    try:
        token = ApiToken.objects.get(pk=token_id, user=user)
    except ApiToken.DoesNotExist as error:
        raise Http404 from error
    if request.method != "POST":
        return render(request, "accounts/api_token_revoke.html", {"token": token})
    revoke_token(user=user, token_id=token_id, now=timezone.now())
    messages.success(request, _("The token “%(name)s” no longer works.") % {"name": token.name})
    return redirect("api_tokens")
