"""Exchange accounts over the API (SUB-1)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from agora.lib.models import IdempotencyKey
from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.models import ExchangeAccount
from copytrade.replication import pausing
from tests.api.conftest import Api, assert_problem, pointers
from tests.copying import new_account, new_key, new_strategy, sandbox_key

pytestmark = pytest.mark.django_db

PATH = "/api/v1/copy/accounts"


@pytest.fixture
def control(sandbox: SandboxControl, settings: Settings) -> Iterator[SandboxControl]:
    settings.API_RATES = {**settings.API_RATES, "key": 0}
    runner.close()
    yield sandbox
    runner.close()


def body(key: tuple[str, str], **changes: Any) -> dict[str, Any]:
    right = {"exchange": "binance", "label": "Main", "api_key": key[0], "secret": key[1]}
    return {**right, **changes}


def test_an_account_is_connected(api: Api, control: SandboxControl) -> None:
    _label, key = sandbox_key(control)
    answer = api.post(PATH, body(key))
    assert answer.status == 201, answer.raw
    made = ExchangeAccount.objects.get(user=api.user)
    assert answer.headers["Location"] == f"{PATH}/{made.pk}"
    assert answer.body["key_hint"] == key[0][-4:]
    assert (answer.body["can_withdraw"], answer.body["ip_restricted"]) == (False, False)
    assert key[0].encode() not in answer.raw
    assert key[1].encode() not in answer.raw


def test_a_repeat_with_the_same_key_connects_once(api: Api, control: SandboxControl) -> None:
    _label, key = sandbox_key(control)
    first, again = (api.post(PATH, body(key), key="one") for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ExchangeAccount.objects.count() == 1


def test_the_stored_answer_holds_no_secret(api: Api, control: SandboxControl) -> None:
    _label, key = sandbox_key(control)
    api.post(PATH, body(key))
    kept = IdempotencyKey.objects.get()
    assert key[0] not in kept.body
    assert key[1] not in kept.body


@pytest.mark.parametrize(
    ("rights", "code"),
    [
        ({"withdraw": True}, "key_can_withdraw"),
        ({"trade": False}, "key_no_permission"),
        ({"revoked": True}, "key_invalid"),
    ],
)
def test_a_key_that_cannot_be_used(
    api: Api, control: SandboxControl, rights: dict[str, Any], code: str
) -> None:
    answer = api.post(PATH, body(sandbox_key(control, **rights)[1]))
    assert_problem(answer, 422, code)
    assert pointers(answer) == ["#/api_key"]
    assert not ExchangeAccount.objects.exists()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"api_key": ""}, "#/api_key"),
        ({"api_key": "short"}, "#/api_key"),
        ({"api_key": 5}, "#/api_key"),
        ({"api_key": None}, "#/api_key"),
        ({"secret": "short"}, "#/secret"),
        ({"secret": ["x"]}, "#/secret"),
        ({"label": ""}, "#/label"),
        ({"label": "x" * 61}, "#/label"),
        ({"exchange": "mtgox"}, "#/exchange"),
        ({"passphrase": "x"}, "#/passphrase"),
    ],
)
def test_a_wrong_member_is_pointed_to(
    api: Api, control: SandboxControl, changes: dict[str, Any], where: str
) -> None:
    answer = api.post(PATH, body(new_key(), **changes))
    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == [where]
    assert not ExchangeAccount.objects.exists()


def test_the_exchange_may_be_away(api: Api, control: SandboxControl) -> None:
    control.fault("GET /binance/sapi/v1/account/apiRestrictions", "status", status=503)
    answer = api.post(PATH, body(sandbox_key(control)[1]))
    assert_problem(answer, 503, "exchange_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_key_is_connected_once(api: Api, stranger: Api, control: SandboxControl) -> None:
    _label, key = sandbox_key(control)
    api.post(PATH, body(key))
    assert_problem(stranger.post(PATH, body(key)), 409, "key_known")


def test_keys_are_not_tried_at_will(api: Api, control: SandboxControl, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 1}
    api.post(PATH, body(new_key()))
    answer = api.post(PATH, body(new_key()))
    assert_problem(answer, 429, "rate_limited")
    assert "Retry-After" in answer.headers


def test_the_list_is_ones_own_and_without_removed_ones(api: Api, stranger: Api) -> None:
    assert api.user is not None
    assert stranger.user is not None
    kept = new_account(user=api.user)
    new_account(user=api.user, state="REMOVED")
    new_account(user=stranger.user)
    answer = api.get(PATH)
    assert [each["id"] for each in answer.body["results"]] == [str(kept.pk)]


def test_pages_follow_a_cursor(api: Api) -> None:
    assert api.user is not None
    for _ in range(3):
        new_account(user=api.user)
    first = api.get(f"{PATH}?page_size=2")
    assert len(first.body["results"]) == 2
    rest = api.get(first.body["next"].removeprefix("http://testserver"))
    assert len(rest.body["results"]) == 1


def test_renaming_and_removing(api: Api) -> None:
    assert api.user is not None
    account = new_account(user=api.user)
    path = f"{PATH}/{account.pk}"
    assert api.call("PATCH", path, {"label": "Savings"}).body["label"] == "Savings"
    assert_problem(api.call("PATCH", path, {"label": " "}), 422, "invalid")
    assert api.call("DELETE", path).body["state"] == "REMOVED"
    assert_problem(api.get(path), 404, "not_found")
    assert_problem(api.call("DELETE", path), 404, "not_found")


def test_an_account_in_use_is_not_removed() -> None:
    strategy = new_strategy()
    master = Api(strategy.master)
    answer = master.call("DELETE", f"{PATH}/{strategy.account_id}")
    assert_problem(answer, 409, "account_in_use")


def test_replacing_the_key_resumes(api: Api, control: SandboxControl) -> None:
    assert api.user is not None
    account = new_account(user=api.user)
    pausing.pause(account=account, reason="key_invalid", now=timezone.now())
    _label, key = sandbox_key(control)
    answer = api.post(f"{PATH}/{account.pk}/key", {"api_key": key[0], "secret": key[1]})
    assert (answer.status, answer.body["state"]) == (200, "ACTIVE")
    assert answer.body["key_hint"] == key[0][-4:]


def test_resuming_checks_the_key_again(api: Api, control: SandboxControl) -> None:
    assert api.user is not None
    label, key = sandbox_key(control)
    account = new_account(user=api.user, key=key)
    path = f"{PATH}/{account.pk}/resume"
    assert_problem(api.post(path, {}), 409, "account_not_paused")
    pausing.pause(account=account, reason="key_can_withdraw", now=timezone.now())
    control.binance.key(label, withdraw=True)
    assert_problem(api.post(path, {}), 422, "key_can_withdraw")
    control.binance.key(label, withdraw=False)
    assert api.post(path, {}).body["state"] == "ACTIVE"


def test_a_stranger_finds_nothing(api: Api, stranger: Api) -> None:
    assert api.user is not None
    path = f"{PATH}/{new_account(user=api.user).pk}"
    key = {"api_key": new_key()[0], "secret": new_key()[1]}
    for answer in (
        stranger.get(path),
        stranger.call("PATCH", path, {"label": "x"}),
        stranger.call("DELETE", path),
        stranger.post(f"{path}/key", key),
        stranger.post(f"{path}/resume", {}),
    ):
        assert_problem(answer, 404, "not_found")


def test_the_scope_copy_is_needed(api: Api) -> None:
    reader = Api(api.user, scopes=("read", "trade"))
    answer = reader.post(PATH, body(new_key()))
    assert assert_problem(answer, 403, "insufficient_scope")["required_scope"] == "copy"
    assert reader.get(PATH).status == 200
