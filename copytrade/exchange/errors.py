"""Which outcome a failure at the exchange is: one table of (code, HTTP status, class, was it sent?).

The number in the answer's body decides first, then the HTTP status, then ccxt's class. ccxt alone
cannot: it calls -1008 (overloaded) permanent and a revoked key a rate limit, it does not see a
failure in an empty 200, and its rows for Binance spot only apply to Binance's own host names.
Sources: binance-spot-api-docs errors.md, rest-api.md ("HTTP Return Codes"), ccxt 4.5.90.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown, retry_after_seconds
from copytrade.exchange import reasons

_LONGEST_TOLD = 200
_BANNED_UNTIL = re.compile(r"until (\d{13})")
# Keys and signatures are 64 letters and digits; whatever echoes one must not carry it on.
_SECRETIVE = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is, its stable code, and what that means in words."""

    outcome: type[OutsideError]
    code: str
    message: str


@dataclass(slots=True)
class Answer:
    """What is known of one request and its answer; status 0 without an answer.

    The repr leaves out what the exchange wrote: it might echo a key.
    """

    sent: bool = False
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: object = field(default=None, repr=False)

    @property
    def code(self) -> int | None:
        """Binance's number for the error; None when the body tells none."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, int) and not isinstance(code, bool) else None

    @property
    def text(self) -> str:
        """Binance's words for the error, without anything that looks like a key."""
        told = self.body.get("msg") if isinstance(self.body, dict) else None
        return _SECRETIVE.sub("…", str(told))[:_LONGEST_TOLD] if told else ""


_CLOSED = Row(Temporary, reasons.MARKET_CLOSED, "The market is closed")
_SKEW = Row(Temporary, reasons.CLOCK_SKEW, "The request's time was outside the exchange's window")
_IP_LIMIT = Row(Temporary, reasons.RATE_LIMITED_IP, "The limit of this network address is reached")
_BANNED = Row(Temporary, reasons.BANNED_IP, "The exchange bans this network address for a while")
_ACCOUNT_LIMIT = Row(Temporary, reasons.RATE_LIMITED_ACCOUNT, "The account's limit is reached")
_OVERLOADED = Row(Temporary, reasons.OVERLOADED, "The exchange is overloaded")
_MAINTENANCE = Row(Temporary, reasons.MAINTENANCE, "The exchange does not serve this now")
_NOT_SENT = Row(Temporary, reasons.NOT_SENT, "The exchange could not be reached")
_DUPLICATE = Row(Unknown, reasons.DUPLICATE, "The exchange has an open order of this id")
_TIMEOUT = Row(Unknown, reasons.TIMEOUT, "The exchange did not answer in time")
_RESET = Row(Unknown, reasons.RESET, "The connection broke before the answer")
_BAD_ANSWER = Row(Unknown, reasons.BAD_ANSWER, "The exchange's answer cannot be read")
_SERVER_ERROR = Row(Unknown, reasons.SERVER_ERROR, "The exchange failed while it worked on this")
_FUNDS = Row(Rejected, reasons.INSUFFICIENT_FUNDS, "The account does not hold enough")
_NOTIONAL = Row(Rejected, reasons.BELOW_MIN_NOTIONAL, "The order's value is outside the bounds")
_LOT = Row(Rejected, reasons.LOT_SIZE, "The quantity breaks the symbol's rules")
_PRICE = Row(Rejected, reasons.PRICE_FILTER, "The price breaks the symbol's rules")
_PERCENT = Row(Rejected, reasons.PERCENT_PRICE, "The price is too far from the market")
_MANY_OPEN = Row(Rejected, reasons.TOO_MANY_OPEN_ORDERS, "The account has too many open orders")
_WOULD_MATCH = Row(Rejected, reasons.WOULD_MATCH, "A maker-only order would match at once")
_NOT_FOUND = Row(Rejected, reasons.ORDER_NOT_FOUND, "The exchange has no such order")
_KEY = Row(Rejected, reasons.KEY_INVALID, "The exchange does not accept the key")
_NO_PERMISSION = Row(Rejected, reasons.KEY_NO_PERMISSION, "The key may not do this")
_IP = Row(Rejected, reasons.IP_NOT_ALLOWED, "The key does not allow this network address")
_LEGAL = Row(Rejected, reasons.LEGAL, "The exchange may not serve this place")
_SYMBOL = Row(Rejected, reasons.UNKNOWN_SYMBOL, "The exchange does not know the symbol")
_REJECTED = Row(Rejected, reasons.REJECTED, "The exchange refused")

