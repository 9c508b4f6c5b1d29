"""API of a person's trades and ledger entries, page by page or as a file (LED-1)."""

import uuid
from datetime import date
from typing import ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from agora.lib import rest
from agora.lib.openapi import PAGES
from agora.lib.pages import attachment
from agora.lib.problems import Problem
from copytrade.api.history_schema import EntryPage, TradePage
from copytrade.days import ZONES
from copytrade.models import Fill, LedgerEntry, Side
from copytrade.selectors.history import Filters, entries_of, totals_of, trades_of
from copytrade.selectors.risk import zone_of
from copytrade.services.exports import FORMS, ExportRefused, export_history

_OF_ROWS = frozenset(
    {"account", "subscription", "strategy", "symbol", "side", "from", "to", "timezone"}
)
_OF_PAGES = frozenset({"cursor", "page_size"})
_FILTERS = [
    OpenApiParameter("account", OpenApiTypes.UUID, description="Of this exchange account."),
    OpenApiParameter("subscription", OpenApiTypes.UUID, description="Copied by this one."),
    OpenApiParameter("strategy", OpenApiTypes.UUID, description="Of this strategy, or its copies."),
    OpenApiParameter("symbol", description="Such as `BTC/USDT`."),
    OpenApiParameter("side", enum=Side.values),
    OpenApiParameter("from", OpenApiTypes.DATE, description="First day, in `timezone`."),
    OpenApiParameter("to", OpenApiTypes.DATE, description="Last day, included."),
    OpenApiParameter(
        "timezone", enum=list(ZONES), description="Default: that of the person's risk limits."
    ),
]
_ASSET = OpenApiParameter("asset", description="Such as `USDT`.")
_FORM = OpenApiParameter("form", enum=list(FORMS), description="Kind of file; default csv.")
_FILE = {
    (200, "text/csv"): OpenApiTypes.STR,
    (200, "application/json"): {"type": "array", "items": {"type": "object"}},
    (
        200,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ): OpenApiTypes.BINARY,
}


class NewestTradesFirst(rest.NewestFirst):
    """By the exchange's time, so that a late booking moves nothing between pages."""

    ordering = ("-at", "-id")


class _Reading(rest.Endpoint):
    """What all of them share: the person's own rows, with a token that may read."""

    scopes: ClassVar = {"GET": "read"}


class Trades(_Reading):
    """Trades on the token owner's exchange accounts."""

    query_parameters = _OF_ROWS | _OF_PAGES

    @extend_schema(
        operation_id="list_copy_trades",
        tags=["copy trading"],
        parameters=[*_FILTERS, *PAGES],
        responses={200: TradePage},
        summary="List trades, newest first",
    )
    def get(self, request: Request) -> Response:
        found = trades_of(user=user_of(request), filters=_filters(request))
        response = NewestTradesFirst.listed(found, request, trade_json)
        is_first = "cursor" not in request.query_params
        response.data["totals"] = _totals_json(found) if is_first else None
        return response


class Ledger(_Reading):
    """Ledger entries of the token owner's exchange accounts."""

    query_parameters = _OF_ROWS | _OF_PAGES | {"asset"}

    @extend_schema(
        operation_id="list_ledger_entries",
        tags=["copy trading"],
        parameters=[*_FILTERS, _ASSET, *PAGES],
        responses={200: EntryPage},
        summary="List ledger entries, newest first",
        description="`symbol`, `side`, `subscription` and `strategy` leave entries of such trades.",
    )
    def get(self, request: Request) -> Response:
        found = entries_of(user=user_of(request), filters=_filters(request))
        return NewestTradesFirst.listed(found, request, entry_json)


class TradesFile(_Reading):
    """The same trades as a file."""

    rates: ClassVar = {"GET": "export"}
    query_parameters = _OF_ROWS | {"form"}

    @extend_schema(
        operation_id="export_copy_trades",
        tags=["copy trading"],
        parameters=[*_FILTERS, _FORM],
        responses=_FILE,
        summary="Export trades as CSV, JSON or XLSX",
    )
    def get(self, request: Request) -> HttpResponseBase:
        return _file(request, what="trades")


