"""Faults on request: rules, and the middleware that applies them to vendor routes."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from agora.sandbox.wire import Json, VendorError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KINDS = (
    "delay", "drop_before", "drop_after", "status", "rate_limit", "truncate", "duplicate", "stuck",
)  # fmt: skip
FAULT = "sandbox.fault"
REDELIVERY = "sandbox.redelivery"
STUCK = "sandbox.stuck"
# Never sent: marks an answer whose connection was closed instead.
DROPPED = 499


@dataclass(kw_only=True)
class Rule:
    """One fault. It fires on requests whose "METHOD /path" fits `route` (with * as wildcard) and whose
    path, query or body contains `match`, after letting `skip` of them pass, `count` times at most
    (None: for ever), each time with `probability`. With `after` a delay or status comes once the
    request has had its effect. Seconds in `delay` and `retry_after`.
    """

    route: str
    kind: str
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seed: int = 0
    match: str = ""
    after: bool = False
    delay: float = 0.5
    status: int = 500
    body: str | None = None
    retry_after: float = 1
    stuck_status: str = ""
    framed: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def fires(self, *, route: str, text: str) -> bool:
        """Whether the rule takes this request; counts it when it does."""
        if self.count is not None and self.fired >= self.count:
            return False
        if not fnmatchcase(route, self.route) or self.match not in text:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self._random.random() >= self.probability:
            return False
        self.fired += 1
        return True


@dataclass
class Faults:
    """The active rules, oldest first. They are not kept over a restart."""

    rules: list[Rule] = field(default_factory=list)
    on_internal_error: Callable[[web.Request], None] | None = None

    def add(self, body: Json) -> Rule:
        """Raises ValueError on an unknown kind or field."""
        try:
            rule = Rule(**body)
        except TypeError as error:
            raise ValueError(str(error)) from None
        self.rules.append(rule)
        return rule

    def state(self) -> list[Json]:
        return [asdict(rule) for rule in self.rules]

    async def choose(self, request: web.Request) -> Rule | None:
        """The first rule that takes the request."""
        if not self.rules or request.path.startswith("/control/"):
            return None
        text = request.raw_path + "\n" + (await request.read()).decode(errors="replace")
        route = f"{request.method} {request.path}"
        return next((rule for rule in self.rules if rule.fires(route=route, text=text)), None)

    def middleware(self) -> Any:
        @web.middleware
        async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
            rule = await self.choose(request)
            if rule is None:
                return await handler(request)
            request[FAULT] = rule.kind
            response = await _apply(rule=rule, request=request, handler=handler)
            if rule.kind == "status" and rule.status >= 500 and self.on_internal_error:
                self.on_internal_error(request)
            return response

        return faulty


def stuck_in(
    request: web.Request, *, default: str, allowed: tuple[str, ...] | None = None
) -> str | None:
    """The status in which what this request creates shall stay; None without such a fault."""
    if STUCK not in request:
        return None
    status = str(request[STUCK] or default)
    return status if allowed is None or status in allowed else default


async def _apply(*, rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    if rule.kind in ANSWERS:
        return await ANSWERS[rule.kind](rule, request, handler)
    if rule.kind == "duplicate":
        # The network delivers the request twice and the client hears the second answer.
        await _effect(request, handler)
        request[REDELIVERY] = True
    elif rule.kind == "stuck":
        request[STUCK] = rule.stuck_status
    return await handler(request)


async def _effect(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VendorError as refusal:
        return refusal.response()


async def _delay(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    if not rule.after:
        await asyncio.sleep(rule.delay)
        return await handler(request)
    response = await _effect(request, handler)
    await asyncio.sleep(rule.delay)
    return response


async def _drop_before(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    return _drop(request)


async def _drop_after(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    await _effect(request, handler)
    return _drop(request)


async def _status(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    if rule.after:
        await _effect(request, handler)
    text = _body(rule=rule, request=request, code=-1000, message="sandbox fault")
    is_json = text.lstrip()[:1] in ("{", "[")
    kind = "application/json" if is_json else "text/html"
    return web.Response(status=rule.status, text=text, content_type=kind)


async def _rate_limit(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    return web.Response(
        status=429,
        headers={"Retry-After": f"{rule.retry_after:g}"},
        text=_body(rule=rule, request=request, code=-1003, message="too many requests."),
        content_type="application/json",
    )


def _body(*, rule: Rule, request: web.Request, code: int, message: str) -> str:
    """The rule's body, else one in the form of the vendor."""
    if rule.body is not None:
        return rule.body
    if request.path.startswith("/binance/"):
        return json.dumps({"code": code, "msg": message}, separators=(",", ":"))
    return json.dumps({"message": message})


async def _truncate(rule: Rule, request: web.Request, handler: Handler) -> web.StreamResponse:
    whole = await _effect(request, handler)
    body = whole.body if isinstance(whole, web.Response) else None
    raw = body if isinstance(body, bytes) else b""
    half = raw[: len(raw) // 2]
    headers = {"Content-Type": whole.content_type}
    if rule.framed:
        return web.Response(status=whole.status, body=half, headers=headers)
    headers["Content-Length"] = str(len(raw))
    cut = web.StreamResponse(status=whole.status, headers=headers)
    await cut.prepare(request)
    await cut.write(half)
    if request.transport is not None:
        request.transport.close()
    return cut


def _drop(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=DROPPED)


ANSWERS: dict[str, Callable[[Rule, web.Request, Handler], Awaitable[web.StreamResponse]]] = {
    "delay": _delay,
    "drop_before": _drop_before,
    "drop_after": _drop_after,
    "status": _status,
    "rate_limit": _rate_limit,
    "truncate": _truncate,
}
