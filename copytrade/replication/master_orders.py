"""The job of a master's order: send it once on the master's own account, then follow it (EXE-1).

Each call of `advance` leases the row and does one step. What may have been heard is looked up by
its client order id before it is sent again, and not sent again before the exchange must have
refused the earlier sending for its age. Everything seen goes through `sightings.record`, in the
transaction that ends the step: state, fills and signals are committed together, so that a refused
order never leaves copies.
"""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from agora.lib import work
from agora.lib.failpoints import failpoint
from agora.lib.outcome import Rejected, Temporary, Unknown
from agora.lib.work import Lease, LeaseLost, NotSeen
from compliance import audit
from copytrade.exchange import runner, weights
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import NewOrder, OrderReport, Replacement
from copytrade.models import MasterOrder, MasterPosition, OrderType
from copytrade.replication import opening
from copytrade.replication.asking import ask
from copytrade.replication.planning import FINAL_AFTER
from copytrade.replication.sightings import ACTOR, due_again, record
from copytrade.replication.stops import held_back
from copytrade.selectors.equity import base_of_shares
from copytrade.states import MasterOrderState

log = structlog.get_logger(__name__)
ADVANCE_TASK = "copytrade.tasks.advance_master_order"

OrderLease = Lease[MasterOrder]


class NeedsAttention(Exception):
    """The step met something that a person has to decide; the order is parked, never dropped."""


def advance(*, order_id: uuid.UUID, now: datetime) -> MasterOrder | None:
    """Do the next step of a master's order; the order, or None when not due or leased elsewhere.

    Never raises for a failure outside: the order is due again later, or parked with `attention`.
    """
    lease = work.claim(MasterOrder, pk=order_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)), suppress(LeaseLost):
        _attempt(lease, now)
    return lease.row


def _attempt(lease: OrderLease, now: datetime) -> None:
    order = lease.row
    if work.worn_out(order):
        _park(lease, error=work.WORKER_DIED, now=now)
        return
    failpoint("master_order.claimed", key=order.pk)
    try:
        _step(lease, now)
    except NeedsAttention as error:
        _park(lease, error=str(error), now=now)
    except (Rejected, Temporary, Unknown) as error:
        # A refused look-up speaks of the key, which may be mended: no order is given up for it.
        # After Unknown the intent stays: the next try looks up before it sends again.
        told = getattr(error, "retry_after", None)
        wait = None if told is None else timedelta(seconds=told)
        _retry(lease, error=error.message, wait=wait, now=now)
    except LeaseLost:
        raise
    except Exception as error:  # a bug, or a failpoint: what was done outside is unknown
        log.exception("master_order.step_failed", state=order.state)
        _retry(lease, error=f"{type(error).__name__}: {error}", wait=None, now=now)


def _step(lease: OrderLease, now: datetime) -> None:
    order = lease.row
    if order.state == MasterOrderState.PENDING:
        _send(lease, now)
    elif order.state == MasterOrderState.WORKING and order.cancel_requested_at:
        _cancel(lease, now)
    else:
        _follow(lease, now)


# --- Sending --------------------------------------------------------------------------------------


def _send(lease: OrderLease, now: datetime) -> None:
    """PENDING → WORKING, FILLED, CANCELLED or REJECTED."""
    order = lease.row
    if order.asked_at is None and order.cancel_requested_at:
        _end_unsent(lease, to=MasterOrderState.CANCELLED, reason="master_cancelled", now=now)
        return
    if not order.strategy.account.opened_at or not opening.is_open(strategy=order.strategy):
        opening.begin(strategy=order.strategy, now=now)
    try:
        done = lease.ask_once(
            mark="master_order.send",
            find=lambda: _found(order, now=now),
            send=lambda _number: _place(order, now=now),
            now=now,
            **_as_it_stands(order),
        )
    except Rejected as error:
        # Refused the second time: perhaps because an earlier sending got through after all.
        found = _look_up(order) if order.sends > 1 else None
        if found is None:
            _refused(lease, reason=error.code, now=now)
            return
        done = Replacement(cancelled=None, placed=found)
    # Not before it happened: followers' delays are counted from here.
    _accept(lease, done, now=timezone.now())