class LedgerFile(_Reading):
    """The same ledger entries as a file."""

    rates: ClassVar = {"GET": "export"}
    query_parameters = _OF_ROWS | {"form", "asset"}

    @extend_schema(
        operation_id="export_ledger_entries",
        tags=["copy trading"],
        parameters=[*_FILTERS, _ASSET, _FORM],
        responses=_FILE,
        summary="Export ledger entries as CSV, JSON or XLSX",
    )
    def get(self, request: Request) -> HttpResponseBase:
        return _file(request, what="ledger")


def _file(request: Request, *, what: str) -> HttpResponseBase:
    form = request.query_params.get("form", "csv")
    if form not in FORMS:
        raise ParseError(_("Choose CSV, JSON or XLSX."))
    try:
        exported = export_history(
            user=user_of(request),
            what=what,
            form=form,
            filters=_filters(request),
            now=timezone.now(),
        )
    except ExportRefused as refusal:
        raise Problem(refusal.code, detail=refusal.message) from refusal
    return attachment(exported.file, name=exported.name, content_type=exported.content_type)


def _filters(request: Request) -> Filters:
    """The query's filters; raises ParseError for one that makes no sense."""
    asked = request.query_params
    symbol, side, asset = (asked.get(name, "") for name in ("symbol", "side", "asset"))
    if side and side not in Side.values:
        raise ParseError(_("The side is BUY or SELL."))
    if "\x00" in symbol + asset:
        raise ParseError(_("There is no such pair or asset."))
    zone = asked.get("timezone") or zone_of(user_of(request))
    if zone not in ZONES:
        raise ParseError(_("Choose one of the time zones listed."))
    first, last = _day(asked.get("from")), _day(asked.get("to"))
    if first and last and last < first:
        raise ParseError(_("The last day is before the first."))
    return Filters(
        account=_uuid(asked.get("account")),
        subscription=_uuid(asked.get("subscription")),
        strategy=_uuid(asked.get("strategy")),
        symbol=symbol,
        side=side,
        asset=asset,
        first=first,
        last=last,
        zone=zone,
    )


def _uuid(text: str | None) -> uuid.UUID | None:
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise ParseError(_("This is not an id.")) from error


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 9000:
        raise ParseError(_("Give a day as YYYY-MM-DD."))
    return day


def trade_json(trade: Fill) -> dict[str, object]:
    """A trade on the wire."""
    return {
        "id": trade.pk,
        "at": rest.moment(trade.at),
        "booked_at": rest.moment(trade.booked_at),
        "account_id": str(trade.account_id),
        "symbol": trade.symbol,
        "side": trade.side,
        "price": rest.amount(trade.price),
        "quantity": rest.amount(trade.quantity),
        "value": rest.amount(trade.quote_quantity),
        "fee": rest.amount(trade.fee),
        "fee_asset": trade.fee_asset,
        "fee_value": rest.amount(trade.fee_value),
        "realized": rest.amount(trade.realized),
        "origin": _origin(trade),
        "subscription_id": _text(trade.subscription_id),
        "leg_id": _text(trade.copy_order_id),
        "strategy_id": _text(trade.strategy_id),
        "master_order_id": _text(trade.master_order_id),
        "exchange_trade_id": trade.trade_id,
        "exchange_order_id": trade.exchange_order_id,
    }


def _origin(trade: Fill) -> str:
    if trade.copy_order_id or trade.subscription_id:
        return "copied"
    return "master" if trade.strategy_id else "external"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def entry_json(entry: LedgerEntry) -> dict[str, object]:
    """A ledger entry on the wire."""
    return {
        "id": entry.pk,
        "at": rest.moment(entry.at),
        "booked_at": rest.moment(entry.booked_at),
        "account_id": str(entry.account_id),
        "kind": entry.kind,
        "credit": entry.credit,
        "debit": entry.debit,
        "asset": entry.asset,
        "amount": rest.amount(entry.amount),
        "trade_id": entry.fill_id,
        "reverses": entry.reverses_id,
        "note": entry.note,
    }


def _totals_json(found: QuerySet[Fill]) -> dict[str, object]:
    totals = totals_of(found)
    return {
        "trades": totals.trades,
        "bought": rest.amount(totals.bought),
        "sold": rest.amount(totals.sold),
        "fees": rest.amount(totals.fees),
        "realized": rest.amount(totals.realized),
    }
