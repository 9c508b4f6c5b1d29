"""The HTTP side: every path with its security and weight, and the way of a request through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from agora.sandbox.binance import auth, errors
from agora.sandbox.binance.accounts import Account
from agora.sandbox.binance.engine import Engine
from agora.sandbox.binance.limits import Weights
from agora.sandbox.binance.params import Params, parse
from agora.sandbox.binance.venue import Venue
from agora.sandbox.faults import stuck_in
from agora.sandbox.wire import VendorError

PREFIX = "/binance"
# What the journal shows of a request.
KEYS = "binance.keys"
NAMES = (
    "symbol", "newClientOrderId", "origClientOrderId", "orderId", "cancelOrigClientOrderId",
)  # fmt: skip
JSON_TYPE = "application/json;charset=UTF-8"
HOLDABLE = ("NEW", "PARTIALLY_FILLED")


@dataclass(slots=True)
class Call:
    """One request that passed the gate. `headers` go with its answer."""

    params: Params
    headers: dict[str, str]
    hold: str | None
    _account: Account | None = None

    @property
    def account(self) -> Account:
        if self._account is None:
            raise errors.bad_key_format()
        return self._account


@dataclass(frozen=True)
class Endpoint:
    """One path. `weight` may depend on the parameters; `answer` makes the JSON text."""

    method: str
    path: str
    answer: Callable[[Call], str]
    weight: int | Callable[[Params], int] = 1
    security: str = auth.NONE

    @property
    def is_sapi(self) -> bool:
        return self.path.startswith("/sapi/")

    def cost(self, params: Params) -> int:
        return self.weight if isinstance(self.weight, int) else self.weight(params)


@dataclass
class Api:
    """Takes requests through limits, gate and delay to their endpoint, and answers."""

    engine: Engine
    venue: Venue
    weights: Weights
    endpoints: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._gate = auth.Gate(accounts=self.engine.accounts, venue=self.venue)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(end.method, PREFIX + end.path, self._handler(end)) for end in self.endpoints
        ]

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            headers: dict[str, str] = {}
            status = 200
            try:
                text = await self._answer(request=request, endpoint=endpoint, headers=headers)
            except VendorError as refusal:
                text = json.dumps(refusal.body, separators=(",", ":"))
                headers |= refusal.headers
                status = refusal.status
            headers["Content-Type"] = JSON_TYPE
            return web.Response(status=status, body=text.encode(), headers=headers)

        return handle

    async def _answer(
        self, *, request: web.Request, endpoint: Endpoint, headers: dict[str, str]
    ) -> str:
        query = request.raw_path.partition("?")[2]
        body = (await request.read()).decode(errors="replace") if request.body_exists else ""
        params = parse(query=query, body=body)
        api_key = request.headers.get("X-MBX-APIKEY")
        request[KEYS] = (api_key, params)
        address = request.remote or ""
        headers.update(self.weights.spend(
            address=address, weight=endpoint.cost(params), sapi=endpoint.is_sapi,
            now=self.venue.now(),
        ))  # fmt: skip
        if self.venue.settings.maintenance and not endpoint.path.endswith("system/status"):
            raise errors.refuse(
                status=503, code=-1016, message="This service is no longer available."
            )
        signed = endpoint.security != auth.NONE
        account = None
        if signed:
            account = self._gate.account(
                api_key=api_key, security=endpoint.security, address=address
            )
            self._gate.check(account=account, params=params, query=query, body=body)
        latency = self.venue.settings.latency_ms
        if latency:
            await asyncio.sleep(latency / 1000)
            if signed:
                self._gate.check_time(params, arrived=False)
        hold = stuck_in(request, default="NEW", allowed=HOLDABLE)
        return endpoint.answer(Call(params, headers, hold, account))
