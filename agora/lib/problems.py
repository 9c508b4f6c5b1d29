"""Errors of the JSON API as RFC 9457 problem documents: one form for every refusal.

A problem carries `type` (a page that explains it), `title`, `status`, `detail`, `code` (for
programs), `request_id` (for support), `errors` with a JSON pointer for each wrong field, and
members of its own, such as the figures of a daily limit. Nothing internal ever leaves here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext
from rest_framework import exceptions
from rest_framework.response import Response

from agora.lib.catalog import CATALOG, Text
from agora.lib.outcome import OutsideError, Temporary

MEDIA_TYPE = "application/problem+json"
DEFAULT_RETRY_SECONDS = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FieldError:
    """One wrong place in the request; `pointer` is a JSON pointer as a URI fragment (RFC 6901)."""

    pointer: str
    detail: Text
    code: str

    def as_json(self) -> dict[str, str]:
        return {"pointer": self.pointer, "detail": str(self.detail), "code": self.code}


class Problem(exceptions.APIException):
    """A refusal with a code of the catalog; raise it anywhere below a view of the API."""

    def __init__(
        self,
        code: str,
        *,
        detail: Text = "",
        status: int | None = None,
        errors: Iterable[FieldError] = (),
        extra: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known = CATALOG.get(code)
        self.code = code
        self.status_code = status or (known.status if known else 400)
        self.title = known.title if known else HTTPStatus(self.status_code).phrase
        self.message = detail or (known.remedy if known else "")
        self.detail = exceptions.ErrorDetail(str(self.message), code)
        self.errors = tuple(errors)
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def as_json(self) -> dict[str, Any]:
        """The problem document; extra members never replace the standard ones."""
        document: dict[str, Any] = {
            "type": type_url(self.code),
            "title": str(self.title),
            "status": self.status_code,
            "detail": str(self.message),
            "code": self.code,
            "request_id": current_request_id(),
        }
        if self.errors:
            document["errors"] = [error.as_json() for error in self.errors]
        return {**self.extra, **document}


def type_url(code: str) -> str:
    """The address that explains a code."""
    return f"{settings.SITE_URL}/api/problems/{code}"


def current_request_id() -> str:
    """The id that the request middleware bound, or an empty text outside a request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def handle(exc: Exception, context: Mapping[str, Any]) -> Response:
    """DRF exception handler: every exception, expected or not, becomes a problem document."""
    problem = problem_of(exc)
    if problem is None:
        log.exception("API Request Failed", exc_info=exc)
        problem = Problem("internal_error")
    headers = dict(problem.headers)
    challenge = getattr(exc, "auth_header", None)
    if challenge and problem.status_code == 401:
        headers["WWW-Authenticate"] = challenge
    return Response(
        problem.as_json(), status=problem.status_code, headers=headers, content_type=MEDIA_TYPE
    )


def problem_of(exc: Exception) -> Problem | None:
    """The problem that an exception stands for; None when it is a fault of ours."""
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return Problem("invalid", errors=field_errors(exc.detail))
    if isinstance(exc, exceptions.Throttled):
        return Problem("rate_limited", headers=retry_after(getattr(exc, "wait", None)))
    if isinstance(exc, exceptions.APIException):
        return _of_api_exception(exc)
    if isinstance(exc, Http404):
        return Problem("not_found")
    if isinstance(exc, PermissionDenied):
        return Problem("forbidden")
    if isinstance(exc, SuspiciousOperation):
        return Problem("payload_too_large" if isinstance(exc, RequestDataTooBig) else "malformed")
    if isinstance(exc, OutsideError):
        wait = exc.retry_after if isinstance(exc, Temporary) else None
        return Problem("unavailable", headers=retry_after(wait))
    if isinstance(exc, OperationalError | InterfaceError):
        log.warning("Database Unavailable", exc_info=exc)
        return Problem("unavailable", headers=retry_after(None))
    return None


_API_CODES = {
    400: "malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}


def _of_api_exception(exc: exceptions.APIException) -> Problem | None:
    code = _API_CODES.get(exc.status_code)
    if code is None:
        return None
    if isinstance(exc, exceptions.MethodNotAllowed):
        return Problem(code)  # DRF itself adds Allow to every answer
    detail = exc.detail if isinstance(exc.detail, str) else ""
    if isinstance(exc, exceptions.NotFound):
        detail = ""
    return Problem(code, detail=detail)


def of_status(status: int) -> Problem:
    """The problem for an error answer made outside DRF, such as an unknown path."""
    code = _API_CODES.get(status, "internal_error" if status >= 500 else "malformed")
    return Problem(code, status=status)


def respond(problem: Problem) -> HttpResponse:
    """A problem as a plain Django answer, for middleware and views outside DRF."""
    return JsonResponse(
        problem.as_json(),
        status=problem.status_code,
        headers=problem.headers,
        content_type=MEDIA_TYPE,
    )


def are_for(request: HttpRequest) -> bool:
    """Whether the address is one of the API's, whose callers read problems and not pages."""
    return request.path.startswith(("/api/", "/token/"))


def unknown_path(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer of every address below /api/ that is no endpoint."""
    return respond(Problem("not_found", detail=gettext("There is nothing at this address.")))


def explain(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem type means and what to do about it; the address in its `type`."""
    known = CATALOG.get(code)
    if known is None:
        return unknown_path(request)
    return JsonResponse(
        {
            "type": type_url(code),
            "code": code,
            "title": str(known.title),
            "status": known.status,
            "remedy": str(known.remedy),
        }
    )


def retry_after(seconds: float | None) -> dict[str, str]:
    """A Retry-After header in whole seconds, at least one."""
    return {"Retry-After": str(max(DEFAULT_RETRY_SECONDS, round(seconds or 0)))}


def field_errors(detail: Any, path: tuple[str | int, ...] = ()) -> list[FieldError]:
    """Flatten DRF's nested error detail into one entry for each message."""
    if isinstance(detail, Mapping):
        found: list[FieldError] = []
        for key, value in detail.items():
            below = path if key in ("non_field_errors", "__all__") else (*path, key)
            found += field_errors(value, below)
        return found
    if isinstance(detail, list | tuple):
        found = []
        for index, value in enumerate(detail):
            nested = isinstance(value, Mapping | list | tuple)
            found += field_errors(value, (*path, index) if nested else path)
        return found
    code = str(getattr(detail, "code", "invalid"))
    return [FieldError(pointer=pointer(*path), detail=str(detail), code=code)]


def pointer(*path: str | int) -> str:
    """JSON pointer as a URI fragment: `#/quantity`; `#` alone is the whole document."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return "#" + "".join("/" + quote(part, safe="~") for part in parts)


def wrong(field: str, detail: Text, *, code: str = "invalid") -> Problem:
    """A 422 that points to one field."""
    return Problem("invalid", errors=[FieldError(pointer(field), detail, code)])
