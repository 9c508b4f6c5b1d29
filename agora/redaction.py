"""Takes secrets and personal data out of log lines, whoever wrote them (PRE-2).

Values under telling keys go entirely; in all other text, what looks like personal data or a
secret is replaced where it stands. It runs last, on tracebacks and foreign loggers too.
"""

import re
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from stdnum.br import cpf

HIDDEN = "[redacted]"
_DEEPEST = 6
_LONGEST = 8_000

# Part of a key's name is enough: `api_secret`, `FIREBLOCKS_PRIVATE_KEY`, `Set-Cookie`.
_TELLING_PART = re.compile(
    r"passw|secret|authorization|api_?key|private_?key|pepper|cookie|csrf|credential"
    r"|tax_?id|full_?name|e?mail|cpf|(?<![a-z])ruc(?![a-z])|_encrypted$|raw_transaction",
    re.IGNORECASE,
)
# `token` alone would also hide `token_id`, `tokens_minted` and other harmless things.
_TELLING_KEYS = frozenset(
    {"token", "access_token", "api_token", "quote_token", "lease_token", "raw_token", "jwt"}
    | {"field_keys", "blind_index_key", "database_url", "redis_url", "email_url", "dsn"}
)

# Set by our own formatter, on every line.
_HARMLESS_KEYS = frozenset({"timestamp", "level", "logger"})

# One pass that most texts end with: none of the patterns below can match without one of these.
_HINT = re.compile(
    r"@|://|-----|\d{5}|\d\.\d{3}|bearer|basic|agr_|eyJ|passw|secret|api[_-]?key|private[_-]?key"
    r"|pepper|token|tax_id|full_name|confirm-email|reset/key",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|$)", re.DOTALL)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[^\s\"',]+", re.IGNORECASE)
_API_TOKEN = re.compile(r"\bagr_([A-Za-z0-9]{12})_[A-Za-z0-9]+")
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]+@")
_ASSIGNMENT = re.compile(
    r"(?i)\b((?:[\w-]{0,40}(?:password|passwd|secret|api[_-]?key|private[_-]?key|pepper)[\w-]{0,40}"
    r"|tax_id|full_name|(?:\w+_)?token)"
    r"[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MAIL_LINK = re.compile(r"(confirm-email|password/reset/key)/[^\s\"']+")
_CPF = re.compile(r"(?<![\w.-])(\d{3}\.\d{3}\.\d{3}-\d{2}|\d{11})(?![\w-])")
_RUC = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d{3}){1,2}|\d{5,8})-\d(?![\w-])")


def redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor: the event without secrets and personal data."""
    return {
        key: value if key in _HARMLESS_KEYS else _member(key, value, depth=0)
        for key, value in event.items()
    }


def redact_text(text: str) -> str:
    """The text with everything that looks like a secret or personal data replaced."""
    if not _HINT.search(text):
        return text if len(text) <= _LONGEST else _shorten(text)
    text = _PEM.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _API_TOKEN.sub(rf"agr_\1_{HIDDEN}", text)
    text = _JWT.sub(HIDDEN, text)
    text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _ASSIGNMENT.sub(rf"\1{HIDDEN}", text)
    text = _EMAIL.sub(HIDDEN, text)
    text = _MAIL_LINK.sub(rf"\1/{HIDDEN}", text)
    text = _CPF.sub(_hide_cpf, text)
    text = _RUC.sub(HIDDEN, text)
    # Cut last: half a secret no longer looks like one. A traceback's end says the most.
    return text if len(text) <= _LONGEST else _shorten(text)


def _shorten(text: str) -> str:
    return f"{text[: _LONGEST // 4]}…{text[-_LONGEST // 2 :]}"


def _hide_cpf(found: re.Match[str]) -> str:
    text = found.group()
    # Eleven digits may be anything; with dots and dash they are meant as a CPF, right or wrong.
    return HIDDEN if "-" in text or cpf.is_valid(text) else text


def _member(key: object, value: Any, *, depth: int) -> Any:
    name = str(key)
    if value is not None and value != "" and _is_telling(name):
        return HIDDEN
    return _value(value, depth=depth)


def _is_telling(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in _TELLING_KEYS or _TELLING_PART.search(plain) is not None


def _value(value: Any, *, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {str(k): _member(k, v, depth=depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item, depth=depth + 1) for item in value]
    # Anything else would be turned to text by the JSON renderer, unseen by us.
    return redact_text(str(value))
