"""Accounts with their API key, balances and orders."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.binance import errors
from agora.sandbox.binance.orders import ZERO, Order, Trade
from agora.sandbox.wire import Json, plain

FLAGS = ("read", "trade", "withdraw", "ip_restrict", "revoked", "bnb_burn", "disabled")


@dataclass(slots=True, eq=False)
class Account:
    """One spot account with one API key. `read`, `trade`, `withdraw`, `ip_restrict`, `ips` and
    `revoked` belong to the key; `bnb_burn` and `disabled` (no trading at all) to the account.
    """

    uid: int
    label: str
    api_key: str
    secret_key: str
    created: int
    read: bool = True
    trade: bool = True
    withdraw: bool = False
    ip_restrict: bool = False
    ips: tuple[str, ...] = ()
    revoked: bool = False
    bnb_burn: bool = False
    disabled: bool = False
    updated: int = 0
    free: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[tuple[str, int], Order] = field(default_factory=dict)
    by_client: dict[tuple[str, str], Order] = field(default_factory=dict)
    open: dict[tuple[str, int], Order] = field(default_factory=dict)
    open_ids: dict[str, Order] = field(default_factory=dict)
    trades: defaultdict[str, list[Trade]] = field(default_factory=lambda: defaultdict(list))
    secret_bytes: bytes = b""

    def __post_init__(self) -> None:
        self.secret_bytes = self.secret_key.encode()

    def add(self, order: Order) -> None:
        """Take an order into the account's lists; the newest one owns its client id."""
        self.orders[order.key] = order
        self.by_client[order.symbol.name, order.client_id] = order
        self.trades[order.symbol.name].extend(order.trades)
        if order.is_open:
            self.open[order.key] = order
            self.open_ids[order.client_id] = order

    def close(self, order: Order) -> None:
        """Take an order out of the open ones."""
        self.open.pop(order.key, None)
        if self.open_ids.get(order.client_id) is order:
            del self.open_ids[order.client_id]

    def credit(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, ZERO) + amount

    def lock(self, asset: str, amount: Decimal) -> None:
        """Hold back an amount. Raises VendorError -2010 when less is free."""
        free = self.free.get(asset, ZERO)
        if free < amount:
            raise errors.insufficient_balance()
        self.free[asset] = free - amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount

    def unlock(self, asset: str, amount: Decimal) -> None:
        self.locked[asset] -= amount
        self.free[asset] += amount

    def assets(self) -> list[str]:
        held = (a for a in self.free if self.free[a] or self.locked.get(a))
        return sorted(held)

    def balances(self) -> Json:
        return {
            asset: {
                "free": plain(self.free.get(asset, ZERO)),
                "locked": plain(self.locked.get(asset, ZERO)),
            }
            for asset in self.assets()
        }

    def flags(self) -> Json:
        return {name: getattr(self, name) for name in FLAGS}

    def saved(self) -> Json:
        return {
            "uid": self.uid, "label": self.label, "api_key": self.api_key,
            "secret_key": self.secret_key, "created": self.created, "updated": self.updated,
            "ips": list(self.ips), **self.flags(),
            "free": {asset: str(amount) for asset, amount in self.free.items()},
            "locked": {asset: str(amount) for asset, amount in self.locked.items()},
        }  # fmt: skip

    @classmethod
    def load(cls, body: Json) -> Account:
        kept = {**body, "ips": tuple(body["ips"])}
        for name in ("free", "locked"):
            kept[name] = {asset: Decimal(amount) for asset, amount in body[name].items()}
        return cls(**kept)


@dataclass
class Accounts:
    """All accounts: by key for requests, by label for control."""

    by_key: dict[str, Account] = field(default_factory=dict)
    by_label: dict[str, Account] = field(default_factory=dict)
    by_uid: dict[int, Account] = field(default_factory=dict)

    def create(
        self, *, labels: Iterable[str], balances: dict[str, Decimal], created: int, flags: Json
    ) -> list[Account]:
        """One account a label. Raises ValueError when a label is taken; then none is made."""
        wanted = list(labels)
        taken = next((label for label in wanted if label in self.by_label), None)
        if taken is not None or len(set(wanted)) < len(wanted):
            raise ValueError(f"the label {taken or wanted[0]} is taken")
        made = []
        for label in wanted:
            account = Account(
                uid=len(self.by_uid) + 1, label=label, api_key=secrets.token_hex(32),
                secret_key=secrets.token_hex(32), created=created, free=dict(balances), **flags,
            )  # fmt: skip
            self.put(account)
            made.append(account)
        return made

    def put(self, account: Account) -> None:
        self.by_key[account.api_key] = account
        self.by_label[account.label] = account
        self.by_uid[account.uid] = account

    def find(self, name: str) -> Account:
        """By label or API key. Raises KeyError."""
        found = self.by_label.get(name) or self.by_key.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def clear(self) -> None:
        self.by_key.clear()
        self.by_label.clear()
        self.by_uid.clear()
