"""Parameters of a request, and the vendor's rules for what they may hold."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import unquote_plus

from agora.sandbox.binance import errors
from agora.sandbox.binance.symbols import SYMBOLS, Symbol

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_DECIMAL, _INTEGER = re.compile(DECIMAL), re.compile(INTEGER)
_SYMBOL, _CLIENT_ID = re.compile(SYMBOL), re.compile(CLIENT_ID)
PRECISION = 8


class Params(dict[str, str]):
    """Names and decoded values. Each reader raises VendorError when the value is not fit."""

    def get_text(self, name: str) -> str | None:
        value = self.get(name)
        if value == "":
            raise errors.refuse(code=-1105, message=f"Parameter '{name}' was empty.")
        return value

    def text(self, name: str) -> str:
        value = self.get(name)
        if not value:
            raise errors.missing(name)
        return value

    def get_decimal(self, name: str) -> Decimal | None:
        value = self.get_text(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise errors.illegal(name, DECIMAL)
        point = value.find(".")
        if point >= 0 and len(value) - point - 1 > PRECISION and value[point + 9 :].strip("0"):
            raise errors.refuse(code=-1111, message=f"Parameter '{name}' has too much precision.")
        return Decimal(value)

    def decimal(self, name: str) -> Decimal:
        value = self.get_decimal(name)
        if value is None:
            raise errors.missing(name)
        return value

    def get_integer(self, name: str) -> int | None:
        value = self.get_text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise errors.illegal(name, INTEGER)
        return int(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.get_text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise errors.refuse(
                code=-1130, message=f"Data sent for parameter '{name}' is not valid."
            )
        return value.lower() == "true"

    def symbol(self) -> Symbol:
        found = self.get_symbol()
        if found is None:
            raise errors.missing("symbol")
        return found

    def get_symbol(self) -> Symbol | None:
        name = self.get_text("symbol")
        return None if name is None else symbol_named(name)

    def get_client_id(self, name: str) -> str | None:
        value = self.get_text(name)
        if value is not None and not _CLIENT_ID.fullmatch(value):
            raise errors.illegal(name, CLIENT_ID)
        return value

    def limit(self, *, default: int = 500, maximum: int = 1000) -> int:
        found = self.get_integer("limit")
        if found == 0:
            raise errors.refuse(code=-1130, message="Data sent for parameter 'limit' is not valid.")
        return default if found is None else min(found, maximum)


def symbol_named(name: str) -> Symbol:
    found = SYMBOLS.get(name)
    if found is None:
        raise errors.bad_symbol() if _SYMBOL.fullmatch(name) else errors.illegal("symbol", SYMBOL)
    return found


def parse(*, query: str, body: str) -> Params:
    """Both parts together; the query wins. Raises VendorError for a name sent twice in one part."""
    found = _parse(body) if body else Params()
    if query:
        found.update(_parse(query))
    return found


def _parse(text: str) -> Params:
    found = Params()
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name in found:
            raise errors.refuse(code=-1101, message="Duplicate values for a parameter detected.")
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if name:
            found[name] = value
    return found


def unsigned(text: str) -> str:
    """The part as it was signed: without its signature parameter."""
    at = text.rfind("signature=")
    if at < 0 or (at > 0 and text[at - 1] != "&"):
        return text
    end = text.find("&", at)
    if end >= 0:
        return text[:at] + text[end + 1 :]
    return text[: max(0, at - 1)]
