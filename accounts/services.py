"""Writes about people."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts import locks
from accounts.addresses import clean_evm_address
from accounts.models import User, Wallet, WalletChange
from compliance import audit


class AddressTaken(ValidationError):
    """The address belongs to another account: one wallet, one person."""


def set_wallet(*, user: User, address: str, now: datetime) -> Wallet:
    """Give the user their wallet; raises InvalidAddress or AddressTaken. Locks the address.

    The address starts unverified: typing it proves nothing about who owns it.
    """
    checked = clean_evm_address(address)
    try:
        with transaction.atomic():
            locks.wallet_address(checked)
            waiting = WalletChange.objects.filter(address=checked, state="pending")
            if waiting.exclude(user=user).exists():
                raise _taken()  # somebody has proved that it is theirs
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
        raise _taken() from error
    return wallet


def _taken() -> AddressTaken:
    return AddressTaken(
        _(
            "This wallet address is linked to another account. If it is yours, link it on the wallet "
            "page by signing with it, then come back."
        ),
        code="taken",
    )


def set_language(*, user: User, language: str) -> None:
    """Keep the language of the user's e-mails, one of settings.LANGUAGES. Locks nothing."""
    User.objects.filter(pk=user.pk).exclude(language=language).update(language=language)
