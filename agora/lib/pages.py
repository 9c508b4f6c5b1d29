"""What every page shares: its context, its form renderer and the rules of htmx fragments."""

from collections.abc import Callable
from functools import wraps
from typing import IO, Concatenate, ParamSpec

from django.conf import settings
from django.forms.renderers import TemplatesSetting
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

P = ParamSpec("P")

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"
HIDE_BALANCES_COOKIE = "hide_balances"
LOCAL_CHAINS = frozenset({1337, 31337})


class PageRenderer(TemplatesSetting):
    """Draws Django and allauth forms with our field template; widgets need no classes."""

    form_template_name = "agora/forms/form.html"
    field_template_name = "agora/forms/field.html"


def page_context(request: HttpRequest) -> dict[str, object]:
    """Template context of every page: the reader's choices and what this installation is."""
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return {
        "theme": theme if theme in THEMES else "auto",
        "hide_balances": request.COOKIES.get(HIDE_BALANCES_COOKIE) == "1",
        "chain_name": settings.CHAIN_NAME,
        "chain_is_local": settings.CHAIN_ID in LOCAL_CHAINS,
        "explorer_url": settings.CHAIN_EXPLORER_URL,
    }


def fragment(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A view that htmx calls from a page: only for people signed in, never kept by a cache.

    A session that ended meanwhile reloads the page, which then leads to the sign-in form; a redirect
    would be followed by the script and put that form inside the page.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        response = view(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return wrapped


def next_or(request: HttpRequest, default: str) -> str:
    """Where a posted form wants to go next, if that is on this site; else ``default``."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return default


def private_image(jpeg: bytes) -> HttpResponse:
    """A picture for the reader's eyes only: no cache keeps it, no other site shows it."""
    response = HttpResponse(jpeg, content_type="image/jpeg")
    response["Cache-Control"] = "no-store"
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def attachment(file: IO[bytes], *, name: str, content_type: str) -> FileResponse:
    """A file to be saved, never kept by a cache; closed once it is sent."""
    response = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
