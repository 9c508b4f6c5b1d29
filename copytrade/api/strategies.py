"""API of strategies: what a master does, and what everybody may read (MKT-1, MKT-2)."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from agora.lib import idempotency, rest
from agora.lib.catalog import CATALOG
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import FieldError, Problem, pointer, wrong
from copytrade.api import strategy_schema as schema
from copytrade.models import Fill, NavPoint, Strategy, TrackRecord
from copytrade.selectors import strategies as selectors
from copytrade.services import strategies as services
from copytrade.services.strategies import StrategyRefused, Terms

_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,30})?")
_FIELDS = {"account": "account_id"}


class Endpoint(rest.Endpoint):
    """Reads need the scope `read`, changes the scope `copy`."""

    http_method_names = ("get", "head", "post", "patch", "delete")
    rates: ClassVar = {"GET": "read", "POST": "trade", "PATCH": "trade", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "POST": "copy", "PATCH": "copy", "DELETE": "copy"}


class OwnStrategies(Endpoint):
    """The strategies of the token's owner."""

    @extend_schema(
        operation_id="list_own_strategies",
        tags=["copy trading"],
        responses={200: schema.OwnStrategies},
        summary="List your own strategies, deleted ones too",
    )
    def get(self, request: Request) -> Response:
        found = selectors.strategies_of(user_of(request))
        return Response({"results": [strategy_json(strategy) for strategy in found]})


class StrategyById(Endpoint):
    """One strategy."""

    @extend_schema(
        operation_id="read_strategy",
        tags=["copy trading"],
        responses={200: schema.StrategyDetail},
        summary="Read a strategy and its track record",
        description="A private one is found by its master and its followers, or by an invitation.",
    )
    def get(self, request: Request, strategy_id: uuid.UUID) -> Response:
        return Response(detail_json(visible(request, strategy_id), request))

    @extend_schema(
        operation_id="change_strategy",
        tags=["copy trading"],
        request=schema.StrategyChange,
        responses={200: schema.StrategyDetail},
        summary="Change a strategy's terms",
        description="Followers are told when pairs, resting orders or the minimum change.",
    )
    def patch(self, request: Request, strategy_id: uuid.UUID) -> Response:
        serializer = schema.StrategyChange(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = dict(serializer.validated_data)
        if "min_equity" in changes:
            changes["min_equity"] = _amount(changes["min_equity"])

        def perform() -> Strategy:
            return services.update_strategy(
                master=user_of(request),
                strategy_id=strategy_id,
                changes=changes,
                now=timezone.now(),
            )

        return Response(detail_json(_done(perform), request))

    @extend_schema(
        operation_id="delete_strategy",
        tags=["copy trading"],
        request=None,
        responses={200: schema.StrategyDetail},
        summary="End a strategy for good; its history stays",
        description=(
            "Nobody can subscribe any more, and each follower's copy stops by their own choice. "
            "A repeat changes nothing."
        ),
    )
    def delete(self, request: Request, strategy_id: uuid.UUID) -> Response:
        return _act(request, services.delete_strategy, strategy_id)


class PauseStrategy(Endpoint):
    """Pausing a strategy."""

    @extend_schema(
        operation_id="pause_strategy",
        tags=["copy trading"],
        request=None,
        responses={200: schema.StrategyDetail},
        summary="Pause a strategy: only closes are copied",
        description="A repeat changes nothing, so no Idempotency-Key is needed.",
    )
    def post(self, request: Request, strategy_id: uuid.UUID) -> Response:
        return _act(request, services.pause_strategy, strategy_id)


class ResumeStrategy(Endpoint):
    """Ending a pause."""

    @extend_schema(
        operation_id="resume_strategy",
        tags=["copy trading"],
        request=None,
        responses={200: schema.StrategyDetail},
        summary="Let a paused strategy go on",
        description="A repeat changes nothing, so no Idempotency-Key is needed.",
    )
    def post(self, request: Request, strategy_id: uuid.UUID) -> Response:
        return _act(request, services.resume_strategy, strategy_id)


class Invitation(Endpoint):
    """The strategy that an invitation leads to."""

    @extend_schema(
        operation_id="read_invitation",
        tags=["copy trading"],
        responses={200: schema.StrategyDetail},
        summary="Read the strategy that an invitation leads to",
    )
    def get(self, request: Request, code: str) -> Response:
        try:
            found = selectors.invited(code=code)
        except Strategy.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(detail_json(found, request))


class Curve(Endpoint):
    """The equity curve of a strategy."""

    query_parameters = frozenset({"days"})

    @extend_schema(
        operation_id="read_strategy_curve",
        tags=["copy trading"],
        parameters=[
            OpenApiParameter(
                "days", type={"type": "integer", "minimum": 1, "maximum": 3650, "default": 90}
            )
        ],
        responses={200: schema.CurveView},
        summary="Read a strategy's value a unit, day by day",
    )
    def get(self, request: Request, strategy_id: uuid.UUID) -> Response:
        text = request.query_params.get("days", "90")
        if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 3650:
            raise ParseError(_("Give days as a number from 1 to 3650."))
        found, today = visible(request, strategy_id), timezone.now().astimezone(UTC).date()
        own = found.master_id == user_of(request).pk
        points = selectors.curve_of(found, days=int(text), today=today)
        return Response({"points": [_point_json(point, own=own) for point in points]})


class MasterTrades(Endpoint):
    """The trades of the strategy's own account."""

    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_strategy_trades",
        tags=["copy trading"],
        parameters=PAGES,
        responses={200: schema.MasterTradePage},
        summary="List a strategy's trades, newest first",
    )
    def get(self, request: Request, strategy_id: uuid.UUID) -> Response:
        found = selectors.trades_of(visible(request, strategy_id))
        return _TradePages.listed(found, request, _trade_json)


