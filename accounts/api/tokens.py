"""API of tokens (ID-1): issue one for e-mail and password, list them and their uses, revoke."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, token_store
from accounts.authentication import BearerAuthentication, user_of
from accounts.models import ApiToken, TokenUse, User
from accounts.second_factors import TooManyCodes, WrongCode, check_code, has_second_factor
from agora.lib import rest
from agora.lib.openapi import PAGES
from agora.lib.problems import Problem, retry_after, wrong

DEFAULT_DAYS = 90
SCOPE_CHOICES = [(scope, scope) for scope in token_store.SCOPES]
OUTCOME_CHOICES = [(value, value) for value in TokenUse.Outcome.values]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes our tokens."""

    target_class = BearerAuthentication
    match_subclasses = True
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "agr_<prefix>_<secret>",
            "description": "A token of `/api/v1/token/issue` or of the account page.",
        }


class TokenRequest(rest.StrictSerializer):
    """What to issue, and the credentials of the account it is for."""

    email = rest.Text(max_length=254)
    password = rest.Text(max_length=1024, trim_whitespace=False)
    code = rest.Text(
        max_length=32,
        required=False,
        help_text="Of the authenticator app, or a recovery code: needed by accounts that have a "
        "second factor.",
    )
    name = rest.Text(max_length=80, help_text="What you will recognise the token by.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPE_CHOICES),
        min_length=1,
        max_length=len(token_store.SCOPES),
        help_text="`read` looks, `trade` onboards, orders and keeps the address book, `copy` copies, "
        "`security` uses another wallet and widens risk limits, `admin` is for staff. The last two "
        "need a second factor; a token with `security` lives for a day at most, with `admin` for 7.",
    )
    expires_in_days = serializers.IntegerField(
        min_value=1,
        max_value=token_store.LONGEST.days,
        required=False,
        help_text=f"{DEFAULT_DAYS} without it, or as many as the scopes allow.",
    )
    networks = serializers.ListField(
        child=rest.Text(max_length=60),
        max_length=token_store.MOST_NETWORKS,
        default=list,
        help_text="Addresses, or networks in CIDR form, from which it works; empty: from anywhere.",
    )


class TokenIssued(serializers.Serializer[Any]):
    """The token; `token` itself is shown this once."""

    token = serializers.CharField()
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPE_CHOICES))
    networks = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class TokenView(serializers.Serializer[Any]):
    """A token without its secret, which is not kept."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPE_CHOICES))
    networks = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute or so.")


class TokenPage(rest.Page):
    """A page of tokens."""

    results = TokenView(many=True)


class TokenUseView(serializers.Serializer[Any]):
    """A token's uses within one minute from one address with one outcome; the last of them."""

    minute = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=OUTCOME_CHOICES)
    count = serializers.IntegerField(min_value=1)
    address = serializers.CharField(allow_null=True)
    method = serializers.CharField()
    endpoint = serializers.CharField(help_text="Name of the endpoint, never the path.")
    status = serializers.IntegerField()
    last_at = serializers.DateTimeField()


class TokenUsePage(rest.Page):
    """A page of uses."""

    results = TokenUseView(many=True)


class RevokeRequest(rest.StrictSerializer):
    """Which token to revoke; without `token_id` the one that the request carries."""

    token_id = serializers.UUIDField(required=False)


class TokenRevoked(serializers.Serializer[Any]):
    """A token that opens nothing any more."""

    id = serializers.UUIDField()
    prefix = serializers.CharField()
    revoked_at = serializers.DateTimeField()


_EXAMPLE = OpenApiExample(
    "A token that may read and order",
    value={
        "email": "ana@example.com",
        "password": "correct horse battery staple",
        "name": "my script",
        "scopes": ["read", "trade"],
        "expires_in_days": 30,
    },
    request_only=True,
)


class IssueToken(rest.Endpoint):
    """Issue a token for an e-mail address and its password."""

    authentication_classes = ()
    permission_classes = ()
    rates: ClassVar = {"POST": "token"}

    @extend_schema(
        operation_id="issue_token",
        tags=["tokens"],
        request=TokenRequest,
        responses={201: TokenIssued},
        examples=[_EXAMPLE],
        summary="Issue an API token",
        description="Attempts are limited by network address and by account before any hashing. "
        "Accounts with a second factor send a `code` too; one with passkeys only sends a recovery "
        "code, or issues its tokens on the page.",
    )
    def post(self, request: Request) -> Response:
        asked = rest.validated(TokenRequest, request)
        user = _signed_in(request._request, email=asked["email"], password=asked["password"])
        now = timezone.now()
        about = {
            "name": asked["name"],
            "scopes": asked["scopes"],
            "expires_at": now + timedelta(days=_days(asked)),
            "networks": asked["networks"],
            "now": now,
        }
        try:
            # A code works once: one is not spent on what would be refused anyway.
            token_store.check_asked(**about)
            _check_second_factor(user, code=asked.get("code", ""))
            token, raw = token_store.issue_token(user=user, **about)
        except token_store.TokenRefused as error:
            if error.code == "too_many_tokens":
                raise Problem(error.code, detail=error.message) from error
            field = "expires_in_days" if error.field == "expires_at" else error.field
            raise wrong(field, error.message, code=error.code) from error
        return Response(_issued(token, raw), status=HTTPStatus.CREATED)


