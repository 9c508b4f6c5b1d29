"""What an address of each chain looks like, checked as far as its form allows (WAL-1).

Sources: BIP-173 and BIP-350 (Bitcoin, Litecoin), EIP-55 (Ethereum and compatible), TRON's and XRP
Ledger's account formats, XLS-5 (X-addresses). Test networks are refused: money sent there is lost.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from eth_utils.address import is_checksum_address, to_checksum_address

from accounts import codecs
from accounts.codecs import NotDecoded
from agora.lib.catalog import Text

Form = TypeVar("Form")

LARGEST_TAG = 2**32 - 1
LONGEST_ADDRESS = 128

_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
# What copying from a chat or a PDF leaves at the ends and nobody sees.
_INVISIBLE = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff"


class Chain(models.TextChoices):
    """Chains whose addresses the book takes."""

    BTC = "BTC", _("Bitcoin")
    EVM = "EVM", _("Ethereum and compatible")
    LTC = "LTC", _("Litecoin")
    SOL = "SOL", _("Solana")
    TRON = "TRON", _("TRON")
    XRP = "XRP", _("XRP Ledger")


class Exchange(models.TextChoices):
    """Where an address of the book receives; empty: in a wallet of the person's own."""

    OWN = "", _("Own wallet")
    BINANCE = "binance", _("Binance")


FORMS: dict[Chain, Text] = {
    Chain.BTC: _("Begins with bc1, 1 or 3."),
    Chain.EVM: _(
        "0x and 40 hexadecimal digits. Copy it with its capital letters: they are its checksum."
    ),
    Chain.LTC: _("Begins with ltc1, L or M; old ones with 3."),
    Chain.SOL: _(
        "32 to 44 letters and digits. It has no checksum: compare all of it with the original."
    ),
    Chain.TRON: _("Begins with T and has 34 characters."),
    Chain.XRP: _("Begins with r, or with X when it includes the destination tag."),
}


class InvalidAddress(ValidationError):
    """Not an address of its chain; the message says what is wrong with it."""


@dataclass(frozen=True)
class Checked:
    """An address in the one form in which it is stored, and the tag that it brought along."""

    address: str
    tag: int | None = None


def check(chain: Chain, text: str) -> Checked:
    """The address in its stored form; raises InvalidAddress, which says what to do about it.

    Codes: empty, form, characters, case, checksum, zero, test_network, other_chain.
    """
    address = text.strip(_INVISIBLE)
    if not address:
        raise InvalidAddress(_("Enter an address."), code="empty")
    try:
        return _CHECKS[chain](address)
    except InvalidAddress as refusal:
        if refusal.code != "zero":
            _refuse_other_chain(chain, address)
        raise


@dataclass(frozen=True)
class Caution:
    """Something about a right address that its owner should still look at."""

    code: str
    message: Text


def cautions(*, chain: str, exchange: str, address: str, tag: int | None) -> list[Caution]:
    """What to look at again in an address that is stored. Codes: tag_missing, two_chains."""
    found = []
    if chain == Chain.XRP and exchange != Exchange.OWN and tag is None:
        found.append(
            Caution(
                "tag_missing",
                _("No destination tag: an exchange cannot tell whose deposit it is without one."),
            )
        )
    if chain == Chain.LTC and address.startswith("3"):
        found.append(
            Caution(
                "two_chains",
                _(
                    "Bitcoin has addresses of this old form too. Make sure that this one is Litecoin."
                ),
            )
        )
    return found


