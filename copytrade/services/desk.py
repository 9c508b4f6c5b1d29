"""What a master does at the desk: place, cancel and replace orders, close positions (EXE-1).

Only the rules that Agora can know are checked here; the exchange has the last word, and its refusal
stands on the order. Nothing is sent here: the order's row is the job (replication.master_orders).
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib import work
from agora.lib.money import plain
from compliance import audit
from copytrade.models import (
    MasterOrder,
    MasterPosition,
    OrderType,
    Side,
    Strategy,
)
from copytrade.reasons import text_of
from copytrade.replication.master_orders import ADVANCE_TASK
from copytrade.replication.stops import held_back
from copytrade.services.ticket import (
    DeskRefused,
    check_market,
    check_terms,
    cut,
    market_of,
    price_of,
    step_of,
)
from copytrade.states import MASTER_ORDER_MOVES, MasterOrderState

FRACTIONS = (Decimal("0.25"), Decimal("0.5"), Decimal(1))
_ZERO = Decimal(0)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def client_order_id(order_id: uuid.UUID) -> str:
    """The client order id of a master's order: "m" and its id in base 36, 26 characters at most.

    The same for each sending of the order. Letters and digits only, so that it fits every exchange.
    """
    number, text = order_id.int, ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return f"m{text}"


def place(
    *,
    strategy: Strategy,
    by: User,
    side: str,
    type: str,  # noqa: A002  # the field's own name
    symbol: str,
    quantity: Decimal,
    price: Decimal | None,
    source: str,
    placement_key: str | None,
    now: datetime,
) -> MasterOrder:
    """Store an order of the master's, to be sent at once; signals follow what becomes of it.

    The same `placement_key` of a strategy returns the order placed before, so that a form sent
    twice trades once. Raises Strategy.DoesNotExist for anybody but the master, and DeskRefused.
    Joins a surrounding transaction; holds the strategy's row until it ends.
    """
    _refuse_strangers(strategy, by)
    if placement_key and (earlier := _placed_before(strategy, placement_key)):
        return earlier
    check(
        strategy=strategy,
        side=side,
        type=type,
        symbol=symbol,
        quantity=quantity,
        price=price,
        now=now,
    )
    order = _new_order(
        strategy=strategy,
        side=side,
        type=type,
        symbol=symbol,
        quantity=quantity,
        price=price,
        source=source,
        placement_key=placement_key,
        now=now,
    )
    return _store(order, by=by, now=now)


def check(
    *,
    strategy: Strategy,
    side: str,
    type: str,  # noqa: A002
    symbol: str,
    quantity: Decimal,
    price: Decimal | None,
    now: datetime,
) -> None:
    """Hold the terms of an order against every rule known here; raises DeskRefused. Stores nothing."""
    check_terms(side=side, type=type, price=price)
    _check_pair(strategy, symbol)
    market = market_of(symbol)
    reference = price or price_of(strategy=strategy, symbol=symbol, now=now)
    check_market(market=market, type=type, quantity=quantity, price=price, reference=reference)
    _refuse_held_back(strategy, side)
    if side == Side.SELL:
        _check_position(strategy, symbol, quantity)


def _store(order: MasterOrder, *, by: User, now: datetime) -> MasterOrder:
    strategy, key = order.strategy, order.placement_key
    try:
        with transaction.atomic():
            locked = Strategy.objects.select_for_update(no_key=True).get(pk=strategy.pk)
            # The same form may have been stored while this one was checked.
            if key and (earlier := _placed_before(strategy, key)):
                return earlier
            _refuse_held_back(locked, order.side)
            if order.side == Side.SELL:
                _check_position(strategy, order.symbol, order.quantity, without=order.replaces)
            order.save(force_insert=True)
            _record(order, action="master_order.placed", by=by, now=now, evidence=_terms(order))
            work.nudge_after_commit(ADVANCE_TASK, pk=order.pk)
    except IntegrityError:
        if key and (earlier := _placed_before(strategy, key)):
            return earlier
        raise
    return order


def _new_order(
    *,
    strategy: Strategy,
    side: str,
    type: str,  # noqa: A002
    symbol: str,
    quantity: Decimal,
    price: Decimal | None,
    source: str,
    placement_key: str | None,
    now: datetime,
    replaces: MasterOrder | None = None,
) -> MasterOrder:
    order_id = uuid.uuid4()
    return MasterOrder(
        id=order_id,
        strategy=strategy,
        account_id=strategy.account_id,
        source=source,
        placement_key=placement_key,
        client_order_id=client_order_id(order_id),
        replaces=replaces,
        symbol=symbol,
        side=side,
        type=type,
        quantity=quantity,
        price=price,
        next_attempt_at=now,
        placed_at=now,
        updated_at=now,
    )


def cancel(*, strategy: Strategy, by: User, order_id: uuid.UUID, now: datetime) -> MasterOrder:
    """Ask for an open order to be cancelled; one that was never sent ends at once.

    Raises Strategy.DoesNotExist or MasterOrder.DoesNotExist for strangers, DeskRefused
    (not_open, being_replaced). A repeat changes nothing. Locks the order's row.
    """
    _refuse_strangers(strategy, by)
    with transaction.atomic():
        order = _locked(strategy, order_id)
        if order.cancel_requested_at is not None:
            return order
        _refuse_ended(order)
        _refuse_replaced(order)
        order.cancel_requested_at, order.updated_at = now, now
        changes = ["cancel_requested_at", "updated_at"]
        if order.state == MasterOrderState.PENDING and order.asked_at is None:
            # Its worker may just be about to send it; without its lease it cannot any more.
            order.state, order.reason = MasterOrderState.CANCELLED, "master_cancelled"
            order.lease_token, order.lease_until, order.next_attempt_at = None, None, None
            order.replaces = None  # what it was to replace stands, and may be changed again
            changes += ["state", "reason", "lease_token", "lease_until", "next_attempt_at"]
            changes += ["replaces"]
        else:
            order.next_attempt_at = now
            changes += ["next_attempt_at"]
            work.nudge_after_commit(ADVANCE_TASK, pk=order.pk)
        order.save(update_fields=changes)
        evidence = {"state": str(order.state)}
        _record(order, action="master_order.cancel_asked", by=by, now=now, evidence=evidence)
    return order


def replace(
    *,
    strategy: Strategy,
    by: User,
    order_id: uuid.UUID,
    quantity: Decimal,
    price: Decimal,
    source: str,
    placement_key: str | None,
    now: datetime,
) -> MasterOrder:
    """Put a new limit order in the place of an open one; the new order.

    `quantity` is what the new order is for, whatever the old one had filled. Done at the exchange in
    one request: the new one is placed only once the old one is cancelled. Raises as `place` and
    `cancel` do, and DeskRefused (being_replaced, not_limit). Locks the strategy's and the order's
    row.
    """
    _refuse_strangers(strategy, by)
    if placement_key and (earlier := _placed_before(strategy, placement_key)):
        return earlier
    old = MasterOrder.objects.get(pk=order_id, strategy=strategy)
    _check_replaceable(old)
    market = market_of(old.symbol)
    check_market(
        market=market, type=OrderType.LIMIT, quantity=quantity, price=price, reference=price
    )
    with transaction.atomic():
        Strategy.objects.select_for_update(no_key=True).get(pk=strategy.pk)
        if placement_key and (earlier := _placed_before(strategy, placement_key)):
            return earlier
        old = _locked(strategy, order_id)
        _check_replaceable(old)
        order = _new_order(
            strategy=strategy,
            side=old.side,
            type=OrderType.LIMIT,
            symbol=old.symbol,
            quantity=quantity,
            price=price,
            source=source,
            placement_key=placement_key,
            now=now,
            replaces=old,
        )
        return _store(order, by=by, now=now)


def close_position(
    *,
    strategy: Strategy,
    by: User,
    symbol: str,
    fraction: Decimal,
    source: str,
    placement_key: str | None,
    now: datetime,
) -> MasterOrder:
    """Sell a fraction (0 < fraction ≤ 1) of what is held of a pair at the market; the order.

    Cut to the pair's step. Raises as `place` does, and DeskRefused (fraction_invalid, no_position).
    """
    _refuse_strangers(strategy, by)
    if placement_key and (earlier := _placed_before(strategy, placement_key)):
        return earlier
    if not fraction.is_finite() or not 0 < fraction <= 1:
        raise DeskRefused(
            "fraction_invalid", _("Choose a part above 0 and up to 100 %."), field="fraction"
        )
    _check_pair(strategy, symbol)
    free = free_position(strategy=strategy, symbol=symbol)
    step = step_of(market_of(symbol), OrderType.MARKET)
    quantity = cut(quantity=free * fraction, step=step)
    if quantity <= 0:
        raise DeskRefused(
            "no_position", _("There is nothing of this pair that could be sold."), field="symbol"
        )
    return place(
        strategy=strategy,
        by=by,
        side=Side.SELL,
        type=OrderType.MARKET,
        symbol=symbol,
        quantity=quantity,
        price=None,
        source=source,
        placement_key=placement_key,
        now=now,
    )


def try_again(*, order_ids: Sequence[uuid.UUID], actor: str, now: datetime) -> int:
    """Make parked orders due again; how many were parked. Others are left alone.

    Safe at any time: what may have been heard is looked up before anything is sent.
    """
    count = 0
    for order_id in order_ids:
        with transaction.atomic():
            parked = MasterOrder.objects.filter(pk=order_id, attention=True)
            if not parked.update(attention=False, attempts=0, next_attempt_at=now):
                continue
            audit.record(
                actor=actor,
                action="master_order.tried_again",
                object_type="master_order",
                object_id=str(order_id),
                evidence={},
                now=now,
            )
            work.nudge_after_commit(ADVANCE_TASK, pk=order_id)
            count += 1
    return count


def free_position(
    *, strategy: Strategy, symbol: str, without: MasterOrder | None = None
) -> Decimal:
    """What is held of a pair and not in open sales; `without` counts that order as gone."""
    position = MasterPosition.objects.filter(strategy=strategy, symbol=symbol)
    held = position.values_list("quantity", flat=True).first() or _ZERO
    sales = MasterOrder.objects.filter(
        strategy=strategy,
        symbol=symbol,
        side=Side.SELL,
        state__in=[MasterOrderState.PENDING, MasterOrderState.WORKING],
    )
    if without is not None:
        sales = sales.exclude(pk=without.pk)
    return held - sum((order.quantity - order.filled for order in sales), _ZERO)


# --- Checks ---------------------------------------------------------------------------------------


def _refuse_strangers(strategy: Strategy, by: User) -> None:
    if strategy.master_id != by.pk:
        raise Strategy.DoesNotExist


def _refuse_held_back(strategy: Strategy, side: str) -> None:
    reason = held_back(strategy=strategy, side=side)
    if reason:
        raise DeskRefused(reason, _HELD_BACK[reason])


_HELD_BACK: dict[str, "str | Promise"] = {
    "kill_switch": _("Trading is stopped by a kill switch. Wait until it is released."),
    "strategy_paused": _("The strategy is paused: you can sell, but not buy. Resume it first."),
    "account_paused": text_of("account_paused"),
}


def _check_pair(strategy: Strategy, symbol: str) -> None:
    if symbol not in strategy.symbols:
        raise DeskRefused(
            "symbol_not_in_strategy",
            _("The strategy does not trade this pair. Add it to the strategy first."),
            field="symbol",
        )


def _check_position(
    strategy: Strategy, symbol: str, quantity: Decimal, *, without: MasterOrder | None = None
) -> None:
    free = free_position(strategy=strategy, symbol=symbol, without=without)
    if quantity > free:
        raise DeskRefused(
            "more_than_held",
            _("You can sell at most %(free)s %(asset)s: what is held and not in open sales.")
            % {"free": plain(max(free, _ZERO)), "asset": symbol.partition("/")[0]},
            field="quantity",
        )


def _check_replaceable(order: MasterOrder) -> None:
    _refuse_ended(order)
    if order.type != OrderType.LIMIT:
        raise DeskRefused("not_limit", _("Only open limit orders can be changed."))
    if order.state != MasterOrderState.WORKING or order.cancel_requested_at is not None:
        raise DeskRefused(
            "not_open_yet",
            _("The order is not open at the exchange. Look at it again in a moment."),
        )
    _refuse_replaced(order)


def _refuse_replaced(order: MasterOrder) -> None:
    if MasterOrder.objects.filter(replaces=order).exists():
        raise DeskRefused(
            "being_replaced",
            _("This order is being changed. Cancel or change the one that takes its place."),
        )


def _refuse_ended(order: MasterOrder) -> None:
    if order.state in MASTER_ORDER_MOVES.terminal:
        raise DeskRefused("not_open", _("This order has ended already."))


# --- Rows -----------------------------------------------------------------------------------------


def _placed_before(strategy: Strategy, placement_key: str) -> MasterOrder | None:
    return MasterOrder.objects.filter(strategy=strategy, placement_key=placement_key).first()


def _locked(strategy: Strategy, order_id: uuid.UUID) -> MasterOrder:
    own = MasterOrder.objects.select_for_update(of=("self",), no_key=True)
    return own.select_related("strategy").get(pk=order_id, strategy=strategy)


def _terms(order: MasterOrder) -> dict[str, object]:
    return {
        "strategy": str(order.strategy.pk),
        "source": str(order.source),
        "side": str(order.side),
        "type": str(order.type),
        "symbol": order.symbol,
        "quantity": plain(order.quantity),
        "price": "" if order.price is None else plain(order.price),
        "client_order_id": order.client_order_id,
        "replaces": "" if order.replaces is None else str(order.replaces.pk),
    }


def _record(
    order: MasterOrder, *, action: str, by: User, now: datetime, evidence: Mapping[str, object]
) -> None:
    audit.record(
        actor=audit.actor_of(by),
        action=action,
        object_type="master_order",
        object_id=str(order.pk),
        evidence=evidence,
        now=now,
    )
