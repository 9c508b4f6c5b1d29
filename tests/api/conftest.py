"""People, tokens and prices for tests of the API."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.token_store import issue_token
from tests.people import new_user, onboarded
from tests.quoting import a_quote
from trading import quotes

ALL_SCOPES = ("read", "trade", "copy")


def quote_token(**changes: Any) -> str:
    return quotes.freeze(a_quote(**changes))


@dataclass(frozen=True)
class Answer:
    """An answer of the API as a test reads it."""

    status: int
    body: Any
    headers: Any
    raw: bytes


class Api:
    """The API as one token holder sees it."""

    def __init__(self, user: User | None, *, scopes: tuple[str, ...] = ALL_SCOPES) -> None:
        self.user = user
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        self.token = ""
        if user is not None:
            now = timezone.now()
            _row, self.token = issue_token(
                user=user, name="test", scopes=scopes, expires_at=None, now=now
            )
            self.headers["Authorization"] = f"Bearer {self.token}"

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        named = {**self.headers, **(headers or {})}
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(method, path, data, content_type=content_type, headers=named)
        content = response.getvalue()  # files are streamed
        try:
            parsed = json.loads(content)
        except ValueError:
            parsed = None
        return Answer(response.status_code, parsed, response.headers, content)

    def get(self, path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("GET", path, headers=named)

    def post(self, path: str, body: object, *, key: str | None = "new") -> Answer:
        chosen = str(uuid4()) if key == "new" else key
        return self.call("POST", path, body, headers={"Idempotency-Key": chosen} if chosen else {})

    def order(self, quantity: str = "0.5", *, key: str = "new", **changes: object) -> Answer:
        body = {"symbol": "AAPL", "quantity": quantity, "quote_token": quote_token(), **changes}
        return self.post("/api/v1/orders", body, key=key)


@pytest.fixture
def anybody() -> Api:
    """Somebody without a token."""
    return Api(None)


@pytest.fixture
def user(db: None) -> User:
    return new_user()


@pytest.fixture
def api(user: User) -> Api:
    """A signed-up user who has not onboarded."""
    return Api(user)


@pytest.fixture
def buyer(db: None) -> Api:
    """A user who may buy."""
    return Api(onboarded())


@pytest.fixture
def stranger(db: None) -> Api:
    """Another user who may buy."""
    return Api(onboarded())


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def assert_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, in full and in the right media type."""
    assert (answer.status, answer.body and answer.body.get("code")) == (status, code), answer.raw
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.body
    assert body["status"] == status
    assert body["type"] == f"http://localhost:8000/api/problems/{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["Request-Id"]
    return body


def pointers(answer: Answer) -> list[str]:
    return sorted(error["pointer"] for error in answer.body["errors"])
