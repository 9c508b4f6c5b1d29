"""Masters at their desk and at the exchange itself, for tests: placing, advancing, polling."""

import secrets
import time
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import NewOrder, OrderReport
from copytrade.models import ExchangeAccount, MasterOrder, Strategy
from copytrade.replication import master_orders, opening, polling
from copytrade.services import desk
from tests.copying import Trader, mark, new_master, new_strategy

PRICE = "50000"
BALANCES = {"USDT": "10000", "BTC": "0.5"}


def published(
    control: SandboxControl, *, balances: dict[str, str] | None = None, **changes: Any
) -> tuple[Trader, Strategy]:
    """A master in the sandbox, with a strategy whose account is watched from now on."""
    for symbol, price in (("BTC", PRICE), ("ETH", "2500"), ("SOL", "100")):
        control.binance.price(f"{symbol}USDT", price)
        mark(f"{symbol}/USDT", price)
    master = new_master(control=control, balances=BALANCES if balances is None else balances)
    strategy = new_strategy(master=master, **changes)
    opening.begin(strategy=strategy, now=timezone.now())
    return master, strategy


def place(strategy: Strategy, **changes: Any) -> MasterOrder:
    """A market buy of 0.01 BTC at the desk unless told otherwise; without its nudge."""
    values: dict[str, Any] = {
        "side": "BUY",
        "type": "MARKET",
        "symbol": "BTC/USDT",
        "quantity": Decimal("0.01"),
        "price": None,
        "source": "page",
        "placement_key": None,
        "now": timezone.now(),
        **changes,
    }
    with transaction.atomic():
        order = desk.place(strategy=strategy, by=strategy.master, **values)
        transaction.get_connection().run_on_commit.clear()
    return order


def limit(strategy: Strategy, *, price: str = "40000", **changes: Any) -> MasterOrder:
    """A limit buy that rests, because the market is above its price."""
    return place(strategy, type="LIMIT", price=Decimal(price), **changes)


def advance(order: MasterOrder) -> MasterOrder:
    """One step of the order's job, due or not."""
    MasterOrder.objects.filter(pk=order.pk).update(next_attempt_at=timezone.now())
    master_orders.advance(order_id=order.pk, now=timezone.now())
    return MasterOrder.objects.get(pk=order.pk)


def settle(order: MasterOrder, *, until: str = "", seconds: float = 25) -> MasterOrder:
    """Advance an order until nothing is due, it is parked, or it reaches the state `until`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        master_orders.advance(order_id=order.pk, now=timezone.now())
        order = MasterOrder.objects.get(pk=order.pk)
        if order.next_attempt_at is None or order.state == until:
            return order
        time.sleep(min(max((order.next_attempt_at - timezone.now()).total_seconds(), 0), 0.2))
    raise AssertionError(f"{order.state}: {order.last_error}")


def poll(strategy: Strategy) -> Strategy:
    """One reading of the master's account, due or not."""
    Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())
    polling.poll(strategy_id=strategy.pk, now=timezone.now())
    found = Strategy.objects.get(pk=strategy.pk)
    assert found.last_error == "", found.last_error
    return found


def at_exchange(
    account: ExchangeAccount,
    *,
    side: str = "BUY",
    quantity: str = "0.01",
    symbol: str = "BTC/USDT",
    price: str | None = None,
) -> OrderReport:
    """What somebody does directly at the exchange, without Agora."""
    order = NewOrder(
        client_order_id=f"web{secrets.token_hex(8)}",
        symbol=symbol,
        side="SELL" if side == "SELL" else "BUY",
        type="LIMIT" if price else "MARKET",
        quantity=Decimal(quantity),
        price=Decimal(price) if price else None,
        signed_at=timezone.now(),
    )
    venue = runner.venue()
    return runner.run(venue.place(credentials_of(account), order), timeout=10)


def cancel_at_exchange(account: ExchangeAccount, report: OrderReport) -> None:
    """Cancel directly at the exchange."""
    venue, creds = runner.venue(), credentials_of(account)
    runner.run(venue.cancel(creds, symbol=report.symbol, order_id=report.id), timeout=10)


def signals(strategy: Strategy) -> list[tuple[str, str, Decimal]]:
    """Kind, type and cumulative quantity of all signals, in their order."""
    rows = strategy.signals.order_by("number")
    return [(signal.kind, signal.type, signal.cumulative.normalize()) for signal in rows]
