"""Tokens of the configured OpenID Connect provider on the API: what is taken, and what is not."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts import oidc_tokens, token_uses
from accounts.models import User
from accounts.oidc_tokens import Shown
from accounts.providers import provider_id
from accounts.second_factors import add_authenticator_app
from accounts.token_uses import Use
from compliance.models import AuditRow
from tests import oidc
from tests.api.conftest import Answer, Api, assert_problem
from tests.oidc import Provider
from tests.people import TOTP_SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with oidc.running() as running:
        settings.OIDC_ISSUER = running.issuer
        settings.OIDC_CLIENT_ID = oidc.CLIENT_ID
        settings.OIDC_API_AUDIENCE = oidc.AUDIENCE
        settings.OIDC_API_SCOPES = ["read", "trade"]
        yield running


@pytest.fixture
def linked(provider: Provider, user: User) -> User:
    SocialAccount.objects.create(user=user, provider=provider_id(), uid="person-1")
    return user


def orders(api: Api, token: str) -> Answer:
    api.headers["Authorization"] = f"Bearer {token}"
    return api.get("/api/v1/orders")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_token_signed_by_a_published_key_opens_its_account(
    anybody: Api, provider: Provider, linked: User, alg: str
) -> None:
    assert orders(anybody, provider.token(alg=alg)).status == 200


def test_keys_are_fetched_once_for_many_requests(
    anybody: Api, provider: Provider, linked: User
) -> None:
    for _request in range(3):
        orders(anybody, provider.token())

    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]


def test_made_up_key_ids_do_not_have_the_keys_fetched_again_and_again(
    anybody: Api, provider: Provider, linked: User
) -> None:
    for number in range(5):
        assert orders(anybody, provider.token(kid=f"made-up-{number}")).status == 401

    assert provider.asked.count("/jwks") <= 2


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"nbf": 9_999_999_999},
        {"sub": "a stranger"},
        {"sub": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_opens_nothing(
    anybody: Api, provider: Provider, linked: User, changes: dict[str, Any]
) -> None:
    assert_problem(orders(anybody, provider.token(**changes)), 401, "unauthenticated")


def test_a_token_that_somebody_else_signed_opens_nothing(
    anybody: Api, provider: Provider, linked: User
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert orders(anybody, provider.token(key=other)).status == 401


def test_the_public_key_is_no_password(anybody: Api, provider: Provider, linked: User) -> None:
    """The old trick: signing by HMAC with the public key as its secret."""
    public = provider.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = provider.token().split(".")[1]
    forged = jwt.encode({}, "x" * 64, algorithm="HS256", headers={"kid": "RS256"}).split(".")[0]
    digest = hmac.new(public, f"{forged}.{body}".encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")

    assert orders(anybody, f"{forged}.{body}.{signature}").status == 401


def test_an_unsigned_token_opens_nothing(anybody: Api, provider: Provider, linked: User) -> None:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": "RS256"})  # type: ignore[arg-type]

    assert orders(anybody, unsigned).status == 401


def test_scopes_are_those_that_token_and_settings_share(
    anybody: Api, provider: Provider, linked: User
) -> None:
    anybody.headers["Authorization"] = f"Bearer {provider.token(scope='admin trade')}"

    answer = anybody.get("/api/v1/orders")

    assert_problem(answer, 403, "insufficient_scope")
    assert answer.body["token_scopes"] == ["trade"]


def test_a_token_without_scopes_may_nothing(anybody: Api, provider: Provider, linked: User) -> None:
    assert_problem(orders(anybody, provider.token(scope=None)), 403, "insufficient_scope")


def test_an_inactive_account_stays_closed(anybody: Api, provider: Provider, linked: User) -> None:
    User.objects.filter(pk=linked.pk).update(is_active=False)

    assert_problem(orders(anybody, provider.token()), 401, "unauthenticated")


def test_the_second_factor_is_not_gone_round(
    anybody: Api, provider: Provider, linked: User
) -> None:
    add_authenticator_app(user=linked, secret=TOTP_SECRET)

    refused = orders(anybody, provider.token())
    assert_problem(refused, 401, "unauthenticated")
    assert "second factor" in refused.body["detail"]
    assert orders(anybody, provider.token(amr=["pwd", "mfa"])).status == 200


def test_no_such_token_is_taken_without_an_audience(
    anybody: Api, provider: Provider, linked: User, settings: Settings
) -> None:
    settings.OIDC_API_AUDIENCE = ""

    assert orders(anybody, provider.token()).status == 401
    assert provider.asked == []


def test_a_provider_that_is_away_is_no_fault_of_the_caller(
    anybody: Api, provider: Provider, linked: User
) -> None:
    provider.is_away = True

    answer = orders(anybody, provider.token())

    assert_problem(answer, 503, "unavailable")
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize("known", [False, True], ids=["discovery", "keys"])
def test_a_provider_that_is_away_is_not_asked_for_every_token(
    anybody: Api, provider: Provider, linked: User, known: bool
) -> None:
    if known:
        oidc_tokens._discovered(provider.issuer)
    provider.is_away = True
    before = len(provider.asked)

    answers = [orders(anybody, provider.token()) for _request in range(3)]

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert len(provider.asked) == before + 1


def test_keys_fetched_a_moment_ago_hold_while_the_provider_is_away(
    anybody: Api, provider: Provider, linked: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_tokens, "_DISCOVERED_FOR", 1e-9)
    assert orders(anybody, provider.token()).status == 200
    provider.is_away = True

    answers = [orders(anybody, provider.token()) for _request in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    asked = "/.well-known/openid-configuration"
    assert provider.asked == [asked, "/jwks", asked]


def test_keys_that_were_fetched_hold_when_the_provider_is_found_anew(
    anybody: Api, provider: Provider, linked: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_tokens, "_DISCOVERED_FOR", 1e-9)

    for _request in range(2):
        assert orders(anybody, provider.token()).status == 200

    assert provider.asked.count("/jwks") == 1


def test_a_provider_that_calls_itself_otherwise_is_not_believed(
    anybody: Api, provider: Provider, linked: User
) -> None:
    token = provider.token()
    provider.issuer = "https://evil.example"

    assert orders(anybody, token).status == 503


def test_a_providers_token_revokes_our_own_only_by_name(
    anybody: Api, provider: Provider, linked: User
) -> None:
    anybody.headers["Authorization"] = f"Bearer {provider.token()}"

    assert_problem(anybody.post("/api/v1/token/revoke", {}, key=None), 404, "not_found")


def test_clocks_may_differ_by_some_seconds(anybody: Api, provider: Provider, linked: User) -> None:
    now = int(time.time())

    assert orders(anybody, provider.token(nbf=now + 5, iat=now + 5)).status == 200
    assert orders(anybody, provider.token(exp=now - 5)).status == 200


def test_the_use_of_a_token_is_in_the_trail_once(
    anybody: Api, provider: Provider, linked: User
) -> None:
    token = provider.token()
    for _request in range(3):
        orders(anybody, token)

    row = AuditRow.objects.get(action="provider_token.used")
    assert (row.actor, row.object_id) == (f"user:{linked.pk}", str(linked.pk))
    assert (row.evidence["route"], row.evidence["status"]) == ("api:orders", 200)
    assert token not in str(row.evidence)
    orders(anybody, provider.token(jti="another"))
    assert AuditRow.objects.filter(action="provider_token.used").count() == 2


def test_a_use_that_could_not_be_written_is_noted_with_the_next(user: User) -> None:
    shown = Shown(user=user, digest="0" * 64, outcome="used")
    use = Use("used", "GET", "\0", 200, None, timezone.now())  # what no row can hold
    with transaction.atomic():
        token_uses.note_of_provider(shown, use)
        transaction.set_rollback(True)

    token_uses.note_of_provider(shown, replace(use, route="api:orders"))

    assert AuditRow.objects.get(action="provider_token.used").evidence["route"] == "api:orders"


@pytest.mark.parametrize("outcome", ["unconfirmed", "inactive", "second_factor"])
def test_a_refused_token_about_somebody_is_in_the_trail(
    anybody: Api, provider: Provider, linked: User, outcome: str
) -> None:
    if outcome == "inactive":
        User.objects.update(is_active=False)
    elif outcome == "second_factor":
        add_authenticator_app(user=linked, secret=TOTP_SECRET)

    assert orders(anybody, provider.token(email_verified=outcome != "unconfirmed")).status == 401

    row = AuditRow.objects.get(action="provider_token.refused")
    assert (row.object_id, row.evidence["outcome"]) == (str(linked.pk), outcome)
    assert row.evidence["status"] == 401


def test_what_the_provider_did_not_sign_leaves_no_trace(
    anybody: Api, provider: Provider, linked: User
) -> None:
    orders(anybody, provider.token(aud="somebody-else"))
    orders(anybody, provider.token(sub="a stranger"))

    assert not AuditRow.objects.exists()
