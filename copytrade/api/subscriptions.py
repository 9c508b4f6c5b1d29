"""API of subscriptions: preview, subscribe, change, pause, resume, stop (SUB-1)."""

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

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
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import FieldError, Problem, pointer, retry_after, wrong
from copytrade.api import subscription_schema as schema
from copytrade.api.strategies import Endpoint
from copytrade.models import ExchangeAccount, Strategy, Subscription
from copytrade.selectors import subscriptions as selectors
from copytrade.selectors.preview import DAYS, Preview, preview_of
from copytrade.services import funds, subscribing
from copytrade.services import subscriptions as services
from copytrade.services.funds import FundsUnknown
from copytrade.services.subscriptions import SubscriptionRefused
from copytrade.services.terms import NAMES, Terms, faults_of, stop_equity_of
from copytrade.states import AccountState, SubscriptionState

_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,30})?")
_DECIMALS = ("allocated", "factor", "stop_loss_percent")
_RETRY_SECONDS = 30
_FIELDS = {"account": "account_id"}
_MISSING_FUNDS = "exchange_unavailable"


class Subscriptions(Endpoint):
    """The subscriptions of the token's owner."""

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        listing = self.request.method in ("GET", "HEAD")
        return frozenset({"state", "cursor", "page_size"}) if listing else frozenset()

    @extend_schema(
        operation_id="list_subscriptions",
        tags=["copy trading"],
        parameters=[OpenApiParameter("state", enum=SubscriptionState.values), *PAGES],
        responses={200: schema.SubscriptionPage},
        summary="List your subscriptions, newest first",
    )
    def get(self, request: Request) -> Response:
        found = selectors.subscriptions_of(user_of(request))
        state = request.query_params.get("state")
        if state is not None:
            if state not in SubscriptionState.values:
                raise ParseError(_("There is no such subscription state."))
            found = found.filter(state=state)
        return rest.NewestFirst.listed(found, request, subscription_json)

    @extend_schema(
        operation_id="subscribe",
        tags=["copy trading"],
        parameters=[IDEMPOTENCY_KEY],
        request=schema.SubscriptionRequest,
        responses={201: schema.SubscriptionDetail},
        summary="Copy a strategy",
        description=(
            "The account must hold what you allocate beyond what its other subscriptions may spend. "
            "Try the terms with the strategy's `preview` first."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(schema.SubscriptionRequest, request)
        user, now = user_of(request), timezone.now()
        terms = _terms(asked)
        held = _held(user, asked["account_id"])

        def perform() -> Answer:
            made = _done(
                lambda: subscribing.subscribe(
                    user=user,
                    strategy_id=asked["strategy_id"],
                    account_id=asked["account_id"],
                    terms=terms,
                    start=asked["start"],
                    held=held(),
                    invite_code=asked["invite_code"],
                    now=now,
                )
            )
            location = reverse("api:copy_subscription", kwargs={"subscription_id": made.pk})
            return Answer(body=detail_json(made), location=location)

        return idempotency.once(request, client=user.pk, key=key, now=now, perform=perform)


class SubscriptionById(Endpoint):
    """One subscription."""

    @extend_schema(
        operation_id="read_subscription",
        tags=["copy trading"],
        responses={200: schema.SubscriptionDetail},
        summary="Read a subscription, what it is worth and holds",
    )
    def get(self, request: Request, subscription_id: uuid.UUID) -> Response:
        return Response(detail_json(_own(request, subscription_id)))

    @extend_schema(
        operation_id="change_subscription",
        tags=["copy trading"],
        request=schema.SubscriptionChange,
        responses={200: schema.SubscriptionChanged},
        summary="Change the terms for new orders",
        description="A changed allocation takes the stop-loss along.",
    )
    def patch(self, request: Request, subscription_id: uuid.UUID) -> Response:
        changes = rest.validated(schema.SubscriptionChange, request)
        version, user = changes.pop("version"), user_of(request)
        for name in _DECIMALS:
            if changes.get(name) is not None:
                changes[name] = _decimal(changes[name], name=name)
        found = _own(request, subscription_id)
        raises = changes.get("allocated", Decimal(0)) > found.allocated
        held = _held(user, found.account_id)() if raises else None
        changed = _done(
            lambda: services.update(
                user=user,
                subscription_id=subscription_id,
                changes=changes,
                version=version,
                held=held,
                now=timezone.now(),
            )
        )
        return Response({**detail_json(changed.subscription), "widened": changed.widened})


class PauseSubscription(Endpoint):
    """Pausing a subscription."""

    @extend_schema(
        operation_id="pause_subscription",
        tags=["copy trading"],
        request=None,
        responses={200: schema.SubscriptionDetail},
        summary="Copy closes only",
        description="A repeat changes nothing, so no Idempotency-Key is needed.",
    )
    def post(self, request: Request, subscription_id: uuid.UUID) -> Response:
        return _act(request, subscription_id, services.pause)


class ResumeSubscription(Endpoint):
    """Ending a pause."""

    @extend_schema(
        operation_id="resume_subscription",
        tags=["copy trading"],
        request=schema.ResumeRequest,
        responses={200: schema.SubscriptionDetail},
        summary="Copy everything again",
        description=(
            "After a day's loss limit: 409 `confirm_resume` unless `confirm` is true; the day's loss "
            "then counts from zero again. A repeat changes nothing."
        ),
    )
    def post(self, request: Request, subscription_id: uuid.UUID) -> Response:
        asked = rest.validated(schema.ResumeRequest, request)
        return _act(request, subscription_id, services.resume, confirm=asked["confirm"])


class StopSubscription(Endpoint):
    """Ending a subscription."""

    @extend_schema(
        operation_id="stop_subscription",
        tags=["copy trading"],
        request=schema.StopRequest,
        responses={200: schema.SubscriptionDetail},
        summary="Stop copying: positions are closed or kept",
        description=(
            "STOPPING until open orders are cancelled and positions sold. A repeat changes nothing; "
            "`keep` gives up a closing that has not happened yet."
        ),
    )
    def post(self, request: Request, subscription_id: uuid.UUID) -> Response:
        asked = rest.validated(schema.StopRequest, request)
        return _act(request, subscription_id, services.stop, on_stop=asked.get("on_stop", ""))


class PreviewOfStrategy(Endpoint):
    """What a subscription would have copied."""

    scopes = {"POST": "read"}
    rates = {"POST": "trade"}

    @extend_schema(
        operation_id="preview_subscription",
        tags=["copy trading"],
        request=schema.PreviewRequest,
        responses={200: schema.PreviewView},
        summary="Replay the master's last 90 days with your own terms and limits",
        description="Stores nothing. At most the newest 1,000 orders.",
    )
    def post(self, request: Request, strategy_id: uuid.UUID) -> Response:
        asked = rest.validated(schema.PreviewRequest, request)
        user, now, terms = user_of(request), timezone.now(), _terms(asked)
        strategy = _done(
            lambda: subscribing.strategy_to_copy(
                user=user, strategy_id=strategy_id, invite_code=asked["invite_code"]
            )
        )
        if faults := faults_of(terms, strategy=strategy):
            raise _refused(SubscriptionRefused("terms_invalid", faults=faults))
        return Response(_replayed(user, strategy, terms, now=now))


def _replayed(user: User, strategy: Strategy, terms: Terms, *, now: datetime) -> dict[str, Any]:
    stop = stop_equity_of(equity=terms.allocated, percent=terms.stop_loss_percent)
    found = preview_of(user=user, strategy=strategy, terms=terms, stop_equity=stop, now=now)
    return {**preview_json(found), "stop_equity": rest.amount(stop)}


def _terms(asked: dict[str, Any]) -> Terms:
    values = {name: asked[name] for name in NAMES}
    for name in _DECIMALS:
        if values[name] is not None:
            values[name] = _decimal(values[name], name=name)
    return Terms(**values)


def _decimal(text: str, *, name: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise wrong(name, _('Give a plain decimal number, such as "0.5".'))
    return Decimal(text)


def _held(user: User, account_id: uuid.UUID) -> Callable[[], Decimal]:
    """What the account holds, asked for now but refused only inside: a repeat is answered as before.

    Of an account that cannot be used nothing is asked; subscribing refuses it with the reason.
    """
    account = ExchangeAccount.objects.filter(
        pk=account_id, user=user, state=AccountState.ACTIVE
    ).first()
    if account is None:
        return lambda: Decimal(0)
    try:
        held = funds.held_now(account)
    except FundsUnknown as unknown:
        problem = Problem(
            _MISSING_FUNDS, detail=unknown.message, headers=retry_after(_RETRY_SECONDS)
        )
        return lambda: _raise(problem)
    return lambda: held


def _raise(problem: Problem) -> Decimal:
    raise problem


def _own(request: Request, subscription_id: uuid.UUID) -> Subscription:
    try:
        return selectors.subscription_for(user=user_of(request), subscription_id=subscription_id)
    except Subscription.DoesNotExist as error:
        raise Problem("not_found") from error


def _act(
    request: Request, subscription_id: uuid.UUID, act: Callable[..., Subscription], **options: Any
) -> Response:
    user, now = user_of(request), timezone.now()
    _done(lambda: act(user=user, subscription_id=subscription_id, now=now, **options))
    return Response(detail_json(_own(request, subscription_id)))


def _done(perform: Callable[[], Any]) -> Any:
    """What the service did; its refusals as problems."""
    try:
        return perform()
    except (Subscription.DoesNotExist, Strategy.DoesNotExist) as error:
        raise Problem("not_found") from error
    except SubscriptionRefused as refusal:
        raise _refused(refusal) from refusal


def _refused(refusal: SubscriptionRefused) -> Problem:
    errors = [
        FieldError(pointer(_FIELDS.get(fault.field, fault.field)), fault.message, fault.code)
        for fault in refusal.faults
    ]
    if refusal.code in ("terms_invalid", "start_invalid", "on_stop_invalid", "account_unknown"):
        return Problem("invalid", errors=errors)
    return Problem(refusal.code, detail=refusal.message, errors=errors)


def subscription_json(subscription: Subscription) -> dict[str, Any]:
    """A subscription on the wire: amounts as strings, times in UTC."""
    return {
        "id": str(subscription.pk),
        "strategy_id": str(subscription.strategy_id),
        "strategy_name": subscription.strategy.name,
        "account_id": str(subscription.account_id),
        "state": str(subscription.state),
        "state_reason": subscription.state_reason,
        "sizing": str(subscription.sizing),
        "factor": rest.amount(subscription.factor),
        "allocated": rest.amount(subscription.allocated),
        "symbols": list(subscription.symbols),
        "slippage_bps": subscription.slippage_bps,
        "max_open": subscription.max_open,
        "minimum": str(subscription.minimum),
        "start": str(subscription.start),
        "on_stop": str(subscription.on_stop),
        "stop_equity": rest.amount(subscription.stop_equity),
        "version": subscription.version,
        "created_at": rest.moment(subscription.created_at),
        "updated_at": rest.moment(subscription.updated_at),
        "stopped_at": rest.moment(subscription.stopped_at),
    }


def detail_json(subscription: Subscription) -> dict[str, Any]:
    """A subscription with what it is worth and holds."""
    equity = selectors.standing_of(subscription).equity
    return {
        **subscription_json(subscription),
        "equity": rest.amount(equity.total),
        "realized": rest.amount(equity.realized),
        "unrealized": rest.amount(equity.unrealized),
        "priced_at": rest.moment(equity.priced_at),
        "unpriced": list(equity.unpriced),
        "positions": [
            {
                "symbol": held.symbol,
                "quantity": rest.amount(held.quantity),
                "average_price": rest.amount(held.average_price),
                "price": rest.amount(held.price),
                "value": rest.amount(held.value),
            }
            for held in selectors.holdings_of(subscription)
        ],
    }


def preview_json(found: Preview) -> dict[str, Any]:
    """A replay on the wire."""
    return {
        "days": DAYS,
        "orders": found.orders,
        "copied": found.copied,
        "result": rest.amount(found.result),
        "fees": rest.amount(found.fees),
        "most_used": rest.amount(found.most_used),
        "stopped_at": rest.moment(found.stopped_at),
        "has_rules": found.has_rules,
        "skipped": [
            {"reason": code, "text": str(text), "orders": count}
            for code, text, count in found.skipped
        ],
        "lines": [
            {
                "at": rest.moment(line.at),
                "symbol": line.symbol,
                "side": line.side,
                "price": rest.amount(line.price),
                "master_quantity": rest.amount(line.master_quantity),
                "quantity": rest.amount(line.quantity),
                "value": rest.amount(line.value),
                "reason": line.reason,
            }
            for line in found.lines
        ],
    }
