"""The matching engine: orders in, fills against the house, balances and commissions moved."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from agora.sandbox.binance import errors
from agora.sandbox.binance.accounts import Account, Accounts
from agora.sandbox.binance.books import Books
from agora.sandbox.binance.limits import OrderCounts
from agora.sandbox.binance.orders import ZERO, Order, Trade
from agora.sandbox.binance.prices import PATH
from agora.sandbox.binance.rules import LIMIT_MAKER, MARKET, NewOrder, check_filters
from agora.sandbox.binance.scripts import Script, Scripts
from agora.sandbox.binance.symbols import MAX_NUM_ORDERS, SYMBOLS, Symbol
from agora.sandbox.binance.venue import Venue
from agora.sandbox.wire import Timers

COMMISSION = Decimal("0.001")
BNB_DISCOUNT = Decimal("0.25")
SATOSHI = Decimal("0.00000001")
BNB = SYMBOLS["BNBUSDT"]
TICK = 0.25


@dataclass
class Engine:
    """Every account trades against the house, at the best price and in any size.

    All of it runs between two awaits of the event loop, so that a request is matched whole.
    """

    venue: Venue
    accounts: Accounts
    books: Books
    scripts: Scripts
    counts: OrderCounts
    timers: Timers = field(default_factory=Timers)
    resting: defaultdict[str, dict[int, Order]] = field(default_factory=lambda: defaultdict(dict))

    def load(self) -> None:
        """Take the open orders of the books up again, each without the script it had."""
        for account in self.accounts.by_uid.values():
            for order in list(account.open.values()):
                self.resting[order.symbol.name][order.id] = order
                if not order.held:
                    best = self._best(order.symbol, is_buy=order.is_buy, at=self.venue.now())
                    self._match_new(account=account, order=order, best=best)
        self.follow_prices()

    def clear(self) -> None:
        """Forget all orders and what was to happen to them."""
        self.timers.stop_all()
        self.resting.clear()

    def follow_prices(self) -> None:
        """Match the resting orders now, and on and on while the prices move by themselves."""
        self.match_resting()
        if self.venue.prices.mode == PATH:
            self.timers.start(key="prices", delay=TICK, callback=self.follow_prices)

    def check(self, order: NewOrder) -> Decimal:
        """The order's quantity. Raises VendorError for a closed market (BREAK) or a failed filter."""
        if self.venue.status[order.symbol.name] == "BREAK":
            raise errors.refuse(code=-1013, message="Market is closed.")
        now = self.venue.now()
        best = self._best(order.symbol, is_buy=order.is_buy, at=now)
        last = self.venue.prices.last(order.symbol, now)
        return check_filters(order, last=last, best=best)

    def place(self, *, account: Account, new: NewOrder, qty: Decimal, hold: str | None) -> Order:
        """Accept the order and match it, as far as it does at once. `hold` keeps it unmatched, in
        status NEW or PARTIALLY_FILLED. Raises VendorError -2010 and changes nothing then.
        """
        now = self.venue.now()
        symbol = new.symbol
        best = self._best(symbol, is_buy=new.is_buy, at=now)
        script = self._admit(account=account, new=new, best=best)
        order = self._accept(
            account=account,
            new=new,
            qty=qty,
            best=best,
            script=script,
            milliseconds=int(now * 1000),
        )
        if hold is not None:
            order.held = True
            if hold == "PARTIALLY_FILLED" and order.qty > symbol.step:
                half = (order.qty / 2 / symbol.step).quantize(Decimal(1), ROUND_DOWN) * symbol.step
                self._fill(account=account, order=order, qty=half, maker=False)
        elif script is not None:
            order.scripted = True
            script.used += 1
            self._perform(account=account, order=order, script=script, step=0)
        else:
            self._match_new(account=account, order=order, best=best)
        return order

    def cancel(self, *, account: Account, order: Order) -> None:
        self._end(account=account, order=order, status="CANCELED")

    def match_resting(self) -> None:
        """Fill the resting orders that the price has reached."""
        now = self.venue.now()
        for name, resting in self.resting.items():
            if self.venue.status[name] != "TRADING":
                continue
            for order in list(resting.values()):
                if order.held or order.scripted or order.type == MARKET:
                    continue
                if self._reached(order, self._best(order.symbol, is_buy=order.is_buy, at=now)):
                    account = self.accounts.by_uid[order.account]
                    self._fill(account=account, order=order, qty=order.left, maker=True)

    def release(self, wanted: str | None = None) -> list[str]:
        """Let held orders go on: the one named SYMBOL:ID, or all. Answers their names."""
        held = [o for orders in self.resting.values() for o in orders.values() if o.held]
        released = []
        for order in held:
            name = f"{order.symbol.name}:{order.id}"
            if wanted in (None, name):
                account = self.accounts.by_uid[order.account]
                order.held = False
                best = self._best(order.symbol, is_buy=order.is_buy, at=self.venue.now())
                self._match_new(account=account, order=order, best=best)
                released.append(name)
        return released

    def _best(self, symbol: Symbol, *, is_buy: bool, at: float) -> Decimal:
        prices = self.venue.prices
        return prices.ask(symbol, at) if is_buy else prices.bid(symbol, at)

    def _reached(self, order: Order, best: Decimal) -> bool:
        return best <= order.price if order.is_buy else best >= order.price

    def _admit(self, *, account: Account, new: NewOrder, best: Decimal) -> Script | None:
        """The refusals of the engine itself, before the balance is looked at."""
        self.counts.check(uid=account.uid, now=self.venue.now())
        if self.venue.status[new.symbol.name] == "HALT":
            raise errors.rejected("Market is closed.")
        if account.disabled:
            raise errors.rejected("This account may not place or cancel orders.")
        if new.client_id in account.open_ids:
            raise errors.rejected("Duplicate order sent.")
        open_here = sum(order.symbol is new.symbol for order in account.open.values())
        if open_here >= MAX_NUM_ORDERS:
            raise errors.filter_failure("MAX_NUM_ORDERS")
        if new.type == LIMIT_MAKER and new.price is not None:
            takes = best <= new.price if new.is_buy else best >= new.price
            if takes:
                raise errors.rejected("Order would immediately match and take.")
        script = self.scripts.find(
            account=account.label, symbol=new.symbol.name, client_id=new.client_id
        )
        if script is not None and script.outcome == "reject":
            script.used += 1
            raise errors.rejected(script.message)
        return script

    def _accept(
        self, *, account: Account, new: NewOrder, qty: Decimal, best: Decimal,
        script: Script | None, milliseconds: int,
    ) -> Order:  # fmt: skip
        lock_price = best if new.price is None else new.price
        if script is not None and script.price is not None and new.price is None:
            lock_price = max(lock_price, Decimal(script.price))
        asset = new.symbol.quote if new.is_buy else new.symbol.base
        account.lock(asset, qty * lock_price if new.is_buy else qty)
        order = Order(
            id=self.books.next_order_id(new.symbol.name), account=account.uid, symbol=new.symbol,
            client_id=new.client_id, side=new.side, type=new.type, tif=new.tif,
            price=new.price or ZERO, qty=qty, quote_qty=new.quote_qty or ZERO,
            lock_price=lock_price, time=milliseconds, updated=milliseconds,
            accepted_at=time.time(),
        )  # fmt: skip
        self.counts.add(uid=account.uid, now=self.venue.now())
        account.updated = milliseconds
        account.add(order)
        self.resting[new.symbol.name][order.id] = order
        self.books.touch(account, order)
        return order

    def _match_new(self, *, account: Account, order: Order, best: Decimal) -> None:
        if order.type == MARKET:
            price = min(best, order.lock_price) if order.is_buy else best
            self._fill(account=account, order=order, qty=order.left, maker=False, price=price)
        elif self._reached(order, best):
            self._fill(account=account, order=order, qty=order.left, maker=False, price=best)
        elif order.tif != "GTC":
            self._end(account=account, order=order, status="EXPIRED")

    def _perform(self, *, account: Account, order: Order, script: Script, step: int) -> None:
        """Do one step of a script now, or after its delay."""
        name = f"{order.symbol.name}:{order.id}"

        def go_on() -> None:
            if order.is_open:
                self._step(account=account, order=order, script=script, step=step)

        if script.delay:
            self.timers.start(key=name, delay=script.delay, callback=go_on)
        else:
            go_on()

    def _step(self, *, account: Account, order: Order, script: Script, step: int) -> None:
        if step < len(script.parts):
            qty = script.quantity(script.parts[step], whole=order.qty, symbol=order.symbol)
            self._scripted_fill(account=account, order=order, script=script, qty=qty)
            if order.is_open:
                self._perform(account=account, order=order, script=script, step=step + 1)
        elif script.outcome == "fill":
            self._scripted_fill(account=account, order=order, script=script, qty=order.left)
        elif script.outcome == "expire" or order.tif != "GTC" or order.type == MARKET:
            # Nothing rests of an order that is to trade at once.
            self._end(account=account, order=order, status="EXPIRED")

    def _scripted_fill(
        self, *, account: Account, order: Order, script: Script, qty: Decimal
    ) -> None:
        """A fill at the script's price, else at the market's if it reached the limit, else there."""
        best = self._best(order.symbol, is_buy=order.is_buy, at=self.venue.now())
        price = best if script.price is None else Decimal(script.price)
        maker = order.type != MARKET and not self._reached(order, price)
        if maker:
            price = order.price
        elif order.is_buy:
            price = min(price, order.lock_price)
        qty = min(qty, order.left)
        if qty > 0:
            self._fill(account=account, order=order, qty=qty, maker=maker, price=price)

    def _fill(
        self, *, account: Account, order: Order, qty: Decimal, maker: bool,
        price: Decimal | None = None,
    ) -> None:  # fmt: skip
        """Trade with the house: out of what is locked, the commission out of what is received."""
        symbol = order.symbol
        price = price if price is not None else (order.price or order.lock_price)
        quote = price * qty
        now = self.venue.now()
        house = self.books.house
        if order.is_buy:
            held = order.lock_price * qty
            account.locked[symbol.quote] -= held
            account.credit(symbol.quote, held - quote)
            account.credit(symbol.base, qty)
            house[symbol.quote] += quote
            house[symbol.base] -= qty
        else:
            account.locked[symbol.base] -= qty
            account.credit(symbol.quote, quote)
            house[symbol.base] += qty
            house[symbol.quote] -= quote
        fee, asset = self._commission(account=account, order=order, qty=qty, quote=quote, at=now)
        account.free[asset] -= fee
        self.books.fees[asset] += fee
        if not order.executed:
            self.counts.filled(uid=account.uid, maker=maker, now=now)
        milliseconds = int(now * 1000)
        trade = Trade(
            id=self.books.next_trade_id(symbol.name), order_id=order.id, symbol=symbol.name,
            price=price, qty=qty, quote=quote, commission=fee, commission_asset=asset,
            time=milliseconds, is_buyer=order.is_buy, is_maker=maker,
        )  # fmt: skip
        order.trades.append(trade)
        account.trades[symbol.name].append(trade)
        order.executed += qty
        order.spent += quote
        order.updated = account.updated = milliseconds
        order.status = "FILLED" if order.executed == order.qty else "PARTIALLY_FILLED"
        if order.status == "FILLED":
            self._close(account=account, order=order)
        self.books.touch(account, order)

    def _commission(
        self, *, account: Account, order: Order, qty: Decimal, quote: Decimal, at: float
    ) -> tuple[Decimal, str]:
        """0.1 % of what is received; in BNB a quarter less, if the account burns it and has enough."""
        if account.bnb_burn:
            price = self.venue.prices.last(BNB, at)
            fee = (quote * COMMISSION * (1 - BNB_DISCOUNT) / price).quantize(SATOSHI, ROUND_DOWN)
            if account.free.get(BNB.base, ZERO) >= fee:
                return fee, BNB.base
        received, asset = (qty, order.symbol.base) if order.is_buy else (quote, order.symbol.quote)
        return (received * COMMISSION).quantize(SATOSHI, ROUND_DOWN), asset

    def _end(self, *, account: Account, order: Order, status: str) -> None:
        account.unlock(order.lock_asset, order.locked)
        order.status = status
        order.updated = account.updated = int(self.venue.now() * 1000)
        self._close(account=account, order=order)
        self.books.touch(account, order)

    def _close(self, *, account: Account, order: Order) -> None:
        account.close(order)
        self.resting[order.symbol.name].pop(order.id, None)
        self.timers.stop(f"{order.symbol.name}:{order.id}")
