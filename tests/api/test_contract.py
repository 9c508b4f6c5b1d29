"""Requests made up from the OpenAPI document never break the API, and its answers keep to the document.

Every operation, by people with every scope: the owner of one of each thing, and officers.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded
from openapi_schema_validator import OAS31Validator
from pytest_django import Settings

from accounts import token_store
from accounts.models import User
from accounts.second_factors import add_authenticator_app
from agora.sandbox.client import SandboxControl
from tests.api.contract import Operation, Sent, operations, requests
from tests.architecture.permissions import World
from tests.conftest import Chain
from tests.people import TOTP_SECRET

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

DOCUMENT = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text(encoding="utf-8")
)
EXAMPLES = 4  # of an operation for each person
# What refuses a request before its operation is known.
ANY_OPERATION = {400, 404, 405, 415}


@pytest.fixture
def world(settings: Settings, chain: Chain, sandbox: SandboxControl) -> World:
    settings.API_RATES = dict.fromkeys(settings.API_RATES, 0)
    settings.ACCOUNT_RATE_LIMITS = False
    world = World(now=timezone.now())
    add_authenticator_app(user=world.owner, secret=TOTP_SECRET)
    return world


def bearer(user: User) -> dict[str, str]:
    scopes = [name for name in token_store.SCOPES if name != "admin" or user.is_staff]
    _token, raw = token_store.issue_token(
        user=user, name="all", scopes=scopes, expires_at=None, now=timezone.now()
    )
    return {"Authorization": f"Bearer {raw}"}


def ids_of(world: World, operation: Operation) -> dict[str, list[str]]:
    known = {name: [str(value)] for name, value in world.values.items()}
    if "/copy/" in operation.path:
        known["order_id"] = known["master_order_id"]
    return known


def send(sent: Sent, headers: dict[str, str]) -> Any:
    """The answer; what the request did is undone."""
    with transaction.atomic():
        response = Client(raise_request_exception=False).generic(
            sent.method,
            sent.path,
            sent.body,
            sent.media_type,
            headers={**headers, "Idempotency-Key": "contract-1"},
        )
        content = response.getvalue()
        transaction.set_rollback(True)
    return response, content


@cache
def validator(name: str) -> OAS31Validator:
    """Of one answer, by where it stands in the document."""
    operation, status, media_type = name.split(" ")
    found = next(one for one in operations(DOCUMENT) if one.name == operation)
    schema = found.spec["responses"][status]["content"][media_type]["schema"]
    return OAS31Validator({**schema, "components": DOCUMENT["components"]})


def complaint(operation: Operation, response: Any, content: bytes) -> str:
    """What is wrong with an answer, or nothing."""
    status = str(response.status_code)
    if response.status_code >= 500 and response.status_code != 503:
        return f"{status}: {content[:200]!r}"
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    documented = operation.spec["responses"].get(status)
    if documented is None:
        is_usual = response.status_code in ANY_OPERATION
        return "" if is_usual and media_type == "application/problem+json" else f"{status} unknown"
    media_types = documented.get("content", {})
    if media_types and media_type not in media_types:
        return f"{status} as {media_type}"
    if "json" not in media_type or not media_types:
        return ""
    check = validator(f"{operation.name} {status} {media_type}")
    errors = [error.message for error in check.iter_errors(json.loads(content))]
    return f"{status}: {errors[:2]}" if errors else ""


def tried(
    world: World, operation: Operation, headers: dict[str, str], *, examples: int
) -> list[tuple[Sent, str]]:
    """The requests whose answers were wrong, and what was."""
    found: list[tuple[Sent, str]] = []
    made_up = requests(document=DOCUMENT, operation=operation, ids=ids_of(world, operation))

    @seed(1)
    @bounded(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(sent=made_up)
    def ask(sent: Sent) -> None:
        if wrong := complaint(operation, *send(sent, headers)):
            found.append((sent, wrong))

    ask()
    return found


def test_made_up_requests_get_documented_answers(world: World) -> None:
    people = {
        "owner": bearer(world.owner),
        "officer": bearer(world.people["officer"]),
        "superuser": bearer(world.people["superuser"]),
    }
    found: dict[str, str] = {}
    for operation in operations(DOCUMENT):
        officers = "/admin/" in operation.path
        for name in ("officer", "superuser") if officers else ("owner",):
            examples = EXAMPLES if officers else 2 * EXAMPLES
            for sent, wrong in tried(world, operation, people[name], examples=examples):
                found.setdefault(f"{operation.name} by {name}: {wrong}", repr(sent))
    assert not found, "\n".join(f"{what}\n    {sent}" for what, sent in found.items())