# Codes that several meanings share: the words decide. Read before BY_CODE.
BY_TEXT: tuple[tuple[int, str, Row], ...] = (
    (-1013, "MARKET_LOT_SIZE", _LOT),
    (-1013, "LOT_SIZE", _LOT),
    (-1013, "PERCENT_PRICE", _PERCENT),
    (-1013, "PRICE_FILTER", _PRICE),
    (-1013, "NOTIONAL", _NOTIONAL),
    (-1013, "MAX_NUM", _MANY_OPEN),
    (-1013, "MAX_POSITION", _REJECTED),
    (-1013, "Market is closed", _CLOSED),
    (-1013, "quantity", _LOT),
    (-1013, "price", _PRICE),
    (-2010, "insufficient balance", _FUNDS),
    (-2010, "Duplicate order", _DUPLICATE),
    (-2010, "immediately match", _WOULD_MATCH),
    (-2010, "Market is closed", _CLOSED),
    (-2010, "MAX_NUM", _MANY_OPEN),
    (-2010, "disabled on this account", _NO_PERMISSION),
    (-2010, "not permitted", _NO_PERMISSION),
    (-2015, "request ip", _IP),
)
# -2015 is told alike for a wrong key, a foreign address and a missing right: `Venue.rights` tells
# them apart where that matters.
BY_CODE: dict[int, Row] = {
    -1000: _SERVER_ERROR,
    -1001: _SERVER_ERROR,
    -1002: _NO_PERMISSION,
    -1003: _IP_LIMIT,
    -1006: _SERVER_ERROR,
    -1007: _TIMEOUT,
    -1008: _OVERLOADED,
    -1013: _REJECTED,
    -1015: _ACCOUNT_LIMIT,
    -1016: _MAINTENANCE,
    -1021: _SKEW,
    -1022: _KEY,
    -1034: _IP_LIMIT,
    -1099: _NO_PERMISSION,
    -1111: _LOT,
    -1121: _SYMBOL,
    -2010: _REJECTED,
    -2011: _NOT_FOUND,
    -2013: _NOT_FOUND,
    -2014: _KEY,
    -2015: _KEY,
    -2016: _CLOSED,
    -2026: _NOT_FOUND,
}
# For answers whose body tells no code, or none that is known. 403 is Binance's firewall.
BY_STATUS: dict[int, Row] = {
    401: _KEY,
    403: _IP_LIMIT,
    404: _MAINTENANCE,
    408: _TIMEOUT,
    418: _BANNED,
    429: _IP_LIMIT,
    451: _LEGAL,
}
# By ccxt's class when there is no answer to go by: (the request had left, it had not).
BY_CLASS: dict[str, tuple[Row, Row]] = {
    "BaseError": (_BAD_ANSWER, _REJECTED),
    "ExchangeError": (_BAD_ANSWER, _REJECTED),
    "AuthenticationError": (_KEY, _KEY),
    "PermissionDenied": (_NO_PERMISSION, _NO_PERMISSION),
    "AccountNotEnabled": (_NO_PERMISSION, _NO_PERMISSION),
    "AccountSuspended": (_KEY, _KEY),
    "ArgumentsRequired": (_REJECTED, _REJECTED),
    "BadRequest": (_REJECTED, _REJECTED),
    "BadSymbol": (_SYMBOL, _SYMBOL),
    "OperationRejected": (_REJECTED, _REJECTED),
    "NoChange": (_REJECTED, _REJECTED),
    "MarginModeAlreadySet": (_REJECTED, _REJECTED),
    "MarketClosed": (_CLOSED, _CLOSED),
    "ManualInteractionNeeded": (_NO_PERMISSION, _NO_PERMISSION),
    "RestrictedLocation": (_LEGAL, _LEGAL),
    "InsufficientFunds": (_FUNDS, _FUNDS),
    "InvalidAddress": (_REJECTED, _REJECTED),
    "AddressPending": (_REJECTED, _REJECTED),
    "InvalidOrder": (_REJECTED, _REJECTED),
    "OrderNotFound": (_NOT_FOUND, _NOT_FOUND),
    "OrderNotCached": (_NOT_FOUND, _NOT_FOUND),
    "OrderImmediatelyFillable": (_WOULD_MATCH, _WOULD_MATCH),
    "OrderNotFillable": (_REJECTED, _REJECTED),
    "DuplicateOrderId": (_DUPLICATE, _DUPLICATE),
    "ContractUnavailable": (_SYMBOL, _SYMBOL),
    "NotSupported": (_REJECTED, _REJECTED),
    "InvalidProxySettings": (_NOT_SENT, _NOT_SENT),
    "ExchangeClosedByUser": (_RESET, _NOT_SENT),
    "OperationFailed": (_SERVER_ERROR, _NOT_SENT),
    "NetworkError": (_RESET, _NOT_SENT),
    "DDoSProtection": (_IP_LIMIT, _NOT_SENT),
    "RateLimitExceeded": (_ACCOUNT_LIMIT, _NOT_SENT),
    "ExchangeNotAvailable": (_RESET, _NOT_SENT),
    "OnMaintenance": (_MAINTENANCE, _NOT_SENT),
    "InvalidNonce": (_SKEW, _SKEW),
    "ChecksumError": (_BAD_ANSWER, _NOT_SENT),
    "RequestTimeout": (_TIMEOUT, _NOT_SENT),
    "BadResponse": (_BAD_ANSWER, _NOT_SENT),
    "NullResponse": (_BAD_ANSWER, _NOT_SENT),
    "CancelPending": (_SERVER_ERROR, _NOT_SENT),
    "UnsubscribeError": (_BAD_ANSWER, _NOT_SENT),
}


