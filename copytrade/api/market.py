"""API of the marketplace (MKT-1): the same search as the page, and publishing into it (MKT-2)."""

import re
from decimal import Decimal
from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from agora.lib import rest
from agora.lib.openapi import DECIMAL_TEXT
from copytrade.api import strategy_schema as schema
from copytrade.api.strategies import (
    CREATE_SCHEMA,
    Endpoint,
    create,
    record_json,
    strategy_json,
)
from copytrade.models import TrackRecord
from copytrade.selectors import market
from copytrade.selectors.market import Search

_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,18})?")
_SIGNED = {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,18})?$"}


class Strategies(Endpoint):
    """The marketplace, and publishing."""

    listing: ClassVar = frozenset(
        {
            "q", "symbol", "period", "sort", "min_return", "max_drawdown", "capital", "slots",
            "cursor", "page_size",
        }
    )  # fmt: skip

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        return self.listing if self.request.method in ("GET", "HEAD") else frozenset()

    @extend_schema(
        operation_id="list_strategies",
        tags=["copy trading"],
        parameters=[
            OpenApiParameter("q", description="Beginnings of words in name or description."),
            OpenApiParameter("symbol", description="Trades this pair, such as `BTC/USDT`."),
            OpenApiParameter(
                "period", type={"type": "integer", "enum": TrackRecord.Period.values, "default": 30}
            ),
            OpenApiParameter("sort", enum=list(market.SORTS), description="Default: `return`."),
            OpenApiParameter(
                "min_return", type=_SIGNED, description="A fraction: 0.05 is 5 % over the period."
            ),
            OpenApiParameter("max_drawdown", type=DECIMAL_TEXT, description="A fraction."),
            OpenApiParameter(
                "capital", type=DECIMAL_TEXT, description="Smallest allocation at most this, USDT."
            ),
            OpenApiParameter("slots", enum=["free"], description="Only with places left."),
            OpenApiParameter("cursor", description="From the links `next` and `previous`."),
            OpenApiParameter(
                "page_size",
                type={"type": "integer", "minimum": 1, "maximum": 100, "default": 25},
            ),
        ],
        responses={200: schema.MarketPage},
        summary="Search the marketplace",
        description="Listed strategies that are active. `Link` has the neighbouring pages too.",
    )
    def get(self, request: Request) -> Response:
        search = _search(request)
        size = rest.asked_page_size(request, usual=market.PAGE_SIZE)
        try:
            page = market.page(search, cursor=request.query_params.get("cursor", ""), size=size)
        except market.CursorInvalid as error:
            raise ParseError(_("The cursor is not valid: follow the links as given.")) from error
        urls = {"next": _url(request, page.next), "previous": _url(request, page.previous)}
        results = [{**strategy_json(r.strategy), "record": record_json(r)} for r in page.records]
        response = Response({**urls, "results": results})
        names = {"next": "next", "previous": "prev"}
        links = [f'<{url}>; rel="{names[name]}"' for name, url in urls.items() if url]
        if links:
            response["Link"] = ", ".join(links)
        return response

    @CREATE_SCHEMA
    def post(self, request: Request) -> Response:
        return create(request)


def _search(request: Request) -> Search:
    asked = request.query_params
    period, sort = asked.get("period", str(int(Search.period))), asked.get("sort", Search.sort)
    if period not in {str(value) for value in TrackRecord.Period.values}:
        raise ParseError(_("The period is 7, 30, 90 or 365 days."))
    if sort not in market.SORTS:
        raise ParseError(_("There is no such order to sort by."))
    if asked.get("slots", "free") != "free":
        raise ParseError(_("The only value of slots is free."))
    if len(asked.get("q", "")) > 100 or len(asked.get("symbol", "")) > 20:
        raise ParseError(_("Shorten what you search for."))
    return Search(
        text=asked.get("q", ""),
        symbol=asked.get("symbol", "").strip().upper(),
        min_return=_decimal(request, "min_return"),
        max_drawdown=_decimal(request, "max_drawdown"),
        free_slots="slots" in asked,
        capital=_decimal(request, "capital"),
        period=int(period),
        sort=sort,
    )


def _decimal(request: Request, name: str) -> Decimal | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _DECIMAL.fullmatch(text):
        raise ParseError(_("Give “%(name)s” as a plain decimal number.") % {"name": name})
    return Decimal(text)


def _url(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
