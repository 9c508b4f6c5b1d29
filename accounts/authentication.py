"""How API requests prove who they are: a bearer token, and the scopes it carries."""

from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import oidc_tokens, token_brake, token_store
from accounts.middleware import remember_provider_token, remember_shown
from accounts.models import ApiToken, TokenUse, User
from accounts.oidc_tokens import ProviderToken
from accounts.second_factors import has_second_factor
from agora.lib.network import client_address
from agora.lib.problems import Problem

_REASONS = {
    "revoked": _("This API token has been revoked."),
    "expired": _("This API token has expired."),
    "inactive": _("This account is not active."),
    "network": _("This API token does not work from your network address."),
}


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer agr_…`, or a token of the configured OpenID Connect provider.

    Cookies mean nothing here, so no request can be forged. Raises Problem 429, before anything is
    looked up, for a network address that has failed too often (accounts.token_brake).
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken | ProviderToken] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _space, raw = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed(_("Use the Bearer scheme."))
        token_brake.refuse_closed(request._request)
        try:
            return self._prove(request, raw.strip())
        except AuthenticationFailed:
            token_brake.note_failure(request._request)
            raise

    def _prove(self, request: Request, raw: str) -> tuple[User, ApiToken | ProviderToken]:
        if oidc_tokens.is_one(raw):
            return _by_provider(raw, request)
        try:
            token = _look_up(raw, request)
        except token_store.InvalidToken as error:
            if error.token is not None:
                _shown(request, error.token, error.outcome)
            detail = _REASONS.get(error.reason, _("This API token is not valid."))
            raise AuthenticationFailed(detail) from error
        _shown(request, token, TokenUse.Outcome.USED)
        structlog.contextvars.bind_contextvars(user_id=str(token.user_id))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="agora"'


def _by_provider(raw: str, request: Request) -> tuple[User, ProviderToken]:
    try:
        token = oidc_tokens.authenticate(raw)
    except oidc_tokens.Refused as error:
        if error.shown is not None:
            remember_provider_token(request._request, error.shown)
        raise AuthenticationFailed(str(error.message)) from error
    remember_provider_token(request._request, token.shown)
    structlog.contextvars.bind_contextvars(user_id=str(token.user.pk))
    return token.user, token


def _shown(request: Request, token: ApiToken, outcome: str) -> None:
    structlog.contextvars.bind_contextvars(token_id=str(token.pk))
    remember_shown(request._request, token, outcome)


def _related(request: Request) -> tuple[str, ...]:
    """What the view will ask of the token's user (`Endpoint.related`)."""
    view = (request.parser_context or {}).get("view")
    return tuple(getattr(view, "related", ()))


def _look_up(raw: str, request: Request) -> ApiToken:
    """The look-up doubles as the connection's health check, which would be a round trip."""
    related, address = _related(request), client_address(request._request)

    def look() -> ApiToken:
        return token_store.authenticate(raw, timezone.now(), address=address, related=related)

    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return look()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        return look()


def user_of(request: Request) -> User:
    """The token's user; for views behind `HasScope`, which lets nobody else through."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def own_account(request: Request, user_id: UUID) -> User:
    """The token's user, if the address names them; else Problem 404: nobody learns who else is there."""
    user = user_of(request)
    if user.pk != user_id:
        raise Problem("not_found")
    return user


def has_method(view: Any, method: str) -> bool:
    """Whether the view answers this method; every APIView has an `options`, which ours do not offer."""
    return method.lower() in view.http_method_names and hasattr(view, method.lower())


class HasScope(BasePermission):
    """The token carries the scope that the view names for this method (`Endpoint.scopes`)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken | ProviderToken):
            return False  # DRF answers 401, as nobody is authenticated
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not has_method(view, method):
            return True  # 405 follows
        if (needed := view.scopes[method]) is not None:
            need_scope(request, needed)
        return True


def need_scope(request: Request, needed: str) -> None:
    """Raise Problem 403 unless the request's token has this scope, and its owner what that takes.

    For a view whose request turns out to need more than its method does.
    """
    token = request.auth
    assert isinstance(token, ApiToken | ProviderToken)  # noqa: S101
    if needed not in token.scopes:
        raise Problem(
            "insufficient_scope",
            extra={"required_scope": needed, "token_scopes": list(token.scopes)},
            headers={
                "WWW-Authenticate": f'Bearer realm="agora", error="insufficient_scope", '
                f'scope="{needed}"'
            },
        )
    if needed in token_store.GUARDED and not has_second_factor(user_of(request)):
        raise Problem("second_factor_missing")
