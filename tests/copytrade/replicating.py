"""Publishing signals and working on their legs in this process, for tests of replication."""

import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from copytrade.models import CopyOrder, MasterOrder, Signal, Strategy
from copytrade.replication import engine
from copytrade.replication.claims import Selection
from copytrade.replication.publish import publish

PRICE = Decimal(50_000)


def master_order(
    strategy: Strategy,
    *,
    side: str = "BUY",
    quantity: str = "0.01",
    type: str = "MARKET",  # noqa: A002
    **changes: Any,
) -> MasterOrder:
    """An order on the master's account as it stands after the exchange took it."""
    now = timezone.now()
    values: dict[str, Any] = {
        "strategy": strategy,
        "account": strategy.account,
        "source": MasterOrder.Source.EXCHANGE,
        "client_order_id": f"m{timezone.now().timestamp()}"[:36],
        "symbol": "BTC/USDT",
        "side": side,
        "type": type,
        "quantity": Decimal(quantity),
        "price": PRICE if type == "LIMIT" else None,
        "state": "FILLED",
        "placed_at": now,
        "updated_at": now,
    }
    return MasterOrder.objects.create(**{**values, **changes})


def signal(
    strategy: Strategy,
    *,
    kind: str = "OPEN",
    quantity: str = "0.01",
    before: str = "0",
    equity: str = "10000",
    type: str = "MARKET",  # noqa: A002
    order: MasterOrder | None = None,
    of: str | None = None,
    at: datetime | None = None,
    price: Decimal = PRICE,
    **changes: Any,
) -> Signal:
    """Publish one event of a master's order; its nudge is dropped, tests do the work themselves."""
    now = timezone.now()
    side = "SELL" if kind == "CLOSE" else "BUY"
    made = order or master_order(strategy, side=side, quantity=of or quantity, type=type)
    with transaction.atomic():
        published = publish(
            strategy=strategy,
            kind=kind,
            symbol="BTC/USDT",
            type=type,
            price=price,
            at=at or now,
            now=now,
            master_order=made,
            cumulative=Decimal(quantity),
            order_quantity=Decimal(of or quantity),
            position_before=Decimal(before),
            equity_before=Decimal(equity),
            **changes,
        )
        transaction.get_connection().run_on_commit.clear()
    assert published is not None
    return published


def work(published: Signal) -> int:
    """Work once on what is due of a signal."""
    return engine.work_through(Selection(signal_id=published.pk))


def settle(published: Signal, *, limit: float = 20) -> list[CopyOrder]:
    """Work on a signal until none of its legs waits; the legs in their turn."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        work(published)
        legs = list(CopyOrder.objects.filter(signal=published).order_by("rank", "leg"))
        due = [leg.next_attempt_at for leg in legs if leg.next_attempt_at is not None]
        if not due:
            return legs
        time.sleep(min(max((min(due) - timezone.now()).total_seconds(), 0), 0.1))
    raise AssertionError([(leg.state, leg.reason, leg.last_error) for leg in legs])
