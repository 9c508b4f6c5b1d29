"""API of signals and of what became of them: "why was this not copied?" (EXE-1)."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from agora.lib import rest
from agora.lib.openapi import PAGES
from agora.lib.problems import Problem
from copytrade.api.history_schema import LegView, SignalDetail, SignalPage
from copytrade.models import CopyOrder, Signal
from copytrade.selectors import explain
from copytrade.selectors.explain import LegAnswer, SignalAnswer


class Signals(rest.Endpoint):
    """Signals of the token owner's strategies, and those that their subscriptions got."""

    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"cursor", "page_size"})

    @extend_schema(
        operation_id="list_signals",
        tags=["copy trading"],
        parameters=PAGES,
        responses={200: SignalPage},
        summary="List signals, newest first",
    )
    def get(self, request: Request) -> Response:
        return rest.NewestFirst.listed(explain.signals_for(user_of(request)), request, signal_json)


class SignalById(rest.Endpoint):
    """One signal with what became of it."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(
        operation_id="read_signal",
        tags=["copy trading"],
        responses={200: SignalDetail},
        summary="Read a signal and what became of it",
        description="Its master sees all copies in sum, a follower their own ones.",
    )
    def get(self, request: Request, signal_id: UUID) -> Response:
        user = user_of(request)
        try:
            signal = explain.signal_for(user=user, signal_id=signal_id)
        except Signal.DoesNotExist as error:
            raise Problem("not_found") from error
        is_master = signal.strategy.master_id == user.pk
        answer = explain.explain_signal(signal) if is_master else None
        legs = explain.legs_for(user).filter(signal=signal)
        return Response(
            {
                **signal_json(signal),
                "copies": copies_json(answer) if answer else None,
                "legs": [leg_json(explain.explain_leg(leg)) for leg in legs],
            }
        )


class LegById(rest.Endpoint):
    """One copy of the token owner's."""

    scopes: ClassVar = {"GET": "read"}

    @extend_schema(
        operation_id="read_leg",
        tags=["copy trading"],
        responses={200: LegView},
        summary="Read what became of a copy, and why",
    )
    def get(self, request: Request, leg_id: UUID) -> Response:
        try:
            leg = explain.leg_for(user=user_of(request), leg_id=leg_id)
        except CopyOrder.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(leg_json(explain.explain_leg(leg)))


def signal_json(signal: Signal) -> dict[str, object]:
    """A signal on the wire."""
    return {
        "id": str(signal.pk),
        "strategy_id": str(signal.strategy_id),
        "number": signal.number,
        "kind": signal.kind,
        "cause": signal.cause,
        "symbol": signal.symbol,
        "side": signal.side,
        "price": rest.amount(signal.price),
        "cumulative": rest.amount(signal.cumulative),
        "headline": explain.headline(signal),
        "at": rest.moment(signal.at),
        "published_at": rest.moment(signal.created_at),
    }


def leg_json(answer: LegAnswer) -> dict[str, object]:
    """What became of a copy, on the wire."""
    leg = answer.leg
    return {
        "id": str(leg.pk),
        "signal_id": str(leg.signal_id),
        "subscription_id": str(leg.subscription_id),
        "symbol": leg.symbol,
        "side": leg.side,
        "state": leg.state,
        "reason": leg.reason,
        "outcome": answer.outcome,
        "why": answer.why,
        "quantities": [
            {"key": q.key, "value": rest.amount(q.value), "note": q.note} for q in answer.quantities
        ],
        "published_after_ms": answer.published_after_ms,
        "accepted_after_ms": answer.accepted_after_ms,
        "average_price": rest.amount(answer.average_price),
        "slippage_bps": rest.amount(answer.slippage_bps),
        "client_order_id": leg.client_order_id,
        "created_at": rest.moment(leg.created_at),
        "accepted_at": rest.moment(leg.accepted_at),
    }


def copies_json(answer: SignalAnswer) -> dict[str, object]:
    """What became of all copies, on the wire."""
    return {
        "legs": answer.legs,
        "copied": answer.copied,
        "quantity": rest.amount(answer.quantity),
        "value": rest.amount(answer.value),
        "median_ms": answer.median_ms,
        "last_ms": answer.last_ms,
        "slippage_bps": rest.amount(answer.slippage_bps),
        "outcomes": [
            {"state": o.state, "reason": o.reason, "text": o.text, "count": o.count}
            for o in answer.outcomes
        ],
    }
