"""What every endpoint of the JSON API shares: strict input, plain output, limits, cursor pages."""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any, ClassVar, NoReturn, TypeVar

from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agora.lib.money import plain
from agora.lib.problems import Problem
from agora.lib.throttle import RateThrottle

MAX_BODY_BYTES = 64 * 1024
R = TypeVar("R", bound=Model)


class StrictJSONParser(BaseParser):
    """JSON in UTF-8 only, bounded, without repeated members, NaN or infinities.

    Numbers with a fraction are kept as Decimal, so that no value passes through a float.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise Problem("payload_too_large")
        try:
            return json.loads(
                codecs.decode(raw, "utf-8"),
                parse_float=Decimal,
                parse_constant=_refuse_constant,
                object_pairs_hook=_without_repeats,
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(_("The body is not well-formed JSON.")) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


class AlwaysJSON(BaseContentNegotiation):
    """Answers JSON whatever Accept says: the API has one representation (RFC 9110 12.5.1)."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        declared = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == declared), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = renderers[0]
        return first, first.media_type


class Endpoint(APIView):
    """Base of every endpoint: bounded strict JSON in, JSON out, its rate told in the headers.

    `rates` names the limit of each method (settings.API_RATES); `scopes` the token scope that
    each needs (None: any token will do); `related` what to join when the token is looked up.
    """

    parser_classes = (StrictJSONParser,)
    content_negotiation_class = AlwaysJSON
    throttle_classes = (RateThrottle,)
    http_method_names: tuple[str, ...] = ("get", "head", "post")
    rates: ClassVar[Mapping[str, str]] = {}
    scopes: ClassVar[Mapping[str, str | None]] = {}
    related: ClassVar[tuple[str, ...]] = ()
    query_parameters: ClassVar[frozenset[str]] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        unknown = set(request.query_params) - self.query_parameters
        if unknown:
            name = sorted(unknown)[0]
            raise ParseError(_("There is no query parameter “%(name)s”.") % {"name": name[:80]})
        if request.method in ("POST", "PUT", "PATCH") and not isinstance(request.data, dict):
            raise ParseError(_("The body must be a JSON object."))

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        for throttle in getattr(self, "throttles_used", ()):
            for name, value in throttle.headers().items():
                answer[name] = value
        answer.setdefault("Cache-Control", "no-store")
        return answer

    def get_throttles(self) -> list[RateThrottle]:  # type: ignore[override]
        self.throttles_used = [RateThrottle()]
        return self.throttles_used


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members it does not know: a misspelt one must not pass silently."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                raise serializers.ValidationError(
                    {name: [_("This field is not known.")] for name in unknown}, code="unknown"
                )
        return super().to_internal_value(data)


class Page(serializers.Serializer[Any]):
    """A page of a listing, with the addresses of its neighbours; `results` is each listing's own."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class NoBody(StrictSerializer):
    """Nothing has to be said: an empty object."""


class Text(serializers.CharField):
    """A JSON string; numbers and booleans are not silently turned into one."""

    default_error_messages = {"not_text": _("Send this as a JSON string.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)


class DecimalText(Text):
    """A decimal number inside a JSON string: a JSON number may lose digits on its way."""

    default_error_messages = {
        "not_text": _('Send this as a JSON string, such as "0.5": a JSON number loses digits.')
    }


class Flag(serializers.BooleanField):
    """A JSON true or false and nothing that resembles one."""

    def to_internal_value(self, data: Any) -> bool:
        if data is not True and data is not False:
            self.fail("invalid", input=data)
        return bool(data)


def validated(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """The request's body as `kind` reads it; raises ValidationError (422)."""
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def usd(value: Decimal) -> str:
    """US dollars on the wire: exactly two decimals, or more when the value has more."""
    text = plain(value)
    whole, _dot, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def amount(value: Decimal | None) -> str | None:
    """A quantity on the wire, without trailing zeros; null stays null."""
    return None if value is None else plain(value)


def moment(value: datetime | None) -> str | None:
    """A time on the wire: RFC 3339 in UTC, ending in Z."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def asked_page_size(request: Request, *, usual: int) -> int:
    """How many rows a page is to have; raises ParseError for what is no number from 1 to 100."""
    text = request.query_params.get("page_size", str(usual))
    if not re.fullmatch(r"[1-9][0-9]?|100", text):
        raise ParseError(_("Give page_size as a number from 1 to 100."))
    return int(text)


class NewestFirst(CursorPagination):
    """Cursor pages, newest first; the neighbours are in the body and in Link (RFC 8288)."""

    ordering = ("-created_at", "-id")
    page_size = 50

    @classmethod
    def listed(
        cls, rows: QuerySet[R], request: Request, as_json: Callable[[R], object]
    ) -> Response:
        """The page of `rows` that is asked for."""
        pages = cls()
        page = pages.paginate_queryset(rows, request)
        return pages.get_paginated_response([as_json(row) for row in page or []])

    def get_page_size(self, request: Request) -> int:
        return asked_page_size(request, usual=self.page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor and cursor.position is not None and not parse_datetime(str(cursor.position)):
                raise ValueError("not a time")
        except Exception as error:
            raise ParseError(_("The cursor is not valid: follow the links as given.")) from error
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        links = {"next": response.data["next"], "prev": response.data["previous"]}
        given = [f'<{url}>; rel="{name}"' for name, url in links.items() if url]
        if given:
            response["Link"] = ", ".join(given)
        return response
