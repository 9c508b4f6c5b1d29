"""Writes about people."""

import re
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from eth_utils.address import is_checksum_address, to_checksum_address

from accounts.models import User, Wallet
from compliance import audit

_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class InvalidAddress(ValidationError):
    """Not an EVM address, the zero address, or mixed case with a wrong EIP-55 checksum."""


class AddressTaken(ValidationError):
    """The address belongs to another account: one wallet, one person."""


def clean_address(text: str) -> str:
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


def set_wallet(*, user: User, address: str, now: datetime) -> Wallet:
    """Give the user their wallet; raises InvalidAddress or AddressTaken. Locks nothing.

    The address starts unverified: typing it proves nothing about who owns it.
    """
    checked = clean_address(address)
    try:
        with transaction.atomic():
            wallet, created = Wallet.objects.get_or_create(
                user=user, defaults={"address": checked, "created_at": now}
            )
            if not created and wallet.address == checked:
                return wallet
            if not created:
                raise AddressTaken(
                    _("This account already has a wallet: %(address)s."),
                    code="already_set",
                    params={"address": wallet.address},
                )
            audit.record(
                actor=audit.actor_of(user),
                action="wallet.linked",
                object_type="user",
                object_id=str(user.pk),
                evidence={"address": checked, "verified": False},
                now=now,
            )
    except IntegrityError as error:
        raise AddressTaken(
            _("This wallet address is linked to another account."), code="taken"
        ) from error
    return wallet
