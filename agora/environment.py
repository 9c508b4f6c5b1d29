"""Reads settings from the environment, or from the files it names, and refuses wrong values.

Every setting X may come from a file named by X_FILE, as container platforms mount secrets; the line
break that such files end in is no part of the value. Whoever reads raises ImproperlyConfigured with
the setting's name and never its value where that may be secret.
"""

import re
import secrets
import sys
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

# The demo only supervises other processes, which get their own secrets from it.
_SUPERVISES_ONLY = len(sys.argv) > 1 and sys.argv[1] in {"demo", "failpoints", "compilemessages"}
_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Where each vendor's test side is, by the setting. Market data is the same for paper and live.
TEST_HOSTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ALPACA_BASE_URL": frozenset({"paper-api.alpaca.markets"}),
        "ALPACA_DATA_URL": frozenset({"data.alpaca.markets", "data.sandbox.alpaca.markets"}),
        "FIREBLOCKS_BASE_URL": frozenset({"sandbox-api.fireblocks.io"}),
        "BINANCE_BASE_URL": frozenset({"testnet.binance.vision"}),
    }
)
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class _Trimmed(FileAwareMapping):  # type: ignore[misc]  # the library has no types
    def __getitem__(self, name: str) -> str:
        try:
            text: str = super().__getitem__(name)
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error
        return text.strip()


class _Env(environ.Env):  # type: ignore[misc]
    ENVIRON = _Trimmed()


env = _Env()


def required(name: str, *, stand_in: str = "") -> str:
    """A text that must be set; a supervising process gets a stand-in that opens nothing."""
    value: str = env.str(name, default="")
    if value:
        return value
    if _SUPERVISES_ONLY:
        return stand_in or secrets.token_hex(32)
    raise ImproperlyConfigured(f"{name} is not set. See docs/settings.md, or run `make demo`.")


def one_of(name: str, *, allowed: set[str], default: str) -> str:
    value: str = env.str(name, default=default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {sorted(allowed)}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """True or false; what is set to nothing is as if it was not set, so no protection goes by it."""
    text = (env.str(name, default="") or str(default)).lower()
    if text not in _FLAGS:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be true or false.")
    return _FLAGS[text]


def whole(name: str, *, default: int, least: int = 0) -> int:
    text: str = env.str(name, default=str(default))
    if not re.fullmatch(r"-?[0-9]{1,18}", text) or int(text) < least:
        raise ImproperlyConfigured(f"{name} is {text}; it must be a whole number from {least} on.")
    return int(text)


def seconds(name: str, *, default: float) -> float:
    text: str = env.str(name, default=str(default))
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) <= 0:
        raise ImproperlyConfigured(f"{name} is {text}; it must be a number of seconds above 0.")
    return float(text)


def address(
    name: str, *, default: str, schemes: frozenset[str] = frozenset({"http", "https"})
) -> str:
    """The address of a server, without a slash at its end; empty only where that is the default."""
    value: str = env.str(name, default=default).rstrip("/")
    parts = urlsplit(value)
    if value == default or (parts.scheme in schemes and parts.hostname):
        return value
    raise ImproperlyConfigured(f"{name} is not an address that begins {' or '.join(schemes)}://.")


def host_name(name: str) -> str:
    """A host name in lower case, without scheme or port; empty where it is not set."""
    value: str = env.str(name, default="").lower()
    if value and not _HOST_NAME.fullmatch(value):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a host name without a port.")
    return value


def vendor_address(name: str, *, default: str, live: bool = False) -> str:
    """The address of a vendor's test side, or of this machine's sandbox.

    Anything else moves real money, so it takes a second setting, which the caller hands in as
    `live`; even then only over https.
    """
    value = address(name, default=default)
    parts = urlsplit(value)
    host = parts.hostname or ""
    if host in LOCAL_HOSTS or (parts.scheme == "https" and (live or host in TEST_HOSTS[name])):
        return value
    known = " or ".join(f"https://{test}" for test in sorted(TEST_HOSTS[name]))
    if live:
        raise ImproperlyConfigured(f"{name} must begin https:// unless it is this machine.")
    raise ImproperlyConfigured(
        f"{name} is {parts.scheme}://{host}, which is neither {known} nor this machine:"
        " real money could move. See LIVE_VENDORS in docs/settings.md."
    )


def live_vendors(name: str, *, allowed: frozenset[str]) -> frozenset[str]:
    """Which vendors may be reached at their live side; none unless they are named."""
    named = frozenset(env.list(name, default=[]))
    if named <= allowed:
        return named
    raise ImproperlyConfigured(
        f"{name} is {sorted(named)}; it may only name {' and '.join(sorted(allowed))}."
    )


def evm_address(name: str) -> str:
    """An address on the chain; empty while it is not set."""
    value: str = env.str(name, default="")
    if value and not _EVM_ADDRESS.fullmatch(value):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be 0x and 40 hexadecimal digits.")
    return value
