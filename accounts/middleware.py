"""After a request of the API: its token's use is noted, once it is known what became of it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts import token_uses
from accounts.models import ApiToken, TokenUse
from accounts.oidc_tokens import Shown
from agora.lib.network import client_address

Handler = Callable[[HttpRequest], HttpResponseBase]
_SHOWN = "_token_shown"
_OF_PROVIDER = "_provider_token_shown"


def remember_shown(request: HttpRequest, token: ApiToken, outcome: str) -> None:
    """Have the use of a token noted when the request is answered."""
    setattr(request, _SHOWN, (token, outcome))


def remember_provider_token(request: HttpRequest, shown: Shown) -> None:
    """Have the use of a provider's token noted when the request is answered."""
    setattr(request, _OF_PROVIDER, shown)


def note_token_uses(get_response: Handler) -> Handler:
    """Notes the use of the token that the request has shown, if any (AUD-1)."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        shown: tuple[ApiToken, str] | None = getattr(request, _SHOWN, None)
        if shown is not None:
            token, outcome = shown
            token_uses.note(token, _use(request, response, outcome=outcome))
        provided: Shown | None = getattr(request, _OF_PROVIDER, None)
        if provided is not None:
            use = _use(request, response, outcome=provided.outcome)
            token_uses.note_of_provider(provided, use)
        return response

    return middleware


def _use(request: HttpRequest, response: HttpResponseBase, *, outcome: str) -> token_uses.Use:
    # Whoever knows a prefix can try secrets from any address: without it that is a row a minute.
    wrong = outcome == TokenUse.Outcome.WRONG_SECRET
    address, match = None if wrong else client_address(request), request.resolver_match
    return token_uses.Use(
        outcome=outcome,
        method=str(request.method)[:10],
        route=match.view_name or match.route if match else "",
        status=response.status_code,
        address=str(address) if address else None,
        at=timezone.now(),
    )
