"""API of the master's desk: place, list, cancel and replace orders (EXE-1)."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import Problem, retry_after, wrong
from copytrade.api.desk_schema import (
    MasterOrderChange,
    MasterOrderPage,
    MasterOrderRequest,
    MasterOrderView,
)
from copytrade.models import MasterOrder, Strategy
from copytrade.selectors import desk as selectors
from copytrade.services import desk, ticket
from copytrade.services.ticket import DeskRefused
from copytrade.states import MasterOrderState

_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_UNREADABLE = frozenset({"market_unknown", "price_unknown"})
_RETRY_SECONDS = 5


class NewestPlacedFirst(rest.NewestFirst):
    """By the time of placing."""

    ordering = ("-placed_at", "-id")


class MasterOrders(rest.Endpoint):
    """Orders on the account of a strategy."""

    rates: ClassVar = {"GET": "read", "POST": "trade"}
    scopes: ClassVar = {"GET": "read", "POST": "copy"}

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        listing = self.request.method in ("GET", "HEAD")
        return frozenset({"state", "cursor", "page_size"}) if listing else frozenset()

    @extend_schema(
        operation_id="list_master_orders",
        tags=["copy trading"],
        parameters=[
            OpenApiParameter("state", enum=MasterOrderState.values, description="Only these."),
            *PAGES,
        ],
        responses={200: MasterOrderPage},
        summary="List a strategy's own orders, newest first",
        description="Also those that were placed directly at the exchange.",
    )
    def get(self, request: Request, strategy_id: UUID) -> Response:
        found = selectors.orders_of(_own(request, strategy_id))
        state = request.query_params.get("state")
        if state is not None:
            if state not in MasterOrderState.values:
                raise ParseError(_("There is no such order state."))
            found = found.filter(state=state)
        return NewestPlacedFirst.listed(found, request, order_json)

    @extend_schema(
        operation_id="place_master_order",
        tags=["copy trading"],
        parameters=[IDEMPOTENCY_KEY],
        request=MasterOrderRequest,
        responses={201: MasterOrderView},
        summary="Place an order on the account of your strategy",
        description=(
            "It is sent at once, and followers copy what becomes of it: read the order again, or "
            "its signals. A refused order stores nothing: its key may be reused."
        ),
    )
    def post(self, request: Request, strategy_id: UUID) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(MasterOrderRequest, request)
        quantity = _number("quantity", asked["quantity"])
        price = None if asked["price"] is None else _number("price", asked["price"])
        strategy = _own(request, strategy_id)
        _read_rules(asked["symbol"])
        now = timezone.now()

        def perform() -> MasterOrder:
            return desk.place(
                strategy=strategy,
                by=user_of(request),
                side=asked["side"],
                type=asked["type"],
                symbol=asked["symbol"],
                quantity=quantity,
                price=price,
                source=MasterOrder.Source.API,
                placement_key=None,
                now=now,
            )

        return idempotency.once(
            request,
            client=user_of(request).pk,
            key=key,
            now=now,
            perform=lambda: _answer(_done(perform)),
        )


class MasterOrderById(rest.Endpoint):
    """One order on the account of a strategy."""

    http_method_names = ("get", "head", "patch", "delete")
    rates: ClassVar = {"GET": "read", "PATCH": "trade", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "PATCH": "copy", "DELETE": "copy"}

    @extend_schema(
        operation_id="read_master_order",
        tags=["copy trading"],
        responses={200: MasterOrderView},
        summary="Read one of a strategy's own orders",
    )
    def get(self, request: Request, strategy_id: UUID, order_id: UUID) -> Response:
        strategy = _own(request, strategy_id)
        return Response(order_json(_order(strategy, order_id)))

    @extend_schema(
        operation_id="replace_master_order",
        tags=["copy trading"],
        parameters=[IDEMPOTENCY_KEY],
        request=MasterOrderChange,
        responses={201: MasterOrderView},
        summary="Put a new limit order in the place of an open one",
        description=(
            "Answers the new order. It is placed only once the old one is cancelled; if that fills "
            "first, the new one ends `REJECTED` with reason `replaced_order_gone`."
        ),
    )
    def patch(self, request: Request, strategy_id: UUID, order_id: UUID) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(MasterOrderChange, request)
        quantity = _number("quantity", asked["quantity"])
        price = _number("price", asked["price"])
        strategy = _own(request, strategy_id)
        _read_rules(_order(strategy, order_id).symbol)
        now = timezone.now()

        def perform() -> MasterOrder:
            return desk.replace(
                strategy=strategy,
                by=user_of(request),
                order_id=order_id,
                quantity=quantity,
                price=price,
                source=MasterOrder.Source.API,
                placement_key=None,
                now=now,
            )

        return idempotency.once(
            request,
            client=user_of(request).pk,
            key=key,
            now=now,
            perform=lambda: _answer(_done(perform)),
        )

    @extend_schema(
        operation_id="cancel_master_order",
        tags=["copy trading"],
        request=None,
        responses={200: MasterOrderView},
        summary="Cancel an open order",
        description="The exchange has the last word: read the order again. A repeat does no harm.",
    )
    def delete(self, request: Request, strategy_id: UUID, order_id: UUID) -> Response:
        strategy = _own(request, strategy_id)

        def perform() -> MasterOrder:
            return desk.cancel(
                strategy=strategy, by=user_of(request), order_id=order_id, now=timezone.now()
            )

        return Response(order_json(_done(perform)))


def _own(request: Request, strategy_id: UUID) -> Strategy:
    try:
        return selectors.own_strategy(user=user_of(request), strategy_id=strategy_id)
    except Strategy.DoesNotExist as error:
        raise Problem("not_found") from error


def _order(strategy: Strategy, order_id: UUID) -> MasterOrder:
    try:
        return selectors.order_of(strategy=strategy, order_id=order_id)
    except MasterOrder.DoesNotExist as error:
        raise Problem("not_found") from error


def _number(name: str, text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        detail = _('Give a plain decimal number, such as "0.5".')
        raise wrong(name, detail, code="number_invalid")
    return Decimal(text)


def _read_rules(symbol: str) -> None:
    """Have this process know the pair's rules: inside the transaction nobody waits for them."""
    try:
        ticket.market_of(symbol)
    except DeskRefused:
        return  # placing says it, after what else there is to say