def row_of(*, answer: Answer, error: BaseException) -> Row:
    """The row of the table that a failed request falls under."""
    if (row := _row_of_code(answer)) is not None:
        return row
    if (row := BY_STATUS.get(answer.status)) is not None:
        return row
    if answer.status >= 500:
        return _SERVER_ERROR
    if answer.code is not None and answer.status >= 400:
        return _REJECTED
    for kind in type(error).__mro__:
        if (rows := BY_CLASS.get(kind.__name__)) is not None:
            return rows[0] if answer.sent else rows[1]
    return _BAD_ANSWER if answer.sent else _NOT_SENT


def _row_of_code(answer: Answer) -> Row | None:
    code = answer.code
    if code is None:
        return None
    for number, words, row in BY_TEXT:
        if number == code and words in answer.text:
            return row
    # Binance tells a ban by the code of the limit that led to it.
    return _BANNED if code == -1003 and answer.status == 418 else BY_CODE.get(code)


def outcome_of(*, answer: Answer, error: BaseException, effect: bool) -> OutsideError:
    """The outcome error of a failed request; its text holds no address, key or signature.

    Without `effect` (a look-up) nothing can have been done: what would be Unknown is Temporary.
    """
    row = row_of(answer=answer, error=error)
    told = "HTTP" if answer.code is None else str(answer.code)
    rest = answer.text if answer.code is not None else str(answer.status or "")
    detail = f"{told} {rest}".rstrip() if rest or answer.code is not None else ""
    message = f"{row.message} ({detail})." if detail else f"{row.message}."
    if row.outcome is Temporary or (row.outcome is Unknown and not effect):
        return Temporary(message, code=row.code, retry_after=_wait_of(row=row, answer=answer))
    return row.outcome(message, code=row.code)


def _wait_of(*, row: Row, answer: Answer) -> float | None:
    """Seconds to wait, as the exchange says by Retry-After or "banned until …" (milliseconds)."""
    wait = retry_after_seconds(answer.headers.get("Retry-After"))
    if wait is not None or row.code not in (reasons.BANNED_IP, reasons.RATE_LIMITED_IP):
        return wait
    until = _BANNED_UNTIL.search(answer.text)
    return max(0.0, int(until.group(1)) / 1000 - time.time()) if until else 60.0
