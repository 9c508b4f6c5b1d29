"""API tokens: issued once, stored as a digest, scoped, expiring, revocable (ID-1)."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.db import connection
from django.middleware.security import SecurityMiddleware
from django.test.utils import CaptureQueriesContext

from accounts import token_store
from accounts.models import ApiToken, User
from accounts.second_factors import add_authenticator_app
from accounts.token_store import InvalidToken, TokenRefused, issue_token, revoke_token
from compliance.models import AuditRow
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.people import TOTP_SECRET, current_code, new_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


def issue(user: User, **changes: Any) -> tuple[ApiToken, str]:
    values: dict[str, Any] = {
        "name": "laptop",
        "scopes": ["read"],
        "expires_at": NOW + timedelta(days=30),
        "now": NOW,
    }
    return issue_token(user=user, **{**values, **changes})


def actions() -> list[str]:
    return list(AuditRow.objects.order_by("id").values_list("action", flat=True))


def test_token_opens_its_account(user: User) -> None:
    token, raw = issue(user)
    assert raw.startswith(f"agr_{token.prefix}_")
    assert len(token.prefix) == 12
    assert token_store.authenticate(raw, NOW).user == user


def test_only_a_digest_is_stored(user: User) -> None:
    token, raw = issue(user)
    secret = raw.rpartition("_")[2]
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert secret not in str(row)
    assert secret.encode() not in bytes(row["digest"])
    assert len(bytes(row["digest"])) == 32


def test_digest_depends_on_the_pepper(user: User, settings: Any) -> None:
    _token, raw = issue(user)
    settings.TOKEN_PEPPER = "another"
    with pytest.raises(InvalidToken):
        token_store.authenticate(raw, NOW)


def test_wrong_secret_opens_nothing(user: User) -> None:
    token, raw = issue(user)
    wrong = raw[:-1] + ("a" if raw[-1] != "a" else "b")
    with pytest.raises(InvalidToken) as caught:
        token_store.authenticate(wrong, NOW)
    assert caught.value.reason == "unknown"
    token.refresh_from_db()
    assert token.last_used_at is None


def test_reason_is_told_only_to_who_holds_the_secret(user: User) -> None:
    token, raw = issue(user)
    revoke_token(user=user, token_id=token.pk, now=NOW)
    with pytest.raises(InvalidToken, match="revoked"):
        token_store.authenticate(raw, NOW)
    with pytest.raises(InvalidToken, match="unknown"):
        token_store.authenticate(raw[:-3] + "xyz", NOW)


@pytest.mark.parametrize(
    "raw",
    ["", "agr_", "agr_short_x", "x" * 10_000, "agr_" + "a" * 12 + "_" + "ü" * 43, "\x00" * 60],
)
def test_malformed_token_costs_no_query(user: User, raw: str) -> None:
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        pytest.raises(InvalidToken),
    ):
        token_store.authenticate(raw, NOW)
    assert len(queries) == 0


def test_token_expires(user: User) -> None:
    _token, raw = issue(user, expires_at=NOW + timedelta(seconds=1))
    token_store.authenticate(raw, NOW)
    with pytest.raises(InvalidToken, match="expired"):
        token_store.authenticate(raw, NOW + timedelta(seconds=1))


def test_inactive_account_has_no_tokens(user: User) -> None:
    _token, raw = issue(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(InvalidToken, match="inactive"):
        token_store.authenticate(raw, NOW)


def test_without_expiry_it_lives_a_year(user: User) -> None:
    token, _raw = issue(user, expires_at=None)
    assert token.expires_at == NOW + timedelta(days=365)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": "  "}),
        ("name", {"name": "x" * 81}),
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["read", "root"]}),
        ("scopes", {"scopes": ["admin"], "expires_at": NOW + timedelta(days=1)}),
        ("scopes", {"scopes": ["trade", "security"], "expires_at": NOW + timedelta(days=1)}),
        ("expires_at", {"expires_at": NOW}),
        ("expires_at", {"expires_at": NOW + timedelta(days=366)}),
    ],
)
def test_refused_token_stores_nothing(user: User, field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused) as caught:
        issue(user, **changes)
    assert caught.value.field == field
    assert not ApiToken.objects.exists()
    assert actions() == []


@pytest.mark.parametrize(
    ("scopes", "days"),
    [(["trade", "security"], 1), (["read", "admin"], 7), (["security", "admin"], 1)],
)
def test_what_is_done_without_further_proof_is_for_a_short_time(
    scopes: list[str], days: int
) -> None:
    officer = new_user(is_staff=True)

    token, _raw = issue(officer, scopes=scopes, expires_at=None)
    assert token.expires_at == NOW + timedelta(days=days)
    with pytest.raises(TokenRefused) as caught:
        issue(officer, scopes=scopes, expires_at=NOW + timedelta(days=days, seconds=1))
    assert caught.value.field == "expires_at"


def test_staff_may_hold_the_scope_admin() -> None:
    token, _raw = issue(new_user(is_staff=True), scopes=["admin", "read"], expires_at=None)
    assert token.scopes == ["read", "admin"]


def test_number_of_tokens_is_bounded(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_store, "MOST_ACTIVE", 2)
    first, _raw = issue(user)
    issue(user)
    with pytest.raises(TokenRefused, match="too_many_tokens"):
        issue(user)
    revoke_token(user=user, token_id=first.pk, now=NOW)
    issue(user)


def test_issue_and_revoke_are_in_the_audit_trail(user: User) -> None:
    token, raw = issue(user)
    revoke_token(user=user, token_id=token.pk, now=NOW)
    revoke_token(user=user, token_id=token.pk, now=NOW + timedelta(days=1))
    assert actions() == ["token.issued", "token.revoked"]
    token.refresh_from_db()
    assert token.revoked_at == NOW
    assert raw.rpartition("_")[2] not in str(list(AuditRow.objects.values()))


def test_strangers_cannot_revoke(user: User) -> None:
    token, raw = issue(user)
    with pytest.raises(ApiToken.DoesNotExist):
        revoke_token(user=new_user(), token_id=token.pk, now=NOW)
    assert token_store.authenticate(raw, NOW).pk == token.pk


def test_looking_a_token_up_writes_nothing(user: User) -> None:
    token, raw = issue(user)
    with CaptureQueriesContext(connection) as queries:
        token_store.authenticate(raw, NOW)
    assert len(queries) == 1
    token.refresh_from_db()
    assert token.last_used_at is None


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["203.0.113.7"], ["203.0.113.7/32"]),
        ([" 2001:DB8:0::/48 ", "2001:db8::/48"], ["2001:db8::/48"]),
        (["10.0.0.0/8", "203.0.113.0/24"], ["10.0.0.0/8", "203.0.113.0/24"]),
        ([], []),
    ],
)
def test_networks_have_one_form(user: User, given: list[str], stored: list[str]) -> None:
    token, _raw = issue(user, networks=given)
    token.refresh_from_db()
    assert token.networks == stored


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (["203.0.113.7/24"], "203.0.113.0/24"),
        (["0.0.0.0/0"], "0.0.0.0/0"),
        (["::/0"], "::/0"),
        (["example.com"], "example.com"),
        ([""], "no address"),
        (["203.0.113.7", "203.0.113.300"], "203.0.113.300"),
        ([f"10.0.0.{n}" for n in range(21)], "at most 20"),
    ],
)
def test_wrong_networks_issue_nothing(user: User, networks: list[str], words: str) -> None:
    with pytest.raises(TokenRefused) as refusal:
        issue(user, networks=networks)
    assert refusal.value.field == "networks"
    assert words in str(refusal.value.message)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        ("203.0.113.9", True),
        ("203.0.114.9", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
    ],
)
def test_a_bound_token_works_from_its_networks_only(
    user: User, address: str | None, opens: bool
) -> None:
    _token, raw = issue(user, networks=["203.0.113.0/24", "2001:db8::/48"])
    where = ip_address(address) if address else None
    if opens:
        assert token_store.authenticate(raw, NOW, address=where).user == user
        return
    with pytest.raises(InvalidToken, match="network"):
        token_store.authenticate(raw, NOW, address=where)


# --- over HTTP


def ask(api: Api, user: User, *, path: str = "/api/v1/token/issue", **changes: object) -> Answer:
    body = {"email": user.email, "password": PASSWORD, "name": "laptop", "scopes": ["read"]}
    return api.post(path, {**body, **changes}, key=None)


def test_security_is_asked_for_with_a_code_and_lives_a_day(anybody: Api, member: User) -> None:
    add_authenticator_app(user=member, secret=TOTP_SECRET)
    asked: dict[str, Any] = {"scopes": ["trade", "security"], "code": current_code()}

    answer = ask(anybody, member, **asked, expires_in_days=2)
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/expires_in_days"]
    codes = RecoveryCodes.activate(member).generate_codes()
    assert ask(anybody, member, **{**asked, "code": codes[0]}).status == 201
    token = ApiToken.objects.get()
    assert token.expires_at == token.created_at + timedelta(days=1)


def test_a_password_alone_tells_nothing_of_who_may_hold_which_token(
    anybody: Api, member: User
) -> None:
    add_authenticator_app(user=member, secret=TOTP_SECRET)

    assert_problem(ask(anybody, member, scopes=["admin"]), 401, "second_factor_required")
    assert_problem(ask(anybody, member, scopes=["admin"], code=current_code()), 422, "invalid")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"scopes": ["security"], "expires_in_days": 2},
        {"networks": ["nowhere"]},
    ],
)
def test_no_recovery_code_is_spent_on_a_token_that_is_refused(
    anybody: Api, member: User, wrong: dict[str, Any]
) -> None:
    add_authenticator_app(user=member, secret=TOTP_SECRET)
    code = RecoveryCodes.activate(member).generate_codes()[0]

    assert ask(anybody, member, code=code, **wrong).status == 422
    assert ask(anybody, member, code=code).status == 201


def test_beside_the_api_too_a_failure_is_a_problem_and_told_as_the_apis(
    anybody: Api, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(anybody, member, path="/token/issue", password="wrong")
    assert AuditRow.objects.get(action="sign_in.failed").evidence["by"] == "api"
    assert_problem(anybody.get("/token/elsewhere"), 404, "not_found")

    monkeypatch.setattr(SecurityMiddleware, "process_response", lambda *_given: 1 / 0)
    assert_problem(ask(anybody, member, path="/token/issue"), 500, "internal_error")


@pytest.fixture
def member() -> User:
    user = new_user(password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def test_issue_by_password(anybody: Api, member: User) -> None:
    answer = ask(anybody, member)
    assert answer.status == 201
    assert answer.body["user_id"] == str(member.pk)
    anybody.headers["Authorization"] = f"Bearer {answer.body['token']}"
    assert anybody.get("/api/v1/orders").status == 200


def test_the_same_is_at_the_sites_root(anybody: Api, member: User) -> None:
    answer = ask(anybody, member, path="/token/issue")
    assert answer.status == 201
    anybody.headers["Authorization"] = f"Bearer {answer.body['token']}"
    assert anybody.post("/token/revoke", {}, key=None).status == 200
    assert anybody.get("/api/v1/orders").status == 401
    assert_problem(anybody.post("/token/revoke", {}, key=None), 401, "unauthenticated")
    assert_problem(
        ask(anybody, member, path="/token/issue", password="wrong"), 401, "bad_credentials"
    )


def test_networks_over_http(anybody: Api, member: User) -> None:
    answer = ask(anybody, member, networks=["203.0.113.7/24"])
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/networks"]
    answer = ask(anybody, member, networks=["203.0.113.7"])
    assert answer.body["networks"] == ["203.0.113.7/32"]
    anybody.headers["Authorization"] = f"Bearer {answer.body['token']}"
    refusal = assert_problem(anybody.get("/api/v1/orders"), 401, "unauthenticated")
    assert "network address" in refusal["detail"]
    anybody.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    assert anybody.get("/api/v1/orders").status == 200


def test_tokens_are_listed_without_their_secrets(api: Api, stranger: Api) -> None:
    answer = api.get("/api/v1/tokens")
    assert answer.status == 200
    (token,) = answer.body["results"]
    assert token["prefix"] == api.token.split("_")[1]
    assert (token["scopes"], token["networks"]) == (["read", "trade", "copy"], [])
    assert api.token.split("_")[2].encode() not in answer.raw


def test_wrong_password_and_unknown_address_look_the_same(anybody: Api, member: User) -> None:
    wrong = ask(anybody, member, password="wrong")
    unknown = ask(anybody, member, email="nobody@example.com")
    for answer in (wrong, unknown):
        assert_problem(answer, 401, "bad_credentials")
        answer.body.pop("request_id")
    assert wrong.body == unknown.body
    assert not ApiToken.objects.exists()


def test_unconfirmed_address_gets_no_token(anybody: Api, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert_problem(ask(anybody, new_user(password=PASSWORD)), 403, "email_unverified")


def test_inactive_account_gets_no_token(anybody: Api, member: User) -> None:
    User.objects.filter(pk=member.pk).update(is_active=False)
    assert_problem(ask(anybody, member), 401, "bad_credentials")


def test_guessing_is_stopped_before_hashing(
    anybody: Api, member: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.API_RATES = {**settings.API_RATES, "token": 3}
    for _attempt in range(3):
        assert ask(anybody, member, password="wrong").status == 401

    def hashed(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a password was hashed")

    monkeypatch.setattr(User, "check_password", hashed)
    answer = ask(anybody, member)
    assert_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Remaining"] == "0"


def test_forwarded_address_does_not_reset_the_count(
    anybody: Api, member: User, settings: Any
) -> None:
    settings.API_RATES = {**settings.API_RATES, "token": 1}
    ask(anybody, member, password="wrong")
    anybody.headers["X-Forwarded-For"] = "203.0.113.9"
    assert_problem(ask(anybody, member), 429, "rate_limited")


def test_no_guessing_while_redis_is_away(anybody: Api, member: User, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert_problem(ask(anybody, member), 503, "unavailable")


def test_reading_goes_on_while_redis_is_away(api: Api, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert api.get("/api/v1/orders").status == 200


def test_admin_scope_is_refused_over_http(anybody: Api, member: User) -> None:
    answer = ask(anybody, member, scopes=["admin"])
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/scopes"]


def test_revoke_itself(api: Api) -> None:
    answer = api.post("/api/v1/token/revoke", {}, key=None)
    assert answer.status == 200
    after = api.get("/api/v1/orders")
    assert_problem(after, 401, "unauthenticated")
    assert "revoked" in after.body["detail"]


def test_revoke_another_of_ones_own(api: Api) -> None:
    other = Api(api.user)
    token = ApiToken.objects.exclude(prefix=api.token.split("_")[1]).get()
    assert api.post("/api/v1/token/revoke", {"token_id": str(token.pk)}, key=None).status == 200
    assert other.get("/api/v1/orders").status == 401
    assert api.get("/api/v1/orders").status == 200


@pytest.mark.parametrize("known", [True, False])
def test_revoke_of_a_strangers_token_is_not_found(api: Api, stranger: Api, known: bool) -> None:
    token = ApiToken.objects.get(user=stranger.user)
    token_id = str(token.pk if known else uuid4())
    answer = api.post("/api/v1/token/revoke", {"token_id": token_id}, key=None)
    assert_problem(answer, 404, "not_found")
    assert stranger.get("/api/v1/orders").status == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer x y", "Bearer agr_x_y", "Token abc"]
)
def test_bad_authorization_header(anybody: Api, header: str) -> None:
    assert_problem(anybody.get("/api/v1/orders", Authorization=header), 401, "unauthenticated")


def test_session_opens_nothing_here(anybody: Api, user: User) -> None:
    anybody.client.force_login(user)
    assert_problem(anybody.get("/api/v1/orders"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/orders", "read"),
        ("POST", "/api/v1/orders", "trade"),
        ("GET", "/api/v1/orders/6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11", "read"),
        ("GET", "/api/v1/quotes/AAPL", "read"),
        ("GET", "/api/v1/users/onboard", "read"),
        ("POST", "/api/v1/users/onboard", "trade"),
        ("GET", "/api/v1/users/6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11/balance", "read"),
    ],
)
def test_scope_is_needed(user: User, method: str, path: str, scope: str) -> None:
    others = tuple(name for name in ("read", "trade", "copy") if name != scope)
    answer = Api(user, scopes=others).call(method, path, {}, headers={"Idempotency-Key": "k"})
    body = assert_problem(answer, 403, "insufficient_scope")
    assert body["required_scope"] == scope
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


def test_rate_is_told(api: Api, settings: Any) -> None:
    settings.API_RATES = {**settings.API_RATES, "read": 2}
    first, second, third = (api.get("/api/v1/orders") for _call in range(3))
    assert [first.headers["RateLimit-Remaining"], second.headers["RateLimit-Remaining"]] == [
        "1",
        "0",
    ]
    assert_problem(third, 429, "rate_limited")
