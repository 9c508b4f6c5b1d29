"""Settlement: one table, state → step, that leads an order from the broker to the mint.

Each call of `advance` leases the order, does one step and records it (ARCHITECTURE 2, diagram in
docs/settlement.md). A step commits its intent with its key, calls outside without lock or
transaction, and commits the outcome by compare-and-set on the lease. Keys, all derived from the
order's id and stored before the call:

    broker    client_order_id     buy-<order>
    custody   externalTxId        cus-<order>
    signing   externalTxId        m<attempt>-<order>
    chain     brokerTradeId       the broker's order id: one mint per terminal order
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from agora.lib import work
from agora.lib.failpoints import failpoint
from agora.lib.outcome import Rejected, Temporary, Unknown
from agora.lib.work import LeaseLost
from trading.models import Order
from trading.settlement import broker_leg, custody_leg, mint_leg
from trading.settlement.moves import NeedsAttention, OrderLease, park, retry
from trading.states import State

log = structlog.get_logger(__name__)
Step = Callable[[OrderLease, datetime], None]

STEPS: dict[State, Step] = {
    State.PENDING: broker_leg.submit,
    State.SUBMITTED: broker_leg.poll,
    State.FILLED: custody_leg.record_custody,
    State.CUSTODY_CONFIRMED: mint_leg.prepare,
    State.MINTING: mint_leg.mint,
}


def advance(*, order_id: uuid.UUID, now: datetime) -> Order | None:
    """Do the next step of an order; the order, or None when it is not due or leased elsewhere.

    Never raises for an outside failure: the order is due again later, or parked with `attention`.
    """
    lease = work.claim(Order, pk=order_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)), suppress(LeaseLost):
        _attempt(lease, now)
    return lease.row


def _attempt(lease: OrderLease, now: datetime) -> None:
    order = lease.row
    if work.worn_out(order):
        park(lease, error=work.WORKER_DIED, now=now)
        return
    step = STEPS.get(State(order.state))
    if step is None:
        lease.release(again_at=None)
        return
    failpoint("order.claimed", key=order.pk)
    try:
        step(lease, now)
    except NeedsAttention as error:
        park(lease, error=str(error), now=now)
    except Rejected as error:
        park(lease, error=f"Refused: {error.message}", now=now)
    except Temporary as error:
        if error.retry_after is None:
            retry(lease, error=error.message, wait=None, now=now)
        else:  # counts from the vendor's answer, not from the start of the step
            wait = _at_least(error.retry_after, order)
            retry(lease, error=error.message, wait=wait, now=timezone.now())
    except Unknown as error:
        # The intent stays: the next try looks up by the key before it sends again.
        wait = _at_least(settings.UNKNOWN_GRACE_SECONDS, order)
        retry(lease, error=error.message, wait=wait, now=now)
    except LeaseLost:
        raise
    except Exception as error:  # a bug, or a failpoint: what was done outside is unknown
        log.exception("order.step_failed", state=order.state)
        retry(lease, error=f"{type(error).__name__}: {error}", wait=None, now=now)


def _at_least(seconds: float, order: Order) -> timedelta:
    """A wait that still grows with the tries, so that an outage of minutes does not use them up."""
    return max(timedelta(seconds=seconds), work.backoff(attempts=order.attempts))
