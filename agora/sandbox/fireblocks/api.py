"""Fireblocks' HTTP paths under /v1, with authentication and idempotency."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agora.sandbox.faults import stuck_in
from agora.sandbox.fireblocks import errors
from agora.sandbox.fireblocks.auth import Gate
from agora.sandbox.fireblocks.custodian import Custodian
from agora.sandbox.fireblocks.transactions import Transaction
from agora.sandbox.fireblocks.vaults import ASSETS
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, VendorError, answer, parse_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_KEY = 40
KEY_LIFE = 24 * 3600
DEFAULT_PAGE, MAX_PAGE = 200, 500
ACCOUNTS_PAGE = 500


@dataclass(frozen=True)
class Idempotency:
    """Stored answers of unsafe calls by Idempotency-Key, for 24 hours."""

    store: Store

    def replay(self, request: web.Request) -> web.Response | None:
        """The stored answer. Raises VendorError 400 for a bad key or one that met an error."""
        key = self._key(request)
        if key is None:
            return None
        if len(key) > MAX_KEY:
            raise errors.bad_request("Idempotency-Key must have at most 40 characters")
        found = self.store.get(kind="fireblocks.idempotency", key=key)
        if found is None or time.time() - found["at"] > KEY_LIFE:
            return None
        if found["status"] >= 500:
            raise errors.key_after_internal_error()
        return answer(found["body"], status=found["status"])

    def keep(self, *, request: web.Request, response: web.Response) -> None:
        key = self._key(request)
        if key is not None and isinstance(response.body, bytes):
            self._put(key=key, status=response.status, body=json.loads(response.body))

    def refuse(self, request: web.Request) -> None:
        """The call met an internal error: the vendor does not take its key again."""
        key = self._key(request)
        if key is not None:
            self._put(key=key, status=500, body=None)

    def _key(self, request: web.Request) -> str | None:
        return request.headers.get("Idempotency-Key") if request.method in ("POST", "PUT") else None

    def _put(self, *, key: str, status: int, body: object) -> None:
        row: Json = {"at": time.time(), "status": status, "body": body}
        self.store.put(kind="fireblocks.idempotency", key=key, body=row)


def guard(*, gate: Gate, idempotency: Idempotency) -> Any:
    """Middleware: who calls, then a stored answer, then the call and its answer in one commit."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        await gate.check(request)
        stored = idempotency.replay(request)
        if stored is not None:
            return stored
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return errors.refuse(status=404, message="Not found").response()

    return guarded