class _TradePages(rest.NewestFirst):
    ordering = ("-at", "-id")


def create(request: Request) -> Response:
    """Publish a strategy from a request with an Idempotency-Key."""
    key, asked = idempotency.key_of(request), rest.validated(schema.StrategyRequest, request)
    user, now, account_id = user_of(request), timezone.now(), asked.pop("account_id")
    terms = Terms(**{**asked, "min_equity": _amount(asked["min_equity"])})

    def perform() -> Answer:
        made = _done(
            lambda: services.create_strategy(
                master=user, account_id=account_id, terms=terms, now=now
            )
        )
        return Answer(
            body=detail_json(made, request),
            location=reverse("api:copy_strategy", kwargs={"strategy_id": made.pk}),
        )

    return idempotency.once(request, client=user.pk, key=key, now=now, perform=perform)


CREATE_SCHEMA = extend_schema(
    operation_id="create_strategy",
    tags=["copy trading"],
    parameters=[IDEMPOTENCY_KEY],
    request=schema.StrategyRequest,
    responses={201: schema.StrategyDetail},
    summary="Publish a strategy on one of your exchange accounts",
)


def visible(request: Request, strategy_id: uuid.UUID) -> Strategy:
    """The strategy, if the token's owner may look at it; else 404."""
    try:
        return selectors.strategy_for(user=user_of(request), strategy_id=strategy_id)
    except Strategy.DoesNotExist as error:
        raise Problem("not_found") from error


def _act(request: Request, act: Callable[..., Strategy], strategy_id: uuid.UUID) -> Response:
    user, now = user_of(request), timezone.now()
    done = _done(lambda: act(master=user, strategy_id=strategy_id, now=now))
    return Response(detail_json(done, request))


def _done(perform: Callable[[], Strategy]) -> Strategy:
    """What the service did; its refusals as problems."""
    try:
        return perform()
    except Strategy.DoesNotExist as error:
        raise Problem("not_found") from error
    except StrategyRefused as refusal:
        field = _FIELDS.get(refusal.field, refusal.field)
        errors = [FieldError(pointer(field), refusal.message, refusal.code)] if field else []
        code = refusal.code if refusal.code in CATALOG else "invalid"
        detail = refusal.message if code != "invalid" else ""
        raise Problem(code, detail=detail, errors=errors) from refusal


def _amount(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise wrong("min_equity", _('Give a plain decimal number, such as "0.5".'))
    return Decimal(text)


def strategy_json(strategy: Strategy) -> dict[str, Any]:
    """A strategy on the wire: amounts as strings, times in UTC."""
    return {
        "id": str(strategy.pk),
        "name": strategy.name,
        "exchange": strategy.exchange,
        "symbols": list(strategy.symbols),
        "style": str(strategy.style),
        "copy_on": str(strategy.copy_on),
        "min_equity": rest.amount(strategy.min_equity),
        "max_followers": strategy.max_followers,
        "copiers": strategy.copiers,
        "aum": rest.amount(strategy.aum),
        "is_public": strategy.is_public,
        "is_demo": strategy.is_demo,
        "state": str(strategy.state),
        "created_at": rest.moment(strategy.created_at),
        "updated_at": rest.moment(strategy.updated_at),
    }


def detail_json(strategy: Strategy, request: Request) -> dict[str, Any]:
    """A strategy with its text and records, and for its master the invitation."""
    user: User = user_of(request)
    path = reverse("invitation", args=[strategy.invite_code])
    own = strategy.master_id == user.pk
    return {
        **strategy_json(strategy),
        "description": strategy.description,
        "records": [record_json(r) for r in selectors.records_of(strategy).values()],
        "invite_url": request.build_absolute_uri(path) if own else None,
    }


def record_json(record: TrackRecord) -> dict[str, Any]:
    """Figures of one period on the wire."""
    return {
        "period": int(record.period),
        "roi": rest.amount(record.roi),
        "pnl": rest.amount(record.pnl),
        "max_drawdown": rest.amount(record.max_drawdown),
        "sharpe": rest.amount(record.sharpe),
        "win_rate": rest.amount(record.win_rate),
        "trades": record.trades,
        "computed_at": rest.moment(record.computed_at),
    }


def _point_json(point: NavPoint, *, own: bool) -> dict[str, Any]:
    told = {"day": point.day.isoformat(), "nav": rest.amount(point.nav)}
    if own:
        told |= {"equity": rest.amount(point.equity), "flows": rest.amount(point.flows)}
    return told


def _trade_json(fill: Fill) -> dict[str, Any]:
    return {
        "id": fill.pk,
        "symbol": fill.symbol,
        "side": str(fill.side),
        "price": rest.amount(fill.price),
        "quantity": rest.amount(fill.quantity),
        "realized": rest.amount(fill.realized),
        "at": rest.moment(fill.at),
    }
