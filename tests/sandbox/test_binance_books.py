"""The books of the exchange under random orders: nothing is made, lost, or owed."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agora.sandbox.binance.accounts import Account
from agora.sandbox.binance.exchange import Exchange
from agora.sandbox.binance.params import Params
from agora.sandbox.binance.rules import read_order
from agora.sandbox.binance.symbols import SYMBOLS
from agora.sandbox.store import Store
from agora.sandbox.wire import VendorError
from tests import asyncs

ZERO = Decimal(0)
START = {"USDT": Decimal(5000), "BTC": Decimal("0.2"), "BNB": Decimal("0.002")}
LABELS = ("one", "two", "burner")


@dataclass
class Step:
    """One thing that happens: `kind` is order, cancel, price, script, release, deposit or withdraw."""

    kind: str
    account: str
    values: dict[str, Any]


def orders() -> st.SearchStrategy[dict[str, Any]]:
    quantity = st.decimals("0.00005", "0.06", places=5).map(str)
    price = st.decimals("59000", "61000", places=2).map(str)
    common = {
        "symbol": st.just("BTCUSDT"),
        "side": st.sampled_from(["BUY", "SELL"]),
        "newClientOrderId": st.sampled_from(["a", "b", "c", "d", "e"]),
    }
    return st.one_of(
        st.fixed_dictionaries({**common, "type": st.just("MARKET"), "quantity": quantity}),
        st.fixed_dictionaries({
            **common, "type": st.just("MARKET"),
            "quoteOrderQty": st.decimals("1", "2500", places=2).map(str),
        }),
        st.fixed_dictionaries({
            **common, "type": st.just("LIMIT"), "quantity": quantity, "price": price,
            "timeInForce": st.sampled_from(["GTC", "GTC", "IOC", "FOK"]),
        }),
        st.fixed_dictionaries({
            **common, "type": st.just("LIMIT_MAKER"), "quantity": quantity, "price": price,
        }),
    )  # fmt: skip


def scripts() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({
        "parts": st.lists(st.sampled_from(["10%", "33%", "0.001", "90%"]), max_size=3),
        "outcome": st.sampled_from(["fill", "never", "expire", "reject"]),
        "price": st.sampled_from([None, "59500", "60500.5"]),
        "match": st.sampled_from(["a", "b", ""]),
        "count": st.integers(1, 3),
    })  # fmt: skip


AMOUNTS = st.fixed_dictionaries({
    "asset": st.sampled_from(list(START)),
    "amount": st.decimals("0.00000001", "700", places=8),
})  # fmt: skip
VALUES = {
    "order": orders(),
    "held": orders(),
    "cancel": st.fixed_dictionaries({"index": st.integers(0, 5)}),
    "price": st.fixed_dictionaries({"price": st.decimals("58000", "62000", places=2)}),
    "script": scripts(),
    "release": st.just({}),
    "deposit": AMOUNTS,
    "withdraw": AMOUNTS,
}
STEPS = st.lists(
    st.sampled_from([*["order"] * 6, *VALUES]).flatmap(
        lambda kind: st.builds(
            Step, kind=st.just(kind), account=st.sampled_from(LABELS), values=VALUES[kind]
        )
    ),
    max_size=40,
)


def take(exchange: Exchange, step: Step) -> None:
    """Do one step; a refusal of it is as good as its success."""
    engine, account = exchange.engine, exchange.accounts.find(step.account)
    values = step.values
    with suppress(VendorError, ValueError):
        if step.kind in ("order", "held"):
            new = read_order(Params(values))
            hold = "PARTIALLY_FILLED" if step.kind == "held" else None
            engine.place(account=account, new=new, qty=engine.check(new), hold=hold)
        elif step.kind == "cancel" and account.open:
            index = values["index"] % len(account.open)
            engine.cancel(account=account, order=list(account.open.values())[index])
        elif step.kind == "price":
            exchange.venue.change({"prices": {"BTCUSDT": str(values["price"])}})
            engine.match_resting()
        elif step.kind == "script":
            exchange.scripts.add(values)
        elif step.kind == "release":
            engine.release()
        elif step.kind in ("deposit", "withdraw"):
            sign = 1 if step.kind == "deposit" else -1
            exchange.books.move(
                account=account, asset=values["asset"], amount=sign * values["amount"]
            )


def check(exchange: Exchange) -> None:
    held: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for account in exchange.accounts.by_uid.values():
        assert all(amount >= 0 for amount in account.free.values()), account.free
        assert locked_by_orders(account) == {a: n for a, n in account.locked.items() if n}
        assert {o.client_id for o in account.open.values()} == set(account.open_ids)
        for order in account.orders.values():
            check_order(order)
        for part in (account.free, account.locked):
            for asset, amount in part.items():
                held[asset] += amount
    books = exchange.books
    for asset in {*held, *books.house, *books.fees, *books.moved}:
        assert held[asset] + books.house[asset] + books.fees[asset] == books.moved[asset], asset


def locked_by_orders(account: Account) -> dict[str, Decimal]:
    locked: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for order in account.open.values():
        locked[order.lock_asset] += order.locked
    return {asset: amount for asset, amount in locked.items() if amount}


def check_order(order: Any) -> None:
    assert order.executed == sum((trade.qty for trade in order.trades), ZERO) <= order.qty
    assert order.spent == sum((trade.quote for trade in order.trades), ZERO)
    assert (order.status == "FILLED") == (order.executed == order.qty)
    for trade in order.trades:
        assert trade.qty > 0
        assert trade.qty % SYMBOLS["BTCUSDT"].step == 0
        worst = order.price or order.lock_price
        assert trade.price <= worst if order.is_buy else trade.price >= order.price


def on_an_exchange(work: Callable[[Exchange], None]) -> None:
    """Run on an exchange with three accounts, one of which burns BNB."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "books.sqlite3")
            exchange = Exchange(store=store, seed=7, mode="static", weight_limit=6000)
            for label in LABELS:
                flags = {"bnb_burn": label == "burner"}
                exchange.accounts.create(labels=[label], balances=START, created=0, flags=flags)
            for asset, amount in START.items():
                exchange.books.moved[asset] += amount * len(LABELS)
            work(exchange)
            exchange.close()
            store.close()

    asyncs.run(run())


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_books_balance_after_every_step(steps: list[Step]) -> None:
    def work(exchange: Exchange) -> None:
        for step in steps:
            take(exchange, step)
            check(exchange)

    on_an_exchange(work)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_books_read_back_are_the_books_that_were_saved(steps: list[Step]) -> None:
    def work(exchange: Exchange) -> None:
        for step in steps:
            take(exchange, step)
        for account in exchange.accounts.by_uid.values():
            exchange.books.touch(account)
        exchange.books.save()
        again = Exchange(store=exchange.store, seed=7, mode="static", weight_limit=6000)
        again.books.load()
        check(again)
        for label, account in exchange.accounts.by_label.items():
            other = again.accounts.by_label[label]
            assert other.saved() == account.saved()
            assert [o.saved() for o in other.orders.values()] == [
                o.saved() for o in account.orders.values()
            ]
            assert other.trades == account.trades
            assert set(other.open) == set(account.open)
            assert {k: o.id for k, o in other.by_client.items()} == {
                k: o.id for k, o in account.by_client.items()
            }

    on_an_exchange(work)


def test_a_refused_order_leaves_no_trace() -> None:
    def work(exchange: Exchange) -> None:
        before = exchange.accounts.find("one").saved()
        too_much = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.3"}
        take(exchange, Step("order", "one", too_much))
        assert exchange.accounts.find("one").saved() == before
        assert exchange.books.orders == 0

    on_an_exchange(work)
