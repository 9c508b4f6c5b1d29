"""API of risk limits (RISK-1)."""

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import need_scope, user_of
from accounts.models import User
from agora.lib import rest
from agora.lib.problems import Problem, wrong
from copytrade.api.history_schema import LimitsRequest, LimitsView, PersonLimitsRequest
from copytrade.models import RiskLimits, Subscription
from copytrade.selectors.risk import limits_of, standings, zone_of
from copytrade.services import risk
from copytrade.services.risk import AMOUNTS, Limits, RiskRefused

_METHODS = ("get", "head", "put")
_WIDER = "Whatever widens or lifts a limit needs the scope `security` as well."


class RiskLimitsOfPerson(rest.Endpoint):
    """Limits over all of the token owner's subscriptions."""

    http_method_names = _METHODS
    scopes: ClassVar = {"GET": "read", "PUT": "copy"}
    rates: ClassVar = {"GET": "read", "PUT": "trade"}

    @extend_schema(
        operation_id="read_risk_limits",
        tags=["copy trading"],
        responses={200: LimitsView},
        summary="Read your risk limits",
    )
    def get(self, request: Request) -> Response:
        return Response(_of_person(user_of(request)))

    @extend_schema(
        operation_id="set_risk_limits",
        tags=["copy trading"],
        request=PersonLimitsRequest,
        responses={200: LimitsView},
        summary="Set all your risk limits at once",
        description=f"They apply from the next order on; the loss of a day within seconds. {_WIDER}",
    )
    def put(self, request: Request) -> Response:
        user = user_of(request)
        limits = Limits(**rest.validated(PersonLimitsRequest, request))
        if risk.widens(limits_of(user=user), limits):
            need_scope(request, "security")
        _set(by=user, user=user, limits=limits)
        return Response(_of_person(user))


class RiskLimitsOfSubscription(rest.Endpoint):
    """Limits of one of the token owner's subscriptions."""

    http_method_names = _METHODS
    scopes: ClassVar = {"GET": "read", "PUT": "copy"}
    rates: ClassVar = {"GET": "read", "PUT": "trade"}

    @extend_schema(
        operation_id="read_subscription_risk_limits",
        tags=["copy trading"],
        responses={200: LimitsView},
        summary="Read the risk limits of a subscription",
    )
    def get(self, request: Request, subscription_id: UUID) -> Response:
        return Response(_of_subscription(user_of(request), subscription_id))

    @extend_schema(
        operation_id="set_subscription_risk_limits",
        tags=["copy trading"],
        request=LimitsRequest,
        responses={200: LimitsView},
        summary="Set all risk limits of a subscription at once",
        description=_WIDER,
    )
    def put(self, request: Request, subscription_id: UUID) -> Response:
        user = user_of(request)
        subscription = _subscription(user, subscription_id)
        limits = Limits(**rest.validated(LimitsRequest, request))
        if risk.widens(limits_of(subscription=subscription), limits):
            need_scope(request, "security")
        _set(by=user, subscription_id=subscription_id, limits=limits)
        return Response(_of_subscription(user, subscription_id))


def _set(**arguments: Any) -> None:
    try:
        risk.set_limits(**arguments, now=timezone.now())
    except RiskRefused as refusal:
        if refusal.field:
            raise wrong(refusal.field, refusal.message, code=refusal.code) from refusal
        raise Problem("forbidden", detail=refusal.message) from refusal
    except Subscription.DoesNotExist as error:
        raise Problem("not_found") from error


def _of_person(user: User) -> dict[str, object]:
    subscriptions = Subscription.objects.filter(follower=user).values_list("pk", flat=True)
    found = standings(subscription_ids=list(subscriptions), now=timezone.now()).values()
    lost = next((standing.user_loss for standing in found), Decimal(0))
    return _json(limits_of(user=user), zone=zone_of(user), lost=lost)


def _subscription(user: User, subscription_id: UUID) -> Subscription:
    subscription = Subscription.objects.filter(pk=subscription_id, follower=user).first()
    if subscription is None:
        raise Problem("not_found")
    return subscription


def _of_subscription(user: User, subscription_id: UUID) -> dict[str, object]:
    subscription = _subscription(user, subscription_id)
    standing = standings(subscription_ids=[subscription.pk], now=timezone.now()).get(
        subscription.pk
    )
    lost = standing.loss if standing else Decimal(0)
    return _json(limits_of(subscription=subscription), zone=zone_of(user), lost=lost)


def _json(row: RiskLimits, *, zone: str, lost: Decimal) -> dict[str, object]:
    return {
        **{name: rest.amount(getattr(row, name)) for name in AMOUNTS},
        "timezone": zone,
        "lost_today": rest.amount(lost),
        "updated_at": rest.moment(row.updated_at),
    }
