"""One answer for each Idempotency-Key, however often and however simultaneously it is sent.

Follows draft-ietf-httpapi-idempotency-key-header-07 and Stripe's rules: 400 without a key, 422
for a key that stands for another request, 409 while a request with it runs, and otherwise the
stored status and body again. A refusal stores nothing, so the same key may be tried again.

The stored answer commits together with what it reports. Round trips are few on purpose: one
statement takes the lock and looks for the answer, one stores it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from agora.lib import crypto
from agora.lib.models import IdempotencyKey
from agora.lib.prepared import Insert
from agora.lib.problems import Problem, retry_after

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(frozen=True)
class Answer:
    """What a successful request returns; `body` must hold only what JSON can say exactly."""

    body: Mapping[str, object]
    status: int = 201
    location: str = ""


def key_of(request: Request) -> str:
    """The request's key; raises Problem 400 when it is missing or malformed."""
    key: str | None = request.headers.get(HEADER)
    if not key:
        raise Problem("idempotency_key_missing")
    if not _KEY.fullmatch(key):
        raise Problem("idempotency_key_malformed")
    return key


def fingerprint(*, method: str, path: str, data: object) -> str:
    """Keyed hash of what a request asks for; white space and order of members do not count.

    Keyed, because a request may hold a tax id, which a plain hash would let anyone find by trying.
    """
    content = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return crypto.blind_index(f"{method} {path}\n{content}", purpose="idempotency").hex()


def once(
    request: Request, *, client: UUID, key: str, now: datetime, perform: Callable[[], Answer]
) -> Response:
    """Run `perform` and keep its answer, in one transaction; or give the answer kept before.

    `perform` writes inside this transaction; whatever it raises leaves nothing behind.
    Raises Problem 409 while another request with the key runs, 422 for another payload.
    """
    digest = fingerprint(method=request.method or "", path=request.path, data=request.data)
    try:
        return _attempt(client=client, key=key, digest=digest, now=now, perform=perform)
    except _StoredMeanwhile:
        # The look-up's snapshot was older than the other request's commit; now it is visible.
        return _attempt(client=client, key=key, digest=digest, now=now, perform=perform)


class _StoredMeanwhile(Exception):
    """Another request stored an answer between our snapshot and our insert."""


def _attempt(
    *, client: UUID, key: str, digest: str, now: datetime, perform: Callable[[], Answer]
) -> Response:
    with transaction.atomic():
        stored = _lock_and_find(client=client, key=key)
        if stored is not None:
            return _replay(stored, digest=digest)
        answer = perform()
        body = JSONRenderer().render(answer.body).decode()
        try:
            _insert()(
                IdempotencyKey(
                    client=client,
                    key=key,
                    request_hash=digest,
                    status=answer.status,
                    location=answer.location,
                    body=body,
                    created_at=now,
                )
            )
        except IntegrityError as error:
            raise _StoredMeanwhile from error
    return _response(status=answer.status, body=body, location=answer.location)


@cache
def _insert() -> Insert[IdempotencyKey]:
    return Insert(IdempotencyKey)


# Always one row: whether the lock is ours, beside the stored answer or NULLs.
_LOCK_AND_FIND = f"""
    SELECT lock.got, stored.request_hash, stored.status, stored.location, stored.body
    FROM (SELECT pg_try_advisory_xact_lock(%s) AS got) AS lock
    LEFT JOIN {IdempotencyKey._meta.db_table} AS stored
        ON stored.client = %s AND stored.key = %s"""  # noqa: S608  (the table's name is ours)


class _Stored(NamedTuple):
    """An answer given before, and the keyed hash of the request it answered."""

    request_hash: str
    status: int
    location: str
    body: str


def _lock_and_find(*, client: UUID, key: str) -> _Stored | None:
    """Take the key's lock until the transaction ends; the stored answer if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_AND_FIND, [_lock_number(client=client, key=key), client, key])
        got, *stored = cursor.fetchone()
    if stored[0] is not None:
        return _Stored(*stored)
    if not got:
        raise Problem("idempotency_in_progress", headers=retry_after(1))
    return None


def _lock_number(*, client: UUID, key: str) -> int:
    digest = hashlib.sha256(f"idempotency {client} {key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _replay(stored: _Stored, *, digest: str) -> Response:
    if stored.request_hash != digest:
        raise Problem("idempotency_key_reused")
    response = _response(status=stored.status, body=stored.body, location=stored.location)
    response[REPLAYED] = "true"
    return response


def _response(*, status: int, body: str, location: str) -> Response:
    # Parsed from the stored text, so that the first answer and every replay are the same bytes.
    headers = {"Location": location} if location else None
    return Response(json.loads(body), status=status, headers=headers)
