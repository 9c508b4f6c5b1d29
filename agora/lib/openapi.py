"""What the OpenAPI document says about every operation alike: problems, limits, keys."""

import functools
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiParameter

from agora.lib.catalog import CATALOG
from agora.lib.problems import MEDIA_TYPE

IDEMPOTENCY_KEY = OpenApiParameter(
    name="Idempotency-Key",
    type={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    location=OpenApiParameter.HEADER,
    required=True,
    description=(
        "A fresh random value (such as a UUID) for each new intent, the same value for each "
        "repeat of it. Answers are kept for 72 hours; a repeat gets the stored answer with "
        "`Idempotency-Replayed: true`."
    ),
)

PAGES = [
    OpenApiParameter("cursor", description="From the links `next` and `previous`."),
    OpenApiParameter(
        "page_size", type={"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    ),
]

DECIMAL_TEXT = {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,30})?$"}

_FIELD_ERROR = {
    "type": "object",
    "required": ["pointer", "detail", "code"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer as URI fragment, `#/quantity`."},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem; some codes add members of their own.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "A page that explains it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "One of: " + ", ".join(sorted(CATALOG)) + "."},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": _FIELD_ERROR},
    },
    "additionalProperties": True,
    "examples": [
        {
            "type": "https://agora.example/api/problems/limit_exceeded",
            "title": "Daily limit exceeded",
            "status": 422,
            "detail": "This order could cost up to 202.00 USD, but only 192.00 USD are left.",
            "code": "limit_exceeded",
            "request_id": "9b1c5d0e7f8a4b6c9d2e3f4a5b6c7d8e",
            "errors": [
                {"pointer": "#/quantity", "detail": "Order less.", "code": "limit_exceeded"}
            ],
            "left_usd": "192.00",
        }
    ],
}
_STATUSES = {
    "400": "The request is malformed.",
    "401": "The token is missing, unknown, expired or revoked.",
    "403": "The token or the account may not do this.",
    "404": "It does not exist, or it belongs to somebody else.",
    "409": "The request conflicts with the state of things, such as a running twin.",
    "422": "The request is well-formed but refused; `errors` names the fields.",
    "429": "Too many requests; see `Retry-After`.",
    "503": "Temporarily unavailable; see `Retry-After`.",
}
# Reading conflicts with nothing, and what has no body has no wrong fields.
_NEVER = {"get": frozenset({"409", "422"}), "delete": frozenset({"422"})}


def add_problems(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Post-processing hook of drf-spectacular: every operation lists its problem answers."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema["additionalProperties"] = False  # rest.StrictSerializer
    schemas["Problem"] = _PROBLEM
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            for status, text in _STATUSES.items():
                if status == "404" and "{" not in path:
                    continue
                if status in _NEVER.get(method, ()):
                    continue
                operation["responses"].setdefault(status, _problem_response(text))
    return result


def _problem_response(text: str) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": reference}}}


class OnceGenerator(SchemaGenerator):
    """Builds the document once a process: it depends on the code alone."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        return _document()


@functools.cache
def _document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