@dataclass(frozen=True)
class FireblocksApi:
    """Vault accounts and transactions."""

    custodian: Custodian
    idempotency: Idempotency
    store: Store

    def routes(self) -> list[web.RouteDef]:
        account = "/v1/vault/accounts/{id}"
        return [
            web.post("/v1/vault/accounts", self.unsafe(self.create_account)),
            web.get("/v1/vault/accounts_paged", self.accounts),
            web.get(account, self.account),
            web.post(account + "/{asset}", self.unsafe(self.add_asset)),
            web.get(account + "/{asset}", self.account_asset),
            web.post(account + "/{asset}/balance", self.unsafe(self.refresh_balance)),
            web.get(account + "/{asset}/addresses_paginated", self.addresses),
            web.get("/v1/vault/assets", self.assets),
            web.get("/v1/vault/assets/{asset}", self.asset),
            web.get("/v1/supported_assets", self.supported_assets),
            web.post("/v1/transactions", self.unsafe(self.create)),
            web.get("/v1/transactions", self.transactions),
            web.get("/v1/transactions/external_tx_id/{id}", self.by_external_id),
            web.get("/v1/transactions/{id}", self.transaction),
            web.post("/v1/transactions/{id}/cancel", self.unsafe(self.cancel)),
        ]

    def unsafe(self, act: Callable[[web.Request, Json], web.Response]) -> Handler:
        """A handler whose effect and stored answer are one commit, so that a kill splits them never."""

        async def handle(request: web.Request) -> web.Response:
            body = parse_object(await request.read())
            if body is None:
                raise errors.bad_request("The request body is not a JSON object")
            with self.store.transaction():
                try:
                    response = act(request, body)
                except VendorError as refusal:
                    response = refusal.response()
                self.idempotency.keep(request=request, response=response)
            return response

        return handle

    def create_account(self, request: web.Request, body: Json) -> web.Response:
        return answer(self.custodian.vaults.wire(self.custodian.vaults.create(body)))

    def add_asset(self, request: web.Request, body: Json) -> web.Response:
        vaults = self.custodian.vaults
        account = vaults.get(request.match_info["id"])
        return answer(vaults.add_asset(account=account, asset=request.match_info["asset"]))

    def refresh_balance(self, request: web.Request, body: Json) -> web.Response:
        return answer(self._account_asset(request))

    def create(self, request: web.Request, body: Json) -> web.Response:
        hold = stuck_in(request, default="PENDING_SIGNATURE")
        tx = self.custodian.create(body=body, hold=hold)
        return answer({"id": tx.id, "status": tx.status})

    def cancel(self, request: web.Request, body: Json) -> web.Response:
        self.custodian.cancel(request.match_info["id"])
        return answer({"success": True})

    async def accounts(self, request: web.Request) -> web.Response:
        query, vaults = request.query, self.custodian.vaults
        found = [
            account for account in vaults.accounts.values()
            if account.name.startswith(query.get("namePrefix", ""))
            and account.name.endswith(query.get("nameSuffix", ""))
            and ("assetId" not in query or query["assetId"] in account.assets)
        ]  # fmt: skip
        limit = _limit(query.get("limit"), default=ACCOUNTS_PAGE)
        start = int(query["after"]) if query.get("after", "").isdigit() else 0
        page = found[start : start + limit]
        paging = {"after": str(start + limit)} if start + limit < len(found) else {}
        return answer({"accounts": [vaults.wire(account) for account in page], "paging": paging})

    async def account(self, request: web.Request) -> web.Response:
        vaults = self.custodian.vaults
        return answer(vaults.wire(vaults.get(request.match_info["id"])))

    async def account_asset(self, request: web.Request) -> web.Response:
        return answer(self._account_asset(request))

    async def addresses(self, request: web.Request) -> web.Response:
        vaults = self.custodian.vaults
        account = vaults.get(request.match_info["id"])
        found = vaults.addresses(account=account, asset=request.match_info["asset"])
        return answer({"addresses": found, "paging": {}})

    async def assets(self, request: web.Request) -> web.Response:
        held = {a for account in self.custodian.vaults.accounts.values() for a in account.assets}
        return answer([self.custodian.vaults.total(asset) for asset in sorted(held)])

    async def asset(self, request: web.Request) -> web.Response:
        return answer(self.custodian.vaults.total(request.match_info["asset"]))

    async def supported_assets(self, request: web.Request) -> web.Response:
        return answer([
            {"id": asset, "name": asset, "type": "BASE_ASSET", "decimals": 18} for asset in ASSETS
        ])  # fmt: skip

    async def transaction(self, request: web.Request) -> web.Response:
        return self._show(self.custodian.get(request.match_info["id"]))

    async def by_external_id(self, request: web.Request) -> web.Response:
        return self._show(self.custodian.get_by_external_id(request.match_info["id"]))

    async def transactions(self, request: web.Request) -> web.Response:
        found = _select(custodian=self.custodian, request=request)
        return answer([tx.wire(self.custodian.vaults) for tx in found])

    def _show(self, tx: Transaction) -> web.Response:
        return answer(tx.wire(self.custodian.vaults))

    def _account_asset(self, request: web.Request) -> Json:
        vaults = self.custodian.vaults
        account = vaults.get(request.match_info["id"])
        return vaults.asset_wire(account=account, asset=request.match_info["asset"])


def _select(*, custodian: Custodian, request: web.Request) -> list[Transaction]:
    """The list filters of the vendor that a reconciliation needs; `after`/`before` are in ms."""
    query = request.query
    newest = query.get("sort", "DESC") != "ASC"
    by_update = query.get("orderBy") == "lastUpdated"
    after, before = _ms(query.get("after")), _ms(query.get("before"))

    def at(tx: Transaction) -> int:
        return tx.last_updated if by_update else tx.created_at

    found = [
        tx for tx in custodian.transactions.values()
        if query.get("status") in (None, "", tx.status)
        and query.get("txHash") in (None, "", tx.tx_hash)
        and tx.asset_id in (query.get("assets") or tx.asset_id).split(",")
        and query.get("sourceId") in (None, "", tx.source_id)
        and query.get("destId") in (None, "", tx.destination_id)
        and (after is None or at(tx) > after)
        and (before is None or at(tx) < before)
    ]  # fmt: skip
    found.sort(key=at, reverse=newest)
    return found[: _limit(query.get("limit"), default=DEFAULT_PAGE)]


def _limit(text: str | None, *, default: int) -> int:
    if not text:
        return default
    # The SDK writes numbers of the spec as floats ("200.0").
    try:
        return max(1, min(int(float(text)), MAX_PAGE))
    except ValueError:
        raise errors.bad_request("limit must be a number") from None


def _ms(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(float(text))
    except ValueError:
        raise errors.bad_request("after and before must be Unix milliseconds") from None
