"""POST order/cancelReplace: a cancellation and a new order in one request, each with its outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agora.sandbox.binance import errors
from agora.sandbox.binance.api import Call, Endpoint
from agora.sandbox.binance.auth import TRADE
from agora.sandbox.binance.engine import Engine
from agora.sandbox.binance.rules import REPLACE_PARAMS, NewOrder, random_id, read_order
from agora.sandbox.binance.trading import open_order
from agora.sandbox.wire import Json, VendorError

STOP, ALLOW = "STOP_ON_FAILURE", "ALLOW_FAILURE"
DO_NOTHING, CANCEL_ONLY = "DO_NOTHING", "CANCEL_ONLY"
SUCCESS, FAILURE, NOT_ATTEMPTED = "SUCCESS", "FAILURE", "NOT_ATTEMPTED"


@dataclass(frozen=True)
class ReplaceApi:
    engine: Engine

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("POST", "/api/v3/order/cancelReplace", self.replace, 1, TRADE)]

    def replace(self, call: Call) -> str:
        """Filters and the order count come first; then both halves. Raises VendorError 409 when one
        half failed, 400 when both did or the new order was not tried, 429 (-1015).
        """
        params = call.params
        new = read_order(params, allowed=REPLACE_PARAMS)
        mode = _one_of(call, "cancelReplaceMode", (STOP, ALLOW), default=None)
        exceeded = _one_of(
            call, "orderRateLimitExceededMode", (DO_NOTHING, CANCEL_ONLY), default=DO_NOTHING
        )
        if not {"cancelOrderId", "cancelOrigClientOrderId"} & params.keys():
            raise errors.both_missing("cancelOrigClientOrderId", "cancelOrderId")
        qty = self.engine.check(new)
        uid, now = call.account.uid, self.engine.venue.now()
        status_when_failed = None
        try:
            self.engine.counts.check(uid=uid, now=now)
        except VendorError as refusal:
            if exceeded == DO_NOTHING:
                raise
            status_when_failed = refusal.status
        cancelled, cancel_answer = self._cancel(call)
        if cancelled == FAILURE and mode == STOP:
            self.engine.counts.add(uid=uid, now=now)
            placed, new_answer = NOT_ATTEMPTED, None
        else:
            placed, new_answer = self._place(call=call, new=new, qty=qty)
        call.headers.update(self.engine.counts.headers(uid=uid, now=now))
        data = {
            "cancelResult": cancelled,
            "newOrderResult": placed,
            "cancelResponse": cancel_answer,
            "newOrderResponse": new_answer,
        }
        if cancelled == placed == SUCCESS:
            return json.dumps(data)
        half = SUCCESS in (cancelled, placed)
        raise errors.cancel_replace(status=status_when_failed or (409 if half else 400), data=data)

    def _cancel(self, call: Call) -> tuple[str, Json]:
        params = call.params
        try:
            order = open_order(
                account=call.account,
                symbol=params.symbol(),
                order_id=params.get_integer("cancelOrderId"),
                client_id=params.get_text("cancelOrigClientOrderId"),
                restriction=params.get_text("cancelRestrictions"),
            )
        except VendorError as refusal:
            return FAILURE, refusal.body
        cancel_id = params.get_client_id("cancelNewClientOrderId") or random_id()
        self.engine.cancel(account=call.account, order=order)
        return SUCCESS, _object(order.cancelled_json(cancel_id))

    def _place(self, *, call: Call, new: NewOrder, qty: Decimal) -> tuple[str, Json]:
        try:
            order = self.engine.place(account=call.account, new=new, qty=qty, hold=call.hold)
        except VendorError as refusal:
            return FAILURE, refusal.body
        return SUCCESS, _object(order.placed_json(new.answer))


def _one_of(call: Call, name: str, allowed: tuple[str, ...], *, default: str | None) -> str:
    value = call.params.get_text(name) or default
    if value is None:
        raise errors.missing(name)
    if value not in allowed:
        raise errors.refuse(code=-1130, message=f"Data sent for parameter '{name}' is not valid.")
    return value


def _object(text: str) -> Json:
    body: dict[str, Any] = json.loads(text)
    return body
