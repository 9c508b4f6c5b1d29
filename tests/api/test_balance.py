"""The token balance over the API (RAT-015)."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from agora.lib.outcome import Temporary
from tests.api.conftest import Answer, Api, assert_problem
from tokens.api import balance as tokens_api
from tokens.selectors import Balance

pytestmark = pytest.mark.django_db


def read(api: Api, user_id: object | None = None) -> Answer:
    assert api.user is not None
    return api.get(f"/api/v1/users/{user_id or api.user.pk}/balance")


def test_balance_is_exact(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    monkeypatch.setattr(
        tokens_api,
        "balance_of",
        lambda address: Balance(address=address, units=10**17 + 1, block_number=7, read_at=at),
    )
    answer = read(buyer)
    assert answer.status == 200
    assert answer.body["balance"] == "0.100000000000000001"
    assert answer.body["units"] == "100000000000000001"
    assert (answer.body["block_number"], answer.body["read_at"]) == (7, "2026-11-20T12:00:00Z")
    assert buyer.user is not None
    assert answer.body["address"] == buyer.user.wallet.address


def test_others_are_not_found(buyer: Api, stranger: Api) -> None:
    assert stranger.user is not None
    theirs, nobodys = read(buyer, stranger.user.pk), read(buyer, uuid4())
    for answer in (theirs, nobodys):
        assert_problem(answer, 404, "not_found")


def test_without_wallet(api: Api) -> None:
    assert_problem(read(api), 409, "no_wallet")


def test_chain_away(buyer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_address: str) -> None:
        raise Temporary("http://rpc.internal refused", retry_after=7)

    monkeypatch.setattr(tokens_api, "balance_of", away)
    answer = read(buyer)
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "7"
    assert b"rpc.internal" not in answer.raw
