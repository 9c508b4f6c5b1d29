"""Only requests signed as the SDK signs them are heard, and each only once."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.sandbox.conftest import API_KEY, Sandbox

Json = dict[str, Any]
ACCOUNTS = "/fireblocks/v1/vault/accounts"
BODY = json.dumps({"name": "New"})


def claims(path: str, body: str = "", **change: object) -> Json:
    now = int(time.time())
    made = {
        "uri": path, "nonce": str(uuid.uuid4()), "iat": now, "exp": now + 55, "sub": API_KEY,
        "bodyHash": hashlib.sha256(body.encode()).hexdigest(),
    }  # fmt: skip
    return made | change


def send(
    box: Sandbox, token: str, *, path: str = ACCOUNTS, method: str = "POST", body: str = BODY
) -> requests.Response:
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = box.control.base_url + path
    return requests.request(method, url, data=body, headers=headers, timeout=5)


def sign(box: Sandbox, made: Json) -> str:
    return jwt.encode(made, box.client_key, algorithm="RS256")


def accounts(box: Sandbox) -> int:
    return len(box.control.books()["fireblocks"]["vaults"])


def test_a_well_signed_request_is_heard(box: Sandbox) -> None:
    assert send(box, sign(box, claims(ACCOUNTS, BODY))).status_code == 200
    assert accounts(box) == 4


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"uri": "/fireblocks/v1/transactions"}, -4),
        ({"uri": ACCOUNTS + "?limit=1"}, -4),
        ({"bodyHash": hashlib.sha256(b"").hexdigest()}, -7),
        ({"bodyHash": ""}, -7),
        ({"sub": "somebody-else"}, -7),
        ({"sub": ""}, -2),
        ({"nonce": ""}, -5),
        ({"nonce": None}, -5),
        ({"iat": 1, "exp": 56}, -10),
        ({"exp": timedelta(hours=1)}, -10),
        ({"exp": None}, -5),
        ({"iat": timedelta(seconds=600), "exp": timedelta(seconds=655)}, -12),
    ],
)
def test_a_wrong_claim_is_refused_and_nothing_changes(
    box: Sandbox, change: Json, code: int
) -> None:
    # Reckoned here and not as tests are collected, which may be many minutes before.
    now = int(time.time())
    told = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in change.items()
    }
    answer = send(box, sign(box, claims(ACCOUNTS, BODY, **told)))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert accounts(box) == 3


def test_another_body_than_the_signed_one_is_refused(box: Sandbox) -> None:
    answer = send(box, sign(box, claims(ACCOUNTS, BODY)), body=BODY.replace("New", "Own"))
    assert (answer.status_code, accounts(box)) == (401, 3)


def test_another_key_an_unsigned_and_a_broken_token_are_refused(box: Sandbox) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    good = claims(ACCOUNTS, BODY)
    secret = "s" * 64
    tokens = {
        jwt.encode(good, stranger, algorithm="RS256"): -1,
        jwt.encode(good, secret, algorithm="HS256"): -5,
        jwt.encode(good, "", algorithm="none"): -5,
        "no.token": -5,
        "": -3,
    }
    for token, code in tokens.items():
        answer = send(box, token)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert accounts(box) == 3


def test_a_nonce_counts_once_for_an_effect(box: Sandbox) -> None:
    token = sign(box, claims(ACCOUNTS, BODY))
    assert send(box, token).status_code == 200
    assert send(box, token).status_code == 401
    assert accounts(box) == 4


def test_the_same_get_may_be_repeated_but_its_nonce_not_used_elsewhere(box: Sandbox) -> None:
    # The SDK's urllib3 repeats a lost GET with the very same token.
    path = ACCOUNTS + "/1"
    made = claims(path)
    token = sign(box, made)
    for _ in range(2):
        assert send(box, token, path=path, method="GET", body="").status_code == 200
    other = sign(box, claims(ACCOUNTS, BODY, nonce=made["nonce"]))
    assert send(box, other).status_code == 401
    assert accounts(box) == 3