def _as_it_stands(order: MasterOrder) -> dict[str, Any]:
    """Position and equity of the master before the order, committed with the intent to send it."""
    if order.asked_at is not None:
        return {"position_before": order.position_before, "equity_before": order.equity_before}
    position = MasterPosition.objects.filter(strategy=order.strategy_id, symbol=order.symbol)
    return {
        "position_before": position.values_list("quantity", flat=True).first() or 0,
        "equity_before": base_of_shares(strategy=order.strategy, now=timezone.now()),
    }


def _found(order: MasterOrder, *, now: datetime) -> Replacement | None:
    """What an earlier sending did; None only once the exchange cannot take it any more."""
    seen = _look_up(order)
    if seen is not None:
        return Replacement(cancelled=None, placed=seen)
    if now < (order.asked_at or now) + FINAL_AFTER:
        raise NotSeen("master_order.send: not found yet")
    return None


def _look_up(order: MasterOrder) -> OrderReport | None:
    creds = credentials_of(order.account)
    return ask(
        runner.venue().find(creds, symbol=order.symbol, client_order_id=order.client_order_id),
        weight=weights.FIND,
    )


def _place(order: MasterOrder, *, now: datetime) -> Replacement:
    """Send the order, in the place of the one that it replaces if it does."""
    reason = held_back(strategy=order.strategy, side=order.side)
    if reason:
        raise Rejected("Held back.", code=reason)
    creds, venue = credentials_of(order.account), runner.venue()
    new = NewOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side="BUY" if order.side == "BUY" else "SELL",
        type="LIMIT" if order.type == OrderType.LIMIT else "MARKET",
        quantity=order.quantity,
        price=order.price,
        signed_at=now,
    )
    if order.replaces is None:
        return Replacement(
            cancelled=None, placed=ask(venue.place(creds, new), weight=weights.PLACE)
        )
    old = order.replaces
    return ask(venue.replace(creds, order=new, **_name_of(old)), weight=weights.REPLACE)


def _name_of(order: MasterOrder) -> dict[str, str]:
    if order.exchange_order_id:
        return {"order_id": order.exchange_order_id}
    return {"client_order_id": order.client_order_id}


def _accept(lease: OrderLease, done: Replacement, *, now: datetime) -> None:
    """Commit what became of the sending; of both orders when one took the other's place."""
    order = lease.row
    if isinstance(done.refusal, Unknown):
        # The old order ended for sure; the new one is looked up by the next try.
        with transaction.atomic():
            _end_replaced(order, done.cancelled, now=now)
        raise done.refusal
    if done.placed is None:
        code = done.refusal.code if isinstance(done.refusal, Rejected | Temporary) else ""
        _refused(lease, reason=code or "replaced_order_gone", now=now, replaced=done.cancelled)
        return
    failpoint("master_order.outcome.before_commit", key=order.pk)
    with transaction.atomic():
        _end_replaced(order, done.cancelled, now=now)
        seen = record(order=order, report=done.placed, trades=done.placed.trades, now=now)
        lease.release(again_at=due_again(order=seen, now=now))
    failpoint("master_order.outcome.after_commit", key=order.pk)
    log.info("master_order.accepted", state=seen.state, exchange_order_id=done.placed.id)


def _end_replaced(order: MasterOrder, report: OrderReport | None, *, now: datetime) -> None:
    """Record how the replaced order ended; have its own job look when that is not told."""
    if order.replaces is None:
        return
    if report is not None:
        old = record(order=order.replaces, report=report, trades=report.trades, now=now)
        again_at = due_again(order=old, now=now)
    else:
        again_at = now
    MasterOrder.objects.filter(pk=order.replaces.pk, lease_token=None).update(
        next_attempt_at=again_at
    )


