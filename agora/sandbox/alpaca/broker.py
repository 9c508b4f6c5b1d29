"""The broker's books: orders with their life, cash, positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.alpaca import errors
from agora.sandbox.alpaca.market import Market
from agora.sandbox.alpaca.orders import Order, cost_of, part_of, read_request, total_of
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, Timers, plain

LIVE = ("new", "partially_filled")
CANCEL_DELAY = 0.05
RECHECK_LIMIT = 0.2
TERMINAL_TIMES = {
    "rejected": "failed_at",
    "canceled": "canceled_at",
    "expired": "expired_at",
}
ENDINGS = {
    "reject": "rejected",
    "cancel_partial": "canceled",
    "cancel": "canceled",
    "expire": "expired",
    "done_for_day": "done_for_day",
}


@dataclass
class Position:
    """Shares held and what they cost in USD."""

    qty: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclass
class Broker:
    """Everything the paper account holds. Every change is committed before it is answered."""

    store: Store
    market: Market
    start_cash: Decimal
    cash: Decimal = Decimal(0)
    orders: dict[str, Order] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)

    def load(self) -> None:
        """Read the books and let every open order go on where it stood."""
        account = self.store.get(kind="alpaca.account", key="account")
        self.cash = self.start_cash if account is None else Decimal(account["cash"])
        self.orders = {row["id"]: Order.from_row(row) for row in self.store.all("alpaca.order")}
        self.by_client_id = {o.client_order_id: o.id for o in self.orders.values()}
        self.open_orders = {o.id: o for o in self.orders.values() if o.is_open}
        self.positions = {
            row["symbol"]: Position(qty=Decimal(row["qty"]), cost=Decimal(row["cost"]))
            for row in self.store.all("alpaca.position")
        }
        for order in self.open_orders.values():
            self._schedule(order)

    def submit(self, *, body: Json, hold: str | None = None) -> Order:
        """Accept a new order. Raises VendorError when the vendor would refuse it."""
        order = read_request(body=body, market=self.market)
        if order.client_order_id in self.by_client_id:
            raise errors.invalid("client_order_id must be unique")
        self._check_means(order)
        order.hold = hold
        with self.store.transaction():
            self._save(order)
        self.orders[order.id] = order
        self.by_client_id[order.client_order_id] = order.id
        self.open_orders[order.id] = order
        self._schedule(order)
        return order

    def get(self, key: str) -> Order:
        found = self.orders.get(key)
        if found is None:
            raise errors.order_not_found(key)
        return found

    def get_by_client_id(self, client_order_id: str) -> Order:
        return self.get(self.by_client_id.get(client_order_id, client_order_id))

    def cancel(self, order_id: str) -> None:
        """Ask to cancel: at once while only accepted, else by way of pending_cancel."""
        order = self.get(order_id)
        if not order.is_open:
            raise errors.unprocessable(f'order is already in "{order.status}" state')
        if order.status == "pending_cancel":
            return
        if order.status in LIVE:
            order.steps = [[CANCEL_DELAY, "cancel", None]]
            order.hold = None
            self._move(order=order, status="pending_cancel")
            self._schedule(order)
        else:
            self._end(order=order, status="canceled")

    def release(self, order_id: str | None) -> list[str]:
        """Let held orders go on: one, or all. Answers their ids."""
        held = [
            order for order in self.open_orders.values()
            if order.hold is not None and order_id in (None, order.id)
        ]  # fmt: skip
        for order in held:
            order.hold = None
            with self.store.transaction():
                self._save(order)
            self._schedule(order)
        return [order.id for order in held]

    def set_cash(self, cash: Decimal) -> None:
        self.cash = cash
        self.store.put(kind="alpaca.account", key="account", body={"cash": str(cash)})

    def buying_power(self) -> Decimal:
        return self.cash - sum((o.reserved for o in self.open_orders.values()), Decimal(0))

    def market_changed(self, was_open: bool) -> None:
        """Open: queued orders go on. Close: live day orders expire, as at the vendor."""
        is_open = self.market.is_open()
        for order in list(self.open_orders.values()):
            if was_open and not is_open and order.status in LIVE and order.time_in_force == "day":
                self._end(order=order, status="expired")
            else:
                self._schedule(order)

    def reset(self) -> None:
        """Forget all orders; the caller clears the store."""
        self.timers.stop_all()
        self.orders.clear()
        self.by_client_id.clear()
        self.open_orders.clear()
        self.positions.clear()
        self.cash = self.start_cash

    def _check_means(self, order: Order) -> None:
        cost = cost_of(order=order, market=self.market)
        if order.side == "buy":
            power = self.buying_power()
            if cost > power:
                raise errors.no_buying_power(buying_power=power, cost=cost)
            order.reserved = cost
            return
        held = self.positions.get(order.symbol, Position()).qty
        price = order.limit_price or self.market.bid(order.symbol)
        if total_of(order=order, price=price) > held - self._on_sale(order.symbol):
            raise errors.forbidden(f"insufficient qty available for order ({order.symbol})")

    def _on_sale(self, symbol: str) -> Decimal:
        selling = (
            order for order in self.open_orders.values()
            if order.side == "sell" and order.symbol == symbol
        )  # fmt: skip
        return sum((o.qty - o.filled_qty for o in selling if o.qty is not None), Decimal(0))

    def _schedule(self, order: Order) -> None:
        """Wait for the order's next step; off hours for the open, held ones for a release."""
        self.timers.stop(order.id)
        if not order.is_open or order.hold == order.status:
            return
        if not order.steps:
            to_close = self.market.seconds_to_close()
            if order.status in LIVE and to_close is not None:
                self.timers.start(
                    key=order.id, delay=to_close, callback=lambda: self._advance(order)
                )
            return
        wait = float(order.steps[0][0])
        if order.status == "accepted" and not self.market.is_open():
            to_open = self.market.seconds_to_open()
            if to_open is None:
                return
            wait += to_open
        self.timers.start(key=order.id, delay=wait, callback=lambda: self._advance(order))

    def _advance(self, order: Order) -> None:
        if order.status in LIVE and not self.market.is_open():
            self._end(order=order, status="expired")
            return
        if order.status == "accepted" and not self.market.is_open():
            self._schedule(order)
            return
        if not order.steps:
            self._schedule(order)
            return
        _, action, part = order.steps[0]
        if action == "new":
            order.steps.pop(0)
            self._move(order=order, status="new")
        elif action in ENDINGS:
            order.steps.pop(0)
            self._end(order=order, status=ENDINGS[action])
        elif not self._fill(order=order, part=part):
            # A limit the market has not reached yet: look again soon, as a matching engine would.
            order.steps[0][0] = RECHECK_LIMIT
        self._schedule(order)

    def _fill(self, *, order: Order, part: str | None) -> bool:
        price = self._price_for(order)
        if price is None:
            return False
        order.steps.pop(0)
        left = total_of(order=order, price=price) - order.filled_qty
        qty = left if part is None else part_of(order=order, part=part, price=price)
        if qty <= 0:
            return True
        now = self.market.now().timestamp()
        order.fills.append({"qty": plain(qty), "price": plain(price), "at": now})
        order.filled_qty += qty
        order.filled_value += qty * price
        done = qty == left
        if order.side == "buy" and not done:
            order.reserved -= order.reserved * qty / left
        with self.store.transaction():
            self._book(order=order, qty=qty, value=qty * price)
            if done:
                order.filled_at = now
                order.reserved = Decimal(0)
                order.steps = []
            self._move(order=order, status="filled" if done else "partially_filled")
        return True

    def _price_for(self, order: Order) -> Decimal | None:
        if order.side == "buy":
            price = self.market.ask(order.symbol)
            crossed = order.limit_price is None or price <= order.limit_price
        else:
            price = self.market.bid(order.symbol)
            crossed = order.limit_price is None or price >= order.limit_price
        return price if crossed else None

    def _book(self, *, order: Order, qty: Decimal, value: Decimal) -> None:
        position = self.positions.setdefault(order.symbol, Position())
        if order.side == "buy":
            self.set_cash(self.cash - value)
            position.qty += qty
            position.cost += value
        else:
            self.set_cash(self.cash + value)
            position.cost -= position.cost * qty / position.qty
            position.qty -= qty
        row = {
            "symbol": order.symbol,
            "qty": str(position.qty),
            "cost": str(position.cost),
        }
        self.store.put(kind="alpaca.position", key=order.symbol, body=row)

    def _end(self, *, order: Order, status: str) -> None:
        order.reserved = Decimal(0)
        order.steps = []
        if status in TERMINAL_TIMES:
            setattr(order, TERMINAL_TIMES[status], self.market.now().timestamp())
        self._move(order=order, status=status)
        self.timers.stop(order.id)

    def _move(self, *, order: Order, status: str) -> None:
        order.status = status
        order.updated_at = self.market.now().timestamp()
        if not order.is_open:
            self.open_orders.pop(order.id, None)
        with self.store.transaction():
            self._save(order)

    def _save(self, order: Order) -> None:
        self.store.put(kind="alpaca.order", key=order.id, body=order.row())