class RevokeToken(rest.Endpoint):
    """Revoke the token of the request, or another one of its owner."""

    rates: ClassVar = {"POST": "trade"}
    scopes: ClassVar = {"POST": None}

    @extend_schema(
        operation_id="revoke_token",
        tags=["tokens"],
        request=RevokeRequest,
        responses={200: TokenRevoked},
        summary="Revoke an API token",
        description="Needs no scope: giving up a right is always allowed.",
    )
    def post(self, request: Request) -> Response:
        asked = rest.validated(RevokeRequest, request)
        # A provider's token is not ours to revoke: it says which of ours it means.
        token_id: UUID | None = asked.get("token_id", getattr(request.auth, "pk", None))
        if token_id is None:
            raise Problem("not_found")
        try:
            token = token_store.revoke_token(
                user=user_of(request), token_id=token_id, now=timezone.now()
            )
        except ApiToken.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(
            {
                "id": str(token.pk),
                "prefix": token.prefix,
                "revoked_at": rest.moment(token.revoked_at),
            }
        )


class Tokens(rest.Endpoint):
    """The tokens of the token's owner."""

    http_method_names = ("get", "head")
    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_tokens",
        tags=["tokens"],
        parameters=PAGES,
        responses={200: TokenPage},
        summary="List your API tokens, newest first",
        description="Revoked and expired ones too. The secret is not kept, so it is not shown.",
    )
    def get(self, request: Request) -> Response:
        found = ApiToken.objects.filter(user=user_of(request))
        return rest.NewestFirst.listed(found, request, _token_json)


class _LatestFirst(rest.NewestFirst):
    ordering = ("-last_at", "-id")


class TokenUses(rest.Endpoint):
    """The uses of one token."""

    http_method_names = ("get", "head")
    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_token_uses",
        tags=["tokens"],
        parameters=PAGES,
        responses={200: TokenUsePage},
        summary="List the uses of one of your API tokens, newest first",
        description=(
            "A row for each minute and network address, and for each way in which an attempt with "
            "the token's prefix was refused. Rows are written within a minute or so."
        ),
    )
    def get(self, request: Request, token_id: UUID) -> Response:
        try:
            token = selectors.token_for(user=user_of(request), token_id=token_id)
        except ApiToken.DoesNotExist as error:
            raise Problem("not_found") from error
        return _LatestFirst.listed(selectors.uses_of(token), request, _use_json)


def _days(asked: dict[str, Any]) -> int:
    usual = min(DEFAULT_DAYS, token_store.longest(asked["scopes"]).days)
    return int(asked.get("expires_in_days", usual))


def _token_json(token: ApiToken) -> dict[str, object]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "networks": token.networks,
        "created_at": rest.moment(token.created_at),
        "expires_at": rest.moment(token.expires_at),
        "revoked_at": rest.moment(token.revoked_at),
        "last_used_at": rest.moment(token.last_used_at),
    }


def _use_json(use: TokenUse) -> dict[str, object]:
    return {
        "minute": rest.moment(use.minute),
        "outcome": use.outcome,
        "count": use.count,
        "address": use.address,
        "method": use.method,
        "endpoint": use.route.removeprefix("api:"),
        "status": use.status,
        "last_at": rest.moment(use.last_at),
    }


def _signed_in(request: HttpRequest, *, email: str, password: str) -> User:
    """The active user of these credentials; raises Problem 401, 403 or 429.

    allauth counts the attempt before it hashes, and hashes for unknown addresses too.
    """
    try:
        user = get_adapter(request).authenticate(request, email=email, password=password)
    except ValidationError as error:
        raise Problem("rate_limited", headers=retry_after(300)) from error
    if not isinstance(user, User) or not user.is_active:
        raise Problem("bad_credentials")
    mandatory = settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"
    if mandatory and not EmailAddress.objects.filter(user=user, verified=True).exists():
        raise Problem("email_unverified", detail=_("Confirm your e-mail address first."))
    return user


def _check_second_factor(user: User, *, code: str) -> None:
    """Ask accounts with a second factor for a code; raises Problem 401 or 429."""
    if not has_second_factor(user):
        return
    if not code:
        raise Problem("second_factor_required")
    try:
        check_code(user=user, code=code)
    except TooManyCodes as error:
        raise Problem("rate_limited", headers=retry_after(300)) from error
    except WrongCode as error:
        raise Problem("bad_second_factor") from error


def _issued(token: ApiToken, raw: str) -> dict[str, object]:
    return {
        "token": raw,
        "id": str(token.pk),
        "user_id": str(token.user_id),
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "networks": token.networks,
        "created_at": rest.moment(token.created_at),
        "expires_at": rest.moment(token.expires_at),
    }
