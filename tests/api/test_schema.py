"""The OpenAPI document: valid, committed, true, and readable offline."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import URLPattern, URLResolver
from django.utils import translation
from drf_spectacular.renderers import OpenApiYamlRenderer
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from pytest_django import Settings

from accounts.authentication import BearerAuthentication, HasScope
from agora import api_urls
from agora.lib.openapi import OnceGenerator
from agora.lib.rest import Endpoint
from tests.api.conftest import Answer, Api
from tests.people import new_address, new_cpf
from tests.quoting import a_quote
from trading import quotes

METHODS = ("get", "post", "put", "patch", "delete")
COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"


def generated() -> str:
    with translation.override("en"):
        document = OnceGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    renderer = OpenApiYamlRenderer()
    text: bytes = renderer.render(document, renderer_context={})  # type: ignore[no-untyped-call]
    return text.decode()


@pytest.fixture(scope="module")
def document() -> Any:
    return yaml.safe_load(COMMITTED.read_text())


def test_committed_document_is_current() -> None:
    hint = "run: manage.py spectacular --file docs/openapi.yaml"
    assert COMMITTED.read_text() == generated(), hint


def test_document_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_every_operation_lists_its_problems(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status in ("400", "401", "429"):
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], (path, method)


def endpoints(patterns: Any, prefix: str = "") -> list[tuple[str, type[Endpoint]]]:
    found: list[tuple[str, type[Endpoint]]] = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += endpoints(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "cls", None)
            if view is not None and issubclass(view, Endpoint):
                found.append((route, view))
    return found


# Issued for a password; signed proofs of reserve are for everybody.
PUBLIC = {"v1/token/issue", "v1/reserves"}
# Listings that are short by their nature: there is no other page.
NEWEST_ONLY = {"DataExportPage", "LookPage"}


def test_every_endpoint_is_guarded_and_documented(document: Any) -> None:
    found = endpoints(api_urls.urlpatterns)
    assert len(found) == len(document["paths"])
    for route, view in found:
        methods = {name.upper() for name in METHODS if hasattr(view, name)}
        if route not in PUBLIC:
            assert methods <= set(view.scopes), route
            assert view.authentication_classes == [BearerAuthentication], route
            assert HasScope in view.permission_classes, route
        path = "/api/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
        assert {name.upper() for name in document["paths"][path]} == methods


def test_pages_alone_tell_of_their_neighbours(document: Any) -> None:
    schemas = document["components"]["schemas"]
    told = {name for name, schema in schemas.items() if "next" in schema.get("properties", ())}

    assert told == {name for name in schemas if name.endswith("Page")} - NEWEST_ONLY


def assert_conforms(document: Any, answer: Answer, schema: str) -> None:
    root = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    errors = [error.message for error in OAS31Validator(root).iter_errors(answer.body)]
    assert errors == []
    declared = set(document["components"]["schemas"][schema]["properties"])
    assert set(answer.body) <= declared or schema == "Problem"


@pytest.mark.django_db
def test_answers_are_as_documented(
    document: Any, api: Api, buyer: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotes, "current_quote", lambda *, now: a_quote())
    placed = buyer.order()
    person = {
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": new_cpf(),
        "wallet_address": new_address(),
        "consent": True,
    }
    assert_conforms(document, placed, "OrderView")
    assert_conforms(document, buyer.get(f"/api/v1/orders/{placed.body['id']}"), "OrderDetail")
    assert_conforms(document, buyer.get("/api/v1/orders?page_size=1"), "OrderPage")
    assert_conforms(document, buyer.get("/api/v1/quotes/AAPL"), "QuoteView")
    assert_conforms(document, api.get("/api/v1/users/onboard"), "Consent")
    assert_conforms(document, api.post("/api/v1/users/onboard", person), "Onboarded")
    assert_conforms(document, buyer.order("100"), "Problem")
    address = {"chain": "EVM", "label": "Mine", "address": new_address()}
    assert_conforms(document, api.post("/api/v1/addresses", address), "AddressView")
    assert_conforms(document, api.get("/api/v1/addresses"), "AddressPage")
    assert_conforms(document, api.get("/api/v1/notices"), "NoticePage")
    assert_conforms(document, api.post("/api/v1/token/revoke", {}, key=None), "TokenRevoked")


@pytest.mark.django_db
def test_a_pending_onboarding_is_as_documented(document: Any, api: Api, settings: Settings) -> None:
    settings.SCREENING_REQUIRED = True
    person = {
        "full_name": "Ana Souza",
        "country": "BR",
        "tax_id": new_cpf(),
        "wallet_address": new_address(),
        "consent": True,
    }

    assert_conforms(document, api.post("/api/v1/users/onboard", person), "Onboarded")


@pytest.mark.django_db
def test_document_is_served(anybody: Api) -> None:
    answer = anybody.get("/api/schema/?format=json")
    assert (answer.status, answer.body["info"]["title"]) == (200, "Agora API")


@pytest.mark.django_db
def test_docs_page_loads_nothing_from_elsewhere(anybody: Api) -> None:
    page = anybody.get("/api/docs/", Accept="text/html").raw.decode()
    script = anybody.get("/api/docs/?script=", Accept="text/html").raw.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "/api/schema/" in script
    assert not re.search(r"(src|href)=\"https?://", page)
    assert not re.search(r"<script>", page)
