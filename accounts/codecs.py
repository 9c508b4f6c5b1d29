"""Text forms of addresses: base58, base58check, bech32 and bech32m, decoded strictly.

Written here because no kept library has them without a chain's whole tool box beside it (ADR 0008).
Sources: BIP-173, BIP-350 (test vectors in tests/accounts), base58check of Bitcoin's reference client.
"""

import hashlib
from typing import NamedTuple

BITCOIN_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
XRP_ALPHABET = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
BECH32_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

_BECH32, _BECH32M = 1, 0x2BC830A3
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECK_BYTES, _CHECK_CHARACTERS = 4, 6
_LONGEST_BECH32 = 90
# Decoding base58 costs the square of the length; no address of any chain here is near this.
_LONGEST_BASE58 = 128


class NotDecoded(ValueError):
    """A text that is not of this form; `reason` is characters, case, checksum, length or form."""

    def __init__(self, reason: str, *, character: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.character = character


def decode_base58(text: str, *, alphabet: str = BITCOIN_ALPHABET) -> bytes:
    """The bytes of a base58 text; raises NotDecoded."""
    if not 0 < len(text) <= _LONGEST_BASE58:
        raise NotDecoded("length")
    number = 0
    for character in text:
        digit = alphabet.find(character)
        if digit < 0:
            raise NotDecoded("characters", character=character)
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode_base58check(text: str, *, alphabet: str = BITCOIN_ALPHABET) -> bytes:
    """The payload of a base58check text, version byte included; raises NotDecoded."""
    raw = decode_base58(text, alphabet=alphabet)
    if len(raw) <= _CHECK_BYTES:
        raise NotDecoded("length")
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if _double_sha256(payload)[:_CHECK_BYTES] != check:
        raise NotDecoded("checksum")
    return payload


def encode_base58check(payload: bytes, *, alphabet: str = BITCOIN_ALPHABET) -> str:
    """The base58check text of a payload that begins with its version byte."""
    raw = payload + _double_sha256(payload)[:_CHECK_BYTES]
    number, digits = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = alphabet[digit] + digits
    return alphabet[0] * (len(raw) - len(raw.lstrip(b"\0"))) + digits


def _double_sha256(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


class Bech32(NamedTuple):
    """A decoded text: its human-readable part, five-bit values, and whether it is bech32m."""

    prefix: str
    values: list[int]
    modified: bool


def decode_bech32(text: str) -> Bech32:
    """Decode bech32 (BIP-173) or bech32m (BIP-350); raises NotDecoded."""
    if any(not 33 <= ord(character) <= 126 for character in text):
        raise NotDecoded("characters")
    if text not in (text.lower(), text.upper()):
        raise NotDecoded("case")
    prefix, separator, data = text.lower().rpartition("1")
    if not separator or not prefix:
        raise NotDecoded("form")
    if len(data) < _CHECK_CHARACTERS or len(text) > _LONGEST_BECH32:
        raise NotDecoded("length")
    values = [BECH32_ALPHABET.find(character) for character in data]
    if -1 in values:
        raise NotDecoded("characters", character=data[values.index(-1)])
    found = _polymod([*_expanded(prefix), *values])
    if found not in (_BECH32, _BECH32M):
        raise NotDecoded("checksum")
    return Bech32(prefix, values[:-_CHECK_CHARACTERS], found == _BECH32M)


class Witness(NamedTuple):
    """A decoded segregated witness address: its network's prefix, version and program."""

    prefix: str
    version: int
    program: bytes


def decode_segwit(text: str) -> Witness:
    """Decode a segregated witness address of any network (BIP-141, 173, 350); raises NotDecoded."""
    prefix, values, modified = decode_bech32(text)
    if not values or values[0] > 16:
        raise NotDecoded("form")
    version, program = values[0], _eight_bits(values[1:])
    # Version 0 keeps the first checksum, every later version has the corrected one.
    if modified != (version > 0):
        raise NotDecoded("checksum")
    if not 2 <= len(program) <= 40 or (version == 0 and len(program) not in (20, 32)):
        raise NotDecoded("length")
    return Witness(prefix, version, program)


def _eight_bits(values: list[int]) -> bytes:
    number = 0
    for value in values:
        number = number << 5 | value
    count, padding = divmod(len(values) * 5, 8)
    if padding >= 5 or number & ((1 << padding) - 1):
        raise NotDecoded("form")
    return (number >> padding).to_bytes(count, "big")


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check
