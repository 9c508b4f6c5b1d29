"""Shared pieces of the HTTP side: answers, vendor errors, JSON and time formats, timers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

Json = dict[str, Any]


class VendorError(Exception):
    """A refusal in the vendor's own form: status, body, headers."""

    def __init__(
        self, *, status: int, body: Json, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=json.dumps(self.body).encode(),
            content_type="application/json",
            headers=self.headers,
        )


def answer(body: object, *, status: int = 200) -> web.Response:
    """A JSON answer; None means no body."""
    if body is None:
        return web.Response(status=status)
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


def parse_object(raw: bytes) -> Json | None:
    """The JSON object of a body with numbers kept exact as Decimal, or None if it is not one."""
    try:
        body = json.loads(raw or b"{}", parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def plain(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, as both vendors write them."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in ("", "-0") else "0"


def text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def rfc3339(at: float) -> str:
    """Unix seconds as UTC with microseconds and a Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Timers:
    """One pending callback per key on the running event loop."""

    _handles: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def start(self, *, key: str, delay: float, callback: Callable[[], None]) -> None:
        self.stop(key)

        def fire() -> None:
            self._handles.pop(key, None)
            callback()

        self._handles[key] = asyncio.get_running_loop().call_later(max(0.0, delay), fire)

    def stop(self, key: str) -> None:
        handle = self._handles.pop(key, None)
        if handle is not None:
            handle.cancel()

    def stop_all(self) -> None:
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
