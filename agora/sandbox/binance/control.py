"""Control of the exchange: accounts, keys, prices, scripts, books. No vendor has these paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from aiohttp import web

from agora.sandbox.binance.accounts import FLAGS, Account
from agora.sandbox.binance.exchange import Exchange
from agora.sandbox.binance.orders import Order
from agora.sandbox.binance.symbols import ASSETS
from agora.sandbox.wire import Json, VendorError, answer

Handler = Callable[[web.Request], Awaitable[web.Response]]
PREFIX = "/control/binance"
MOST_ACCOUNTS = 100_000


@dataclass(frozen=True)
class ExchangeControl:
    exchange: Exchange

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(f"{PREFIX}/accounts", _told(self.create_accounts)),
            web.get(f"{PREFIX}/accounts", _told(self.list_accounts)),
            web.post(f"{PREFIX}/keys", _told(self.change_key)),
            web.post(f"{PREFIX}/transfers", _told(self.transfer)),
            web.get(f"{PREFIX}/venue", _told(self.show_venue)),
            web.post(f"{PREFIX}/venue", _told(self.change_venue)),
            web.delete(f"{PREFIX}/venue", _told(self.restore_venue)),
            web.get(f"{PREFIX}/scripts", _told(self.list_scripts)),
            web.post(f"{PREFIX}/scripts", _told(self.add_script)),
            web.delete(f"{PREFIX}/scripts", _told(self.clear_scripts)),
            web.get(f"{PREFIX}/books", _told(self.show_books)),
            web.get(f"{PREFIX}/summary", _told(self.show_summary)),
            web.post(f"{PREFIX}/save", _told(self.save)),
        ]

    async def create_accounts(self, request: web.Request) -> web.Response:
        body = await _body(request)
        label, count = str(body.pop("label", "account")), int(body.pop("count", 1))
        if not 0 < count <= MOST_ACCOUNTS:
            raise ValueError(f"count must be from 1 to {MOST_ACCOUNTS}")
        balances = {
            _asset(asset): _amount(amount) for asset, amount in body.pop("balances", {}).items()
        }
        flags = _flags(body)
        labels = [label] if count == 1 else [f"{label}-{n}" for n in range(1, count + 1)]
        exchange = self.exchange
        made = exchange.accounts.create(
            labels=labels, balances=balances, created=int(exchange.venue.now() * 1000), flags=flags
        )
        for account in made:
            exchange.books.touch(account)
        for asset, amount in balances.items():
            exchange.books.moved[asset] += amount * len(made)
        return answer([_keys(account) for account in made], status=201)

    async def list_accounts(self, request: web.Request) -> web.Response:
        accounts = self.exchange.accounts.by_label.values()
        return answer([{**_keys(account), **_rights(account)} for account in accounts])

    async def change_key(self, request: web.Request) -> web.Response:
        """Change what a key or its account may do; answers the rights as they are then."""
        body = await _body(request)
        account = self._account(body.pop("account", ""))
        for name, value in _flags(body).items():
            setattr(account, name, value)
        self.exchange.books.touch(account)
        return answer({"label": account.label, **_rights(account)})

    async def transfer(self, request: web.Request) -> web.Response:
        """A deposit, or a withdrawal when the amount is negative; answers the balances."""
        body = await _body(request)
        account = self._account(body.get("account", ""))
        amount = _amount(body.get("amount"), signed=True)
        asset = _asset(body.get("asset", ""))
        self.exchange.books.move(account=account, asset=asset, amount=amount)
        return answer(account.balances())

    async def show_venue(self, request: web.Request) -> web.Response:
        return answer(self.exchange.venue.state())

    async def change_venue(self, request: web.Request) -> web.Response:
        self.exchange.venue.change(await _body(request))
        self.exchange.engine.follow_prices()
        self.exchange.books.touch()
        return await self.show_venue(request)

    async def restore_venue(self, request: web.Request) -> web.Response:
        self.exchange.restore()
        self.exchange.books.touch()
        return await self.show_venue(request)

    async def list_scripts(self, request: web.Request) -> web.Response:
        return answer(self.exchange.scripts.state())

    async def add_script(self, request: web.Request) -> web.Response:
        self.exchange.scripts.add(await _body(request))
        return answer(self.exchange.scripts.state(), status=201)

    async def clear_scripts(self, request: web.Request) -> web.Response:
        self.exchange.scripts.rules.clear()
        return answer(None, status=204)

    async def show_books(self, request: web.Request) -> web.Response:
        """Orders with their trades, and balances: of one account, or of all with the totals."""
        wanted = request.query.get("account")
        accounts = self.exchange.accounts
        chosen = accounts.by_label.values() if wanted is None else [self._account(wanted)]
        return answer({
            "accounts": {account.label: _book(account) for account in chosen},
            "totals": self.exchange.books.totals(),
        })  # fmt: skip

    async def show_summary(self, request: web.Request) -> web.Response:
        """Counts and times only, of accounts whose label starts with `label`, of orders `since`."""
        prefix = request.query.get("label", "")
        since = float(request.query.get("since", "0"))
        rows, times = {}, []
        for label, account in self.exchange.accounts.by_label.items():
            if not label.startswith(prefix):
                continue
            orders = [o for o in account.orders.values() if o.accepted_at >= since]
            times += [order.accepted_at for order in orders]
            rows[label] = {
                "orders": len(orders),
                "open": len(account.open),
                "client_ids": [order.client_id for order in orders],
                "accepted": [order.accepted_at for order in orders],
            }
        return answer({
            "requests": self.exchange.store.requests["binance"],
            "weight": self.exchange.weights.total,
            "orders": len(times),
            "first_accepted": min(times, default=None),
            "last_accepted": max(times, default=None),
            "accounts": rows,
        })  # fmt: skip

    async def save(self, request: web.Request) -> web.Response:
        """Write now what waits to be saved, so that it disturbs no measurement that follows."""
        self.exchange.books.save()
        return answer(None, status=204)

    def _account(self, name: object) -> Account:
        try:
            return self.exchange.accounts.find(str(name))
        except KeyError:
            raise ValueError(f"no account {name}") from None


def _told(handler: Handler) -> Handler:
    """Tell the caller what was wrong with the request: 400 with a message."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (ValueError, TypeError) as error:
            raise VendorError(status=400, body={"message": str(error)}) from None

    return handle


