"""Sign-In with Ethereum (EIP-4361): the message as text, its strict reading, and who signed it.

Pure functions: nothing here reads settings, clocks or tables. The grammar is the ABNF of EIP-4361;
what a wallet signs is the EIP-191 form of the text ("personal_sign"). Signatures are those of one
key; a contract's are asked of the contract (EIP-1271, `tokens.chain.accepts_signature`).
"""

import re
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from agora.lib.catalog import Text

T = TypeVar("T")
VERSION = "1"
KEY_SIGNATURE_BYTES = 65
LONGEST_SIGNATURE_BYTES = 4096
# The order of secp256k1: of the two valid values of s only the lower is taken (EIP-2).
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_NONCE_ALPHABET = string.ascii_letters + string.digits
_NONCE_LENGTH = 22  # 131 bits; EIP-4361 asks at least 8 characters

_URI_CHARACTERS = r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]"
_URI = rf"[A-Za-z][A-Za-z0-9+.-]*:{_URI_CHARACTERS}+"
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})"
_GRAMMAR = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?P<domain>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9 :/?#\[\]@!$&'()*+,;=._~-]+)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: (?P<version>1)\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,20})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[A-Za-z0-9:@!$&'()*+,;=._~%-]*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?",
    re.ASCII,
)


class MessageRefused(Exception):
    """Not the message that was asked for; `code` says what differs.

    Codes: grammar, domain, uri, chain_id, address, nonce, not_yet, expired.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class MalformedSignature(ValueError):
    """Not the hexadecimal form of a signature; `message` says what to do about it."""

    def __init__(self, message: Text) -> None:
        super().__init__("malformed signature")
        self.message = message


@dataclass(frozen=True)
class Message:
    """A message of EIP-4361; times are aware, `address` has its EIP-55 form."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    statement: str = ""
    expiration_time: datetime | None = None
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str = ""

    def text(self) -> str:
        """What the wallet signs, byte for byte (UTF-8, lines end in LF, none after the last)."""
        origin = f"{self.scheme}://{self.domain}" if self.scheme else self.domain
        lines = [
            f"{origin} wants you to sign in with your Ethereum account:",
            self.address,
            "",
            *([self.statement] if self.statement else []),
            "",
            f"URI: {self.uri}",
            f"Version: {VERSION}",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {_moment(self.issued_at)}",
        ]
        if self.expiration_time is not None:
            lines.append(f"Expiration Time: {_moment(self.expiration_time)}")
        if self.not_before is not None:
            lines.append(f"Not Before: {_moment(self.not_before)}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources is not None:
            lines += ["Resources:", *(f"- {uri}" for uri in self.resources)]
        return "\n".join(lines)


def new_nonce() -> str:
    """A nonce that nobody can guess and that was never given before."""
    return "".join(secrets.choice(_NONCE_ALPHABET) for _position in range(_NONCE_LENGTH))


def parse(text: str) -> Message:
    """Read a message by the grammar, whole and exactly; raises MessageRefused("grammar").

    An address of mixed case with a wrong checksum is refused, as EIP-4361 asks for EIP-55.
    """
    found = _GRAMMAR.fullmatch(text)
    if found is None or not is_checksum_address(found["address"]):
        raise MessageRefused("grammar")
    resources = found["resources"]
    return Message(
        scheme=found["scheme"] or "",
        domain=found["domain"] + (found["port"] or ""),
        address=found["address"],
        statement=found["statement"] or "",
        uri=found["uri"],
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=_time(found["issued_at"]),
        expiration_time=_optional(found["expiration_time"], _time),
        not_before=_optional(found["not_before"], _time),
        request_id=found["request_id"],
        resources=_optional(resources, lambda lines: tuple(lines.split("\n- ")[1:])),
    )


def check(
    message: Message,
    *,
    domain: str,
    uri: str,
    chain_id: int,
    address: str,
    nonce: str,
    now: datetime,
) -> None:
    """Compare a message with what was asked for, and its times with `now`; raises MessageRefused."""
    wanted = {
        "domain": (message.scheme + message.domain, domain),
        "uri": (message.uri, uri),
        "chain_id": (message.chain_id, chain_id),
        "address": (message.address, address),
        "nonce": (message.nonce, nonce),
    }
    for code, (given, right) in wanted.items():
        if given != right:
            raise MessageRefused(code)
    if message.issued_at > now or (message.not_before is not None and message.not_before > now):
        raise MessageRefused("not_yet")
    if message.expiration_time is None or message.expiration_time <= now:
        raise MessageRefused("expired")


def signature_bytes(text: str) -> bytes:
    """The bytes of a signature as wallets give it, 0x and hexadecimal digits.

    Raises MalformedSignature for anything else, for fewer than 65 bytes and for more than 4096: a
    contract may want more than a key's 65.
    """
    digits = text.strip().removeprefix("0x")
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits):
        raise MalformedSignature(
            _("Paste the signature as your wallet gives it: 0x and hexadecimal digits.")
        )
    signature = bytes.fromhex(digits)
    if not KEY_SIGNATURE_BYTES <= len(signature) <= LONGEST_SIGNATURE_BYTES:
        raise MalformedSignature(
            _("A signature has at least 65 bytes, which are 130 digits. Copy all of it.")
        )
    return signature


def digest(text: str) -> bytes:
    """The hash that is signed for a text: EIP-191, version 0x45."""
    body = text.encode()
    return bytes(keccak(b"\x19Ethereum Signed Message:\n%d" % len(body) + body))


def signer(text: str, signature: bytes) -> str | None:
    """The EIP-55 address whose key signed the text; None when these bytes are no key's signature.

    Refused too: the second form that every signature has (s in the upper half of the curve's
    order, EIP-2), and recovery ids other than 0, 1, 27 and 28.
    """
    if len(signature) != KEY_SIGNATURE_BYTES or signature[64] not in (0, 1, 27, 28):
        return None
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    if not (0 < r < _CURVE_ORDER and 0 < s <= _CURVE_ORDER // 2):
        return None
    try:
        return str(Account.recover_message(encode_defunct(text=text), signature=signature))
    except BadSignature:
        return None  # no point of the curve has this r


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None  # well formed, but no day of the calendar
    if moment is None:
        raise MessageRefused("grammar")
    return moment


def _optional(text: str | None, read: Callable[[str], T]) -> T | None:
    return None if text is None else read(text)