def clean_evm_address(text: str) -> str:
    """The EIP-55 form of an address; raises InvalidAddress.

    All-lower and all-upper case carry no checksum and are accepted, as EIP-55 allows.
    """
    address = text.strip()
    if not _HEX_ADDRESS.fullmatch(address):
        raise InvalidAddress(
            _("Enter a wallet address: 0x followed by 40 hexadecimal digits."), code="invalid"
        )
    digits = address[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(address):
        raise InvalidAddress(
            _("The address has a typing error: its checksum does not match. Copy it again."),
            code="checksum",
        )
    if int(digits, 16) == 0:
        raise InvalidAddress(_("The zero address belongs to nobody."), code="zero")
    return str(to_checksum_address(address))


def _evm(text: str) -> Checked:
    return Checked(clean_evm_address(text))


@dataclass(frozen=True)
class _Kin:
    """What tells the addresses of Bitcoin and of its descendants apart: prefix and version bytes."""

    prefix: str
    versions: frozenset[int]
    test_prefixes: frozenset[str]
    test_versions: frozenset[int]


_BITCOIN = _Kin("bc", frozenset({0x00, 0x05}), frozenset({"tb", "bcrt"}), frozenset({0x6F, 0xC4}))
# 0x05 (3…) is the old form of M…, which Bitcoin has too; its wallets still give it.
_LITECOIN = _Kin(
    "ltc",
    frozenset({0x30, 0x32, 0x05}),
    frozenset({"tltc", "rltc"}),
    frozenset({0x6F, 0x3A, 0xC4}),
)
_SEGWIT_BEGINNINGS = tuple(
    f"{prefix}1" for kin in (_BITCOIN, _LITECOIN) for prefix in (kin.prefix, *kin.test_prefixes)
)


def _bitcoin(text: str) -> Checked:
    return _of_kin(_BITCOIN, text)


def _litecoin(text: str) -> Checked:
    return _of_kin(_LITECOIN, text)


def _of_kin(kin: _Kin, text: str) -> Checked:
    if text.lower().startswith(_SEGWIT_BEGINNINGS):
        return _segwit(kin, text)
    payload = _decoded(codecs.decode_base58check, text)
    if payload[0] in kin.test_versions:
        raise _test_network()
    if payload[0] not in kin.versions or len(payload) != 21:
        raise _wrong_form()
    return _unless_zero(Checked(text), payload[1:])


def _segwit(kin: _Kin, text: str) -> Checked:
    witness = _decoded(codecs.decode_segwit, text)
    if witness.prefix in kin.test_prefixes:
        raise _test_network()
    # No wallet gives out a later version yet, and what is sent to one anybody may take.
    known = witness.version == 0 or (witness.version == 1 and len(witness.program) == 32)
    if witness.prefix != kin.prefix or not known:
        raise _wrong_form()
    return _unless_zero(Checked(text.lower()), witness.program)


def _solana(text: str) -> Checked:
    # Points off the curve are addresses of programs' accounts, which receive like any other.
    key = _decoded(codecs.decode_base58, text)
    if len(key) != 32:
        raise _wrong_form()
    return _unless_zero(Checked(text), key)


def _tron(text: str) -> Checked:
    payload = _decoded(codecs.decode_base58check, text)
    if payload[0] != 0x41 or len(payload) != 21:
        raise _wrong_form()
    return _unless_zero(Checked(text), payload[1:])


_X_MAIN, _X_TEST = b"\x05\x44", b"\x04\x93"


def _xrp(text: str) -> Checked:
    payload = _decoded(_decode_xrp, text)
    if payload[0] == 0 and len(payload) == 21:
        return _unless_zero(Checked(text), payload[1:])
    if len(payload) != 31 or payload[:2] not in (_X_MAIN, _X_TEST):
        raise _wrong_form()
    if payload[:2] == _X_TEST:
        raise _test_network()
    account, flag, tag = payload[2:22], payload[22], int.from_bytes(payload[23:], "little")
    if flag > 1 or tag > LARGEST_TAG or (flag == 0 and tag):
        raise _wrong_form()
    classic = codecs.encode_base58check(b"\0" + account, alphabet=codecs.XRP_ALPHABET)
    return _unless_zero(Checked(classic, tag if flag else None), account)


def _decode_xrp(text: str) -> bytes:
    return codecs.decode_base58check(text, alphabet=codecs.XRP_ALPHABET)


# Those without a checksum come last: what a checksum confirms is surely meant.
_CHECKS: dict[Chain, Callable[[str], Checked]] = {
    Chain.BTC: _bitcoin,
    Chain.LTC: _litecoin,
    Chain.TRON: _tron,
    Chain.XRP: _xrp,
    Chain.EVM: _evm,
    Chain.SOL: _solana,
}


def _refuse_other_chain(chain: Chain, address: str) -> None:
    """Name the chain that the address does belong to, if there is one."""
    for other, look in _CHECKS.items():
        if other == chain:
            continue
        try:
            look(address)
        except InvalidAddress:
            continue
        raise InvalidAddress(
            _("This looks like an address of another chain: %(other)s. Choose that chain instead."),
            code="other_chain",
            params={"other": other.label},
        )


def _decoded(decode: Callable[[str], Form], text: str) -> Form:
    try:
        return decode(text)
    except NotDecoded as error:
        raise _refusal(error) from error


def _refusal(error: NotDecoded) -> InvalidAddress:
    if error.reason == "case":
        return InvalidAddress(
            _("Capital and small letters are mixed. Copy the address again, all in one case."),
            code="case",
        )
    if error.reason == "checksum":
        return InvalidAddress(
            _("The address has a typing error: its checksum does not match. Copy it again."),
            code="checksum",
        )
    if error.reason == "characters" and error.character.isprintable() and error.character:
        return InvalidAddress(
            _("“%(character)s” does not occur in such an address. Copy it again."),
            code="characters",
            params={"character": error.character},
        )
    return _wrong_form()


def _wrong_form() -> InvalidAddress:
    return InvalidAddress(
        _("This is not an address of the chosen chain. Copy the whole address and nothing else."),
        code="form",
    )


def _test_network() -> InvalidAddress:
    return InvalidAddress(
        _("This is an address of a test network. Enter one of the main network."),
        code="test_network",
    )


def _unless_zero(found: Checked, account: bytes) -> Checked:
    if not any(account):
        raise InvalidAddress(_("The zero address belongs to nobody."), code="zero")
    return found