def _done(perform: Callable[[], MasterOrder]) -> MasterOrder:
    try:
        return perform()
    except (Strategy.DoesNotExist, MasterOrder.DoesNotExist) as error:
        raise Problem("not_found") from error
    except DeskRefused as refusal:
        raise _problem(refusal) from refusal


def _problem(refusal: DeskRefused) -> Problem:
    if refusal.code in _UNREADABLE:
        headers = retry_after(_RETRY_SECONDS)
        return Problem("market_data_stale", detail=refusal.message, headers=headers)
    if refusal.field:
        return wrong(refusal.field, refusal.message, code=refusal.code)
    return Problem("order_conflict", detail=refusal.message, extra={"reason": refusal.code})


def _answer(order: MasterOrder) -> Answer:
    names = {"strategy_id": order.strategy.pk, "order_id": order.pk}
    return Answer(body=order_json(order), location=reverse("api:copy_order", kwargs=names))


def order_json(order: MasterOrder) -> dict[str, object]:
    """An order on the wire: quantities and prices as strings, times in UTC."""
    return {
        "id": str(order.pk),
        "strategy_id": str(order.strategy_id),
        "symbol": order.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "state": str(order.state),
        "reason": order.reason,
        "quantity": rest.amount(order.quantity),
        "price": rest.amount(order.price),
        "filled": rest.amount(order.filled),
        "quote_filled": rest.amount(order.quote_filled),
        "source": str(order.source),
        "client_order_id": order.client_order_id,
        "exchange_order_id": order.exchange_order_id,
        "replaces": None if order.replaces_id is None else str(order.replaces_id),
        "cancel_requested_at": rest.moment(order.cancel_requested_at),
        "placed_at": rest.moment(order.placed_at),
        "updated_at": rest.moment(order.updated_at),
    }
