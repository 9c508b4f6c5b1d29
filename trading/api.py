"""API of quotes and buy orders (RAT-002, RAT-005, RAT-006)."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import FieldError, Problem, pointer, retry_after, wrong
from trading import quotes, selectors, services
from trading.api_schema import OrderDetail, OrderPage, OrderRequest, OrderView, QuoteView
from trading.models import Order
from trading.quotes import Quote
from trading.states import State

_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,30})?")
_POINTERS = {
    "quantity_invalid": "quantity",
    "quantity_too_small": "quantity",
    "quantity_too_large": "quantity",
    "quantity_decimals": "quantity",
    "below_minimum_value": "quantity",
    "limit_exceeded": "quantity",
    "quote_expired": "quote_token",
    "quote_invalid": "quote_token",
}
_MARKET_RETRY_SECONDS = 5


class Orders(rest.Endpoint):
    """The token owner's orders."""

    rates: ClassVar = {"GET": "read", "POST": "trade"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}
    # What placing an order asks of a person: so it costs no query of its own.
    related = ("user__kyc_application", "user__wallet")

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        listing = self.request.method in ("GET", "HEAD")
        return frozenset({"state", "cursor", "page_size"}) if listing else frozenset()

    @extend_schema(
        operation_id="list_orders",
        tags=["orders"],
        parameters=[
            OpenApiParameter("state", enum=State.values, description="Only orders in this state."),
            *PAGES,
        ],
        responses={200: OrderPage},
        summary="List orders, newest first",
        description="The header `Link` has the neighbouring pages too.",
    )
    def get(self, request: Request) -> Response:
        found = selectors.orders_of(user_of(request))
        state = request.query_params.get("state")
        if state is not None:
            if state not in State.values:
                raise ParseError(_("There is no such order state."))
            found = found.filter(state=state)
        return rest.NewestFirst.listed(found, request, order_json)

    @extend_schema(
        operation_id="place_order",
        tags=["orders"],
        parameters=[IDEMPOTENCY_KEY],
        request=OrderRequest,
        responses={201: OrderView},
        examples=[
            OpenApiExample(
                "Half a share at the price of now",
                value={"symbol": "AAPL", "quantity": "0.5"},
                request_only=True,
            )
        ],
        summary="Place a buy order",
        description=(
            "The worst case (quantity × limit_price) counts against the daily limit at once. "
            "Over the limit: 422 `limit_exceeded` with limit_usd, used_usd, left_usd, "
            "requested_usd and resets_at. A refused order stores nothing: its key may be reused."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(OrderRequest, request)
        if not _DECIMAL.fullmatch(asked["quantity"]):
            raise wrong(
                "quantity",
                _('Give a plain decimal number, such as "0.5".'),
                code="quantity_invalid",
            )
        user, now = user_of(request), timezone.now()
        quote = _quote(asked.get("quote_token"), now=now)
        return idempotency.once(
            request,
            client=user.pk,
            key=key,
            now=now,
            perform=lambda: _place(user, asked["quantity"], quote, now=now),
        )


class OrderById(rest.Endpoint):
    """One order with the evidence of every step."""

    http_method_names = ("get", "head", "delete")
    rates: ClassVar = {"GET": "read", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "DELETE": "trade"}

    @extend_schema(
        operation_id="read_order",
        tags=["orders"],
        responses={200: OrderDetail},
        summary="Read an order and its evidence",
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        try:
            order = selectors.order_for(user=user_of(request), order_id=order_id)
        except Order.DoesNotExist as error:
            raise Problem("not_found") from error
        steps = [_step_json(step) for step in selectors.timeline(order)]
        return Response({**order_json(order), "timeline": steps})

    @extend_schema(
        operation_id="cancel_order",
        tags=["orders"],
        responses={200: OrderView},
        summary="Cancel an order that waits for the market to open",
        description=(
            "Its limit is free again. 409 `order_conflict` once it may have been sent to the broker."
        ),
    )
    def delete(self, request: Request, order_id: UUID) -> Response:
        try:
            order = services.cancel_order(
                user=user_of(request), order_id=order_id, now=timezone.now()
            )
        except Order.DoesNotExist as error:
            raise Problem("not_found") from error
        except services.OrderRefused as refusal:
            raise Problem(
                "order_conflict", detail=refusal.message, extra={"reason": refusal.code}
            ) from refusal
        return Response(order_json(order))


class QuoteOf(rest.Endpoint):
    """The price of the one asset."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(
        operation_id="read_quote",
        tags=["quotes"],
        parameters=[OpenApiParameter("symbol", enum=[quotes.SYMBOL], location="path")],
        responses={200: QuoteView},
        summary="Read the current price",
        description="Send `quote_token` with an order to buy at no worse than its limit_price.",
    )
    def get(self, request: Request, symbol: str) -> Response:
        if symbol != quotes.SYMBOL:
            raise Problem("not_found")
        return Response(_quote_json(_current(now=timezone.now())))


def _current(*, now: datetime) -> Quote:
    try:
        return quotes.current_quote(now=now)
    except quotes.QuoteUnavailable as error:
        raise Problem("market_data_stale", headers=retry_after(_MARKET_RETRY_SECONDS)) from error


def _quote(token: str | None, *, now: datetime) -> Callable[[], Quote]:
    """The quote to buy at, fetched now but refused only when the order is really placed.

    Fetching may call outside, so it must not happen inside the transaction; and a repeat of an
    order that was placed is answered even though its quote has expired since.
    """
    try:
        found = quotes.thaw(token, now=now) if token is not None else _current(now=now)
    except quotes.QuoteExpired:
        refusal = Problem("quote_expired", errors=_pointing("quote_expired"))
    except quotes.QuoteInvalid:
        refusal = Problem("quote_invalid", errors=_pointing("quote_invalid"))
    except Problem as problem:
        refusal = problem
    else:
        return lambda: found
    return lambda: _raise(refusal)


def _raise(problem: Problem) -> Quote:
    raise problem


def _place(user: User, quantity: str, quote: Callable[[], Quote], *, now: datetime) -> Answer:
    try:
        order = services.place_order(
            user=user,
            quantity=services.parse_quantity(quantity),
            quote=quote(),
            source=Order.Source.API,
            placement_key=None,
            now=now,
        )
    except services.OrderRefused as error:
        raise _refused(error) from error
    return Answer(
        body=order_json(order), location=reverse("api:order", kwargs={"order_id": order.pk})
    )


def _refused(error: services.OrderRefused) -> Problem:
    headers = retry_after(_MARKET_RETRY_SECONDS) if error.code == "market_data_stale" else {}
    extra = dict(error.extra)
    if "resets_at" in extra:
        extra["resets_at"] = str(rest.moment(datetime.fromisoformat(extra["resets_at"])))
    return Problem(
        error.code,
        detail=error.message,
        errors=_pointing(error.code, detail=str(error.message)),
        extra=extra,
        headers=headers,
    )


def _pointing(code: str, *, detail: str = "") -> list[FieldError]:
    field = _POINTERS.get(code)
    return [FieldError(pointer(field), detail or Problem(code).message, code)] if field else []


def order_json(order: Order) -> dict[str, object]:
    """An order on the wire: money and quantities as strings, times in UTC."""
    return {
        "id": str(order.pk),
        "symbol": order.symbol,
        "state": str(order.state),
        "reason": order.reason,
        "headline": str(selectors.headline(order)),
        "quantity": rest.amount(order.quantity),
        "quote_price": rest.usd(order.quote_price),
        "quoted_at": rest.moment(order.quoted_at),
        "limit_price": rest.usd(order.limit_price),
        "reserved_usd": rest.usd(order.reserved_usd),
        "filled_quantity": rest.amount(order.filled_quantity),
        "filled_avg_price": rest.amount(order.filled_avg_price),
        "wallet_address": order.wallet_address,
        "source": str(order.source),
        "queued_until": rest.moment(order.queued_until),
        "created_at": rest.moment(order.created_at),
        "updated_at": rest.moment(order.updated_at),
    }


def _step_json(step: selectors.Step) -> dict[str, object]:
    return {
        "key": step.key,
        "title": str(step.title),
        "state": step.state,
        "at": rest.moment(step.at),
        "seconds": step.seconds,
        "note": str(step.note or ""),
        "evidence": [
            {"label": str(item.label), "value": str(item.value), "href": item.href}
            for item in step.evidence
        ],
    }


def _quote_json(quote: Quote) -> dict[str, object]:
    return {
        "symbol": quote.symbol,
        "price": rest.usd(quote.price),
        "limit_price": rest.usd(quote.limit_price),
        "as_of": rest.moment(quote.as_of),
        "quoted_at": rest.moment(quote.quoted_at),
        "expires_at": rest.moment(quote.expires_at),
        "market_open": quote.market_open,
        "next_open": rest.moment(quote.next_open),
        "quote_token": quotes.freeze(quote),
    }
