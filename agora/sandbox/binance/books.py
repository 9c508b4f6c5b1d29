"""The books of the exchange: ids, the house's side, and saving all of it in batches.

Nothing is written on the way to an answer. What changed is kept in memory and saved in one
transaction when no request came for IDLE seconds, at the latest LATEST seconds after the first
change, and at a stop by SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.binance.accounts import Account, Accounts
from agora.sandbox.binance.orders import ZERO, Order
from agora.sandbox.binance.venue import Venue
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, plain

IDLE = 0.25
LATEST = 20.0
ACCOUNT, ORDER, STATE = "binance-account", "binance-order", "binance-state"


@dataclass
class Books:
    """`house` is the other side of every trade, `fees` what it took as commission, `moved` what came
    in (deposits less withdrawals): per asset, accounts + house + fees = moved.
    """

    store: Store
    accounts: Accounts
    venue: Venue
    house: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    fees: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    moved: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    orders: int = 0
    _order_ids: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _trade_ids: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _changed: dict[int, Account] = field(default_factory=dict)
    _changed_orders: dict[tuple[str, int], Order] = field(default_factory=dict)
    _state_changed: bool = False
    _timer: asyncio.TimerHandle | None = None
    _first_change: float = 0.0
    _last_change: float = 0.0

    def next_order_id(self, symbol: str) -> int:
        self.orders += 1
        self._order_ids[symbol] += 1
        return self._order_ids[symbol]

    def next_trade_id(self, symbol: str) -> int:
        self._trade_ids[symbol] += 1
        return self._trade_ids[symbol]

    def move(self, *, account: Account, asset: str, amount: Decimal) -> None:
        """A deposit, or a withdrawal when negative. Raises ValueError when less is free."""
        if account.free.get(asset, ZERO) + amount < 0:
            raise ValueError(f"{account.label} has less than {plain(-amount)} {asset} free")
        account.credit(asset, amount)
        self.moved[asset] += amount
        self.touch(account)

    def touch(self, account: Account | None = None, order: Order | None = None) -> None:
        """Note what has to be saved, and see that it will be."""
        self._state_changed = True
        if account is not None:
            self._changed[account.uid] = account
        if order is not None:
            self._changed_orders[order.key] = order
        self.save_later()

    def save_later(self) -> None:
        """See that what changed, and the journal, is saved soon."""
        self._last_change = time.monotonic()
        if self._timer is None:
            self._first_change = self._last_change
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._save_when_idle)

    def save(self) -> None:
        """Write everything that changed, in one transaction."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.store.flush_journal()
        if not self._state_changed:
            return
        accounts, orders = list(self._changed.values()), list(self._changed_orders.values())
        with self.store.transaction():
            self.store.put_all(kind=ACCOUNT, rows=((str(a.uid), a.saved()) for a in accounts))
            self.store.put_all(kind=ORDER, rows=((f"{o.key[0]}:{o.id}", o.saved()) for o in orders))
            self.store.put(kind=STATE, key="state", body=self._state())
        self._forget_changes()

    def load(self) -> None:
        """Everything as it was saved last."""
        for body in self.store.all(ACCOUNT):
            self.accounts.put(Account.load(body))
        for body in self.store.all(ORDER):
            order = Order.load(body)
            self.accounts.by_uid[order.account].add(order)
            self.orders += 1
        for account in self.accounts.by_uid.values():
            for trades in account.trades.values():
                trades.sort(key=lambda trade: trade.id)
        saved = self.store.get(kind=STATE, key="state")
        if saved is not None:
            self.venue.load(saved["venue"])
            self._order_ids.update(saved["order_ids"])
            self._trade_ids.update(saved["trade_ids"])
            for name in ("house", "fees", "moved"):
                amounts: Json = saved[name]
                getattr(self, name).update({a: Decimal(text) for a, text in amounts.items()})

    def clear(self) -> None:
        """As at the first start; the store was emptied by who calls this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._forget_changes()
        for kept in (self.house, self.fees, self.moved, self._order_ids, self._trade_ids):
            kept.clear()
        self.orders = 0
        self.accounts.clear()

    def totals(self) -> Json:
        """Per asset: what the house, the commissions and the moves in and out come to."""
        names = {"house": self.house, "fees": self.fees, "moved": self.moved}
        return {
            name: {asset: plain(amount) for asset, amount in sorted(amounts.items())}
            for name, amounts in names.items()
        }

    def _save_when_idle(self) -> None:
        now = time.monotonic()
        if now - self._last_change < IDLE and now - self._first_change < LATEST:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._save_when_idle)
        else:
            self.save()

    def _state(self) -> Json:
        return {
            "venue": self.venue.state(),
            "order_ids": dict(self._order_ids),
            "trade_ids": dict(self._trade_ids),
            **{
                name: {asset: str(amount) for asset, amount in amounts.items()}
                for name, amounts in
                {"house": self.house, "fees": self.fees, "moved": self.moved}.items()
            },
        }  # fmt: skip

    def _forget_changes(self) -> None:
        self._changed.clear()
        self._changed_orders.clear()
        self._state_changed = False
