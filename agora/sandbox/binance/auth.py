"""Who sends a signed request: key, permission, signature, and the time it was made at."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from decimal import Decimal

from agora.sandbox.binance import errors
from agora.sandbox.binance.accounts import Account, Accounts
from agora.sandbox.binance.params import Params, unsigned
from agora.sandbox.binance.venue import Venue

KEY = re.compile(r"[A-Za-z0-9]{64}")
NONE, READ, TRADE = "NONE", "USER_DATA", "TRADE"
RECV_WINDOW = Decimal(5000)
MAX_RECV_WINDOW = Decimal(60_000)
AHEAD_MS = 1000
# A timestamp above this is in microseconds.
MICROSECONDS_FROM = 10**14


@dataclass(frozen=True)
class Gate:
    """Checks signed requests against the accounts' keys and the exchange's clock."""

    accounts: Accounts
    venue: Venue

    def account(self, *, api_key: str | None, security: str, address: str) -> Account:
        """Raises VendorError -2014, or -2015 for an unknown or revoked key, an address that is not on
        its list, or a permission it lacks.
        """
        if api_key is None or not KEY.fullmatch(api_key):
            raise errors.bad_key_format()
        account = self.accounts.by_key.get(api_key)
        if account is None or account.revoked or (account.ips and address not in account.ips):
            raise errors.rejected_key()
        if not (account.trade if security == TRADE else account.read):
            raise errors.rejected_key()
        return account

    def check(self, *, account: Account, params: Params, query: str, body: str) -> None:
        """Raises VendorError -1102, -1021 or -1022."""
        for name in ("timestamp", "signature"):
            params.text(name)
        signed = unsigned(query) + unsigned(body)
        expected = hmac.digest(account.secret_bytes, signed.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), params["signature"].lower().encode()):
            raise errors.bad_signature()
        self.check_time(params, arrived=True)

    def check_time(self, params: Params, *, arrived: bool) -> None:
        """The vendor's timing security: when the request arrives, and again before it is matched."""
        timestamp = params.get_integer("timestamp") or 0
        if timestamp > MICROSECONDS_FROM:
            timestamp //= 1000
        window = params.get_decimal("recvWindow")
        window = RECV_WINDOW if window is None else window
        if window > MAX_RECV_WINDOW:
            raise errors.refuse(
                code=-1102,
                message="'recvWindow' contains unexpected value. Cannot be greater than 60000.",
            )
        now = self.venue.now() * 1000
        if arrived and timestamp >= now + AHEAD_MS:
            raise errors.early()
        if now - timestamp > window:
            raise errors.late()
