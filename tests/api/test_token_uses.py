"""Every use of a token is noted, refused ones too, without a write for each request (AUD-1)."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import erasure, token_uses
from accounts.models import ApiToken, TokenUse, User
from accounts.token_store import issue_token, revoke_token
from accounts.token_uses import Use
from tests.api.conftest import Api, assert_problem
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 22, 8, 0, 30, tzinfo=UTC)


def token_of(api: Api) -> ApiToken:
    return ApiToken.objects.get(prefix=api.token.split("_")[1])


def new_token(user: User) -> ApiToken:
    token, _raw = issue_token(
        user=user, name="test", scopes=["read"], expires_at=None, now=timezone.now()
    )
    return token


def use(token: ApiToken, *, seconds: float = 0, **changes: Any) -> None:
    values: dict[str, Any] = {
        "outcome": "used",
        "method": "GET",
        "route": "api:orders",
        "status": 200,
        "address": "203.0.113.7",
        "at": START + timedelta(seconds=seconds),
    }
    token_uses.note(ApiToken.objects.get(pk=token.pk), Use(**{**values, **changes}))


def lines(token: ApiToken) -> list[tuple[Any, ...]]:
    found = TokenUse.objects.filter(token=token).order_by("minute", "outcome", "address")
    return list(found.values_list("minute__minute", "outcome", "address", "count"))


def test_a_use_tells_when_where_what_for_and_what_became_of_it(api: Api) -> None:
    api.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    before = timezone.now()
    assert api.get("/api/v1/orders/6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11").status == 404

    noted = TokenUse.objects.get()
    assert noted.token == token_of(api)
    assert (noted.method, noted.route, noted.status) == ("GET", "api:order", 404)
    assert (noted.outcome, noted.address, noted.count) == ("used", "203.0.113.7", 1)
    assert before <= noted.last_at <= timezone.now()
    assert token_of(api).last_used_at == noted.last_at


def test_further_uses_within_a_minute_write_nothing(api: Api) -> None:
    api.get("/api/v1/orders")
    with CaptureQueriesContext(connection) as queries:
        api.get("/api/v1/orders")
    assert not [q for q in queries if "accounts_tokenuse" in q["sql"]]


def test_uses_are_counted_and_written_with_the_next_of_another_minute(user: User) -> None:
    token = new_token(user)
    for seconds in (0, 1, 2, 29, 30, 59):
        use(token, seconds=seconds)
    assert lines(token) == [(0, "used", "203.0.113.7", 1)]

    use(token, seconds=60, route="api:quote", status=429)

    assert lines(token) == [(0, "used", "203.0.113.7", 4), (1, "used", "203.0.113.7", 3)]
    newest = TokenUse.objects.filter(token=token).order_by("-last_at")[0]
    assert (newest.route, newest.status) == ("api:quote", 429)
    token.refresh_from_db()
    assert token.last_used_at == START + timedelta(seconds=60)


def test_another_address_has_a_line_of_its_own(user: User) -> None:
    token = new_token(user)
    for address in ("203.0.113.7", "2001:db8::1", None, None):
        use(token, address=address)
    use(token, seconds=60)

    assert set(lines(token)) == {
        (0, "used", "203.0.113.7", 1),
        (0, "used", "2001:db8::1", 1),
        (0, "used", None, 2),
        (1, "used", "203.0.113.7", 1),
    }


def test_a_write_takes_other_tokens_counts_along(user: User) -> None:
    busy, other = new_token(user), new_token(user)
    use(busy)
    use(busy, seconds=1)
    use(other, seconds=2)

    assert lines(busy) == [(0, "used", "203.0.113.7", 2)]
    busy.refresh_from_db()
    assert busy.last_used_at == START + timedelta(seconds=1)


def test_counts_of_a_token_that_is_gone_are_dropped(user: User) -> None:
    gone, other = new_token(user), new_token(user)
    use(gone)
    use(gone, seconds=1)
    gone.delete()
    use(other, seconds=2)

    assert TokenUse.objects.count() == 1


def test_of_who_is_erased_no_use_is_written_any_more(user: User) -> None:
    erased, other = new_token(user), new_token(new_user())
    use(erased)
    use(erased, seconds=1)
    with transaction.atomic():
        erasure.hold(user=user)
        erasure.close(user=user, now=START)

    use(erased, seconds=2, outcome="revoked", status=401)
    use(other, seconds=3)

    assert [use.token for use in TokenUse.objects.all()] == [other]


def test_what_could_not_be_written_is_counted_still(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token(user)

    def fails(_lines: object) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(token_uses, "_write", fails)
        use(token)
    assert lines(token) == []
    use(token, seconds=60)

    assert lines(token) == [(0, "used", "203.0.113.7", 1), (1, "used", "203.0.113.7", 1)]


@pytest.mark.parametrize("outcome", ["wrong_secret", "revoked", "expired", "inactive", "network"])
def test_refused_attempts_with_a_known_prefix_are_noted(
    api: Api, anybody: Api, outcome: str
) -> None:
    token, raw = token_of(api), api.token
    if outcome == "wrong_secret":
        raw = raw[:-1] + ("a" if raw[-1] != "a" else "b")
    elif outcome == "revoked":
        revoke_token(user=token.user, token_id=token.pk, now=timezone.now())
    elif outcome == "expired":
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif outcome == "inactive":
        User.objects.filter(pk=token.user_id).update(is_active=False)
    else:
        ApiToken.objects.update(networks=["203.0.113.7/32"])
    anybody.headers["Authorization"] = f"Bearer {raw}"
    assert_problem(anybody.get("/api/v1/orders"), 401, "unauthenticated")

    noted = TokenUse.objects.get()
    assert (noted.token, noted.outcome, noted.status) == (token, outcome, 401)
    assert token_of(api).last_used_at is None


def test_a_flood_of_wrong_secrets_is_one_write_a_minute(user: User) -> None:
    token = new_token(user)
    with CaptureQueriesContext(connection) as queries:
        for second in range(60):
            use(token, seconds=second / 2, outcome="wrong_secret", status=401)
    assert sum("accounts_tokenuse" in query["sql"] for query in queries) == 1
    use(token, seconds=61, outcome="wrong_secret", status=401)

    assert sum(count for *_key, count in lines(token)) == 61


def test_what_is_no_tokens_prefix_leaves_no_trace(anybody: Api) -> None:
    anybody.headers["Authorization"] = "Bearer agr_" + "a" * 12 + "_" + "b" * 43
    assert anybody.get("/api/v1/orders").status == 401
    assert not TokenUse.objects.exists()


def test_every_request_is_in_the_access_log_with_its_token(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="agora.access"):
        for _each in range(3):
            api.get("/api/v1/orders")
    told = [r.msg for r in caplog.records if r.name == "agora.access" and isinstance(r.msg, dict)]

    mine = [line for line in told if line.get("token_id") == str(token_of(api).pk)]
    assert [line["route"] for line in mine] == ["api:orders"] * 3


def test_the_owner_reads_the_uses(api: Api, stranger: Api) -> None:
    api.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    api.get("/api/v1/orders")
    path = f"/api/v1/tokens/{token_of(api).pk}/uses"

    (line,) = api.get(path).body["results"]

    assert line["endpoint"] == "orders"
    assert (line["outcome"], line["count"], line["status"]) == ("used", 1, 200)
    assert (line["method"], line["address"]) == ("GET", "203.0.113.7")
    assert_problem(stranger.get(path), 404, "not_found")


@pytest.mark.django_db(transaction=True)
def test_counts_written_at_once_are_added_up() -> None:
    users = [new_user() for _each in range(4)]
    tokens = [new_token(user) for user in users]

    def write(number: int) -> None:
        order = tokens if number % 2 else tokens[::-1]
        last = Use("used", "GET", "api:orders", 200, None, START + timedelta(seconds=number))
        token_uses._write(
            [
                ((t.pk, START.replace(second=0), "used", None), token_uses._Line(1, last))
                for t in order
            ]
        )

    answers = at_once(8, write)

    assert answers == [None] * 8
    for token in tokens:
        assert lines(token) == [(0, "used", None, 8)]