def _refused(
    lease: OrderLease, *, reason: str, now: datetime, replaced: OrderReport | None = None
) -> None:
    failpoint("master_order.refusal.before_commit", key=lease.row.pk)
    with transaction.atomic():
        _end_replaced(lease.row, replaced, now=now)
        _end_unsent(lease, to=MasterOrderState.REJECTED, reason=reason or "rejected", now=now)
        if replaced is None:  # perhaps the old order is open still: then it may be changed again
            MasterOrder.objects.filter(pk=lease.row.pk).update(replaces=None)
    failpoint("master_order.refusal.after_commit", key=lease.row.pk)


def _end_unsent(lease: OrderLease, *, to: MasterOrderState, reason: str, now: datetime) -> None:
    """End an order of which nothing was done at the exchange: no fills, no signals."""
    order = lease.row
    log.info("master_order.ended", state=to, reason=reason)
    with transaction.atomic():
        lease.release(again_at=None, state=to, reason=reason[:40], updated_at=now)
        _note(order, action=f"master_order.{to.lower()}", evidence={"reason": reason}, now=now)


# --- Following ------------------------------------------------------------------------------------


def _follow(lease: OrderLease, now: datetime) -> None:
    """Look at an order that is open, or whose trades are not all booked yet."""
    order = lease.row
    if order.source == MasterOrder.Source.EXCHANGE and order.exchange_order_id:
        seen = ask(
            runner.venue().get(
                credentials_of(order.account),
                symbol=order.symbol,
                order_id=order.exchange_order_id,
            ),
            weight=weights.FIND,
        )
    else:
        seen = _look_up(order)
    if seen is None:
        raise Unknown("The exchange does not find the order.")
    _take(lease, seen, now=timezone.now())


def _cancel(lease: OrderLease, now: datetime) -> None:
    """Cancel an open order; asking again does no harm, so no look-up comes first."""
    order = lease.row
    failpoint("master_order.cancel.before_call", key=order.pk)
    ended = ask(
        runner.venue().cancel(
            credentials_of(order.account), symbol=order.symbol, **_name_of(order)
        ),
        weight=weights.CANCEL,
    )
    failpoint("master_order.cancel.after_call", key=order.pk)
    if ended is None:
        raise NeedsAttention("The exchange does not know the order that is to be cancelled.")
    _take(lease, ended, now=timezone.now())


def _take(lease: OrderLease, seen: OrderReport, *, now: datetime) -> None:
    failpoint("master_order.outcome.before_commit", key=lease.row.pk)
    with transaction.atomic():
        order = record(order=lease.row, report=seen, trades=seen.trades, now=now)
        lease.release(again_at=due_again(order=order, now=now))
    failpoint("master_order.outcome.after_commit", key=lease.row.pk)


# --- Failed steps ---------------------------------------------------------------------------------


def _retry(lease: OrderLease, *, error: str, wait: timedelta | None, now: datetime) -> None:
    order = lease.row
    pause = work.backoff(attempts=order.attempts)
    if wait is not None:
        pause, now = max(wait, pause), timezone.now()
    log.warning("master_order.retry", state=order.state, attempt=order.attempts, error=error)
    with transaction.atomic():
        if not work.retry_later(lease, error=error, wait=pause, now=now):
            _note_attention(order, error, now)


def _park(lease: OrderLease, *, error: str, now: datetime) -> None:
    with transaction.atomic():
        work.park(lease, error=error)
        _note_attention(lease.row, error, now)


def _note_attention(order: MasterOrder, error: str, now: datetime) -> None:
    log.error("master_order.needs_attention", state=order.state, error=error)
    evidence = {"error": error[:500]}
    _note(order, action="master_order.needs_attention", evidence=evidence, now=now)


def _note(
    order: MasterOrder, *, action: str, evidence: Mapping[str, object], now: datetime
) -> None:
    audit.record(
        actor=ACTOR,
        action=action,
        object_type="master_order",
        object_id=str(order.pk),
        evidence=evidence,
        now=now,
    )
