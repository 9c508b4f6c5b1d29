"""Writes about people."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts import locks
from accounts.addresses import clean_evm_address
from accounts.models import User, Wallet, WalletChange
from accounts.wallets import WalletRefused
from compliance import audit


class AddressTaken(ValidationError):
    """The address belongs to another account: one wallet, one person."""


def set_wallet(*, user: User, address: str, now: datetime) -> Wallet:
    """Give the user their wallet; raises InvalidAddress, AddressTaken or AccountClosed.

    The address starts unverified: typing it proves nothing about who owns it. Locks the address, then
    the user, as proofs do.
    """
    checked = clean_evm_address(address)
    with transaction.atomic():
        locks.wallet_address(checked)
        locks.open_account(user.pk)
        wallet = Wallet.objects.filter(user=user).first()
        if wallet is not None and wallet.address == checked:
            return wallet
        _check(user=user, wallet=wallet, address=checked)
        wallet = Wallet.objects.create(user=user, address=checked, created_at=now)
        audit.record(
            actor=audit.actor_of(user),
            action="wallet.linked",
            object_type="user",
            object_id=str(user.pk),
            evidence={"address": checked, "verified": False},
            now=now,
        )
    return wallet


def _check(*, user: User, wallet: Wallet | None, address: str) -> None:
    if wallet is not None:
        raise AddressTaken(
            _("This account already has a wallet: %(address)s."),
            code="already_set",
            params={"address": wallet.address},
        )
    changes = WalletChange.objects.filter(state="pending")
    # Nor where somebody has proved that it is theirs and waits for it.
    for rows in (Wallet.objects.filter(address=address), changes.filter(address=address)):
        if rows.exclude(user=user).exists():
            raise _taken()
    if changes.filter(user=user).exists():
        refusal = WalletRefused("change_pending")
        raise AddressTaken(str(refusal.message), code=refusal.code)


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