async def _body(request: web.Request) -> Json:
    if not await request.read():
        return {}
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _flags(body: Json) -> Json:
    unknown = set(body) - {*FLAGS, "ips"}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    flags: Json = {name: bool(body[name]) for name in FLAGS if name in body}
    if "ips" in body:
        flags["ips"] = tuple(str(address) for address in body["ips"])
    return flags


def _amount(value: object, *, signed: bool = False) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("an amount must be a number") from None
    if not amount.is_finite() or (amount < 0 and not signed):
        raise ValueError("an amount must not be negative")
    if amount != round(amount, 8):
        raise ValueError("an amount has at most 8 decimals")
    return amount


def _asset(name: object) -> str:
    if name not in ASSETS:
        raise ValueError(f"no asset {name}")
    return str(name)


def _keys(account: Account) -> Json:
    return {
        "label": account.label,
        "api_key": account.api_key,
        "secret_key": account.secret_key,
        "uid": account.uid,
    }


def _rights(account: Account) -> Json:
    return {**account.flags(), "ips": list(account.ips)}


def _book(account: Account) -> Json:
    return {
        "balances": account.balances(),
        "orders": [_order(order) for order in account.orders.values()],
    }


def _order(order: Order) -> Json:
    kept = order.saved()
    for name in ("account", "lock_price"):
        del kept[name]
    return {**kept, "locked": str(order.locked) if order.is_open else "0"}
