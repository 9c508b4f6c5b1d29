"""Pages of API tokens: the list, a token with its uses, issuing, revoking (ID-1, AUD-1)."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.forms import TokenForm
from accounts.models import ApiToken
from accounts.reauthentication import recently_signed_in
from accounts.selectors import last_uses, token_for, uses_of
from accounts.token_store import TokenRefused, issue_token, revoke_token

USES_PER_PAGE = 50


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
                networks=form.networks_given(),
                now=now,
            )
        except TokenRefused as error:
            field = "days" if error.field == "expires_at" else error.field
            form.add_error(field if field in form.fields else None, str(error.message))
        else:
            context |= {"issued": token, "plaintext": plaintext, "form": TokenForm(user=user)}
    tokens = list(ApiToken.objects.filter(user=user, revoked_at__isnull=True))
    last = last_uses(tokens)
    context["tokens"] = [(token, last.get(token.pk)) for token in tokens]
    return render(request, "accounts/api_tokens.html", context, status=422 if form.errors else 200)


@login_required
@never_cache
@require_safe
def api_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """One token: what it may do, and each minute and address from which it was used or tried."""
    token = _token_or_404(request, token_id)
    page = Paginator(uses_of(token), USES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"token": token, "page": page, "now": timezone.now()}
    return render(request, "accounts/api_token.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def api_token_revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Ask before a token is revoked, then revoke it."""
    token = _token_or_404(request, token_id)
    if request.method != "POST":
        return render(request, "accounts/api_token_revoke.html", {"token": token})
    revoke_token(user=signed_in(request), token_id=token_id, now=timezone.now())
    messages.success(request, _("The token “%(name)s” no longer works.") % {"name": token.name})
    return redirect("api_tokens")


def _token_or_404(request: HttpRequest, token_id: UUID) -> ApiToken:
    try:
        return token_for(user=signed_in(request), token_id=token_id)
    except ApiToken.DoesNotExist as error:
        raise Http404 from error
