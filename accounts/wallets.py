"""A person's wallet: what proves it, what replaces it, and the time between (RAT-012).

A change waits for settings.WALLET_COOL_DOWN_HOURS, so that somebody who takes over an account
cannot have its tokens minted elsewhere before the owner has read the notice. Until then orders mint
to the wallet of before; orders that are placed keep the address they were placed with. Whoever
locks takes the wallet's row first, then the change's.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.models import Notice, User, Wallet, WalletChange
from accounts.notices import notify
from agora.lib.catalog import Text
from compliance import audit

PAGE = "/account/wallet/"
_TAKEN = "wallet_taken"
_MESSAGES: dict[str, Text] = {
    "no_wallet": _("Finish the onboarding first: it asks for your wallet address."),
    "other_wallet": _(
        "This is not the address of your wallet. Choose “Use another wallet” for it."
    ),
    "same_wallet": _("This is your wallet already. To change it, give another address."),
    "change_pending": _("Your wallet is about to change already. Cancel that change first."),
    "wallet_taken": _("This wallet address is linked to another account."),
    "too_many_proofs": _("You asked for many messages to sign. Wait ten minutes, then go on."),
    "proof_used": _("This message was answered already. Ask for a new one."),
    "proof_expired": _("The time to sign this message is over. Ask for a new one."),
    "signature_refused": _(
        "The signature is not this wallet's. Sign the message as it stands, with the account of "
        "this address. It counts as answered: ask for a new one."
    ),
    "message_refused": _("The message is not valid here any more. Ask for a new one."),
    "change_ended": _("The change has ended: it is in effect or was cancelled before."),
}


class WalletRefused(Exception):
    """Something about a wallet that may not be done; `message` says what to do about it.

    Codes: no_wallet, other_wallet, same_wallet, change_pending, wallet_taken, too_many_proofs,
    proof_used, proof_expired, signature_refused, message_refused, change_ended.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = _MESSAGES[code]


def cool_down() -> timedelta:
    """How long a change of wallet waits."""
    return timedelta(hours=settings.WALLET_COOL_DOWN_HOURS)


def mark_verified(*, wallet: Wallet, method: str, now: datetime) -> None:
    """Note that the owner has signed for the wallet; call it with the wallet's row locked."""
    wallet.verified_at, wallet.method = now, method
    wallet.save(update_fields=["verified_at", "method"])
    _record(wallet.user_id, "wallet.verified", {"address": wallet.address, "method": method}, now)


def ask_change(*, wallet: Wallet, address: str, method: str, now: datetime) -> WalletChange:
    """Begin the cool-down after which a proved address is the wallet, and tell its owner.

    Call it in a transaction, with the wallet's row locked. Raises WalletRefused: same_wallet,
    change_pending, wallet_taken.
    """
    if address == wallet.address:
        raise WalletRefused("same_wallet")
    if WalletChange.objects.filter(user_id=wallet.user_id, state="pending").exists():
        raise WalletRefused("change_pending")
    if Wallet.objects.filter(address=address).exists():
        raise WalletRefused(_TAKEN)
    change = WalletChange(
        user_id=wallet.user_id,
        old_address=wallet.address,
        address=address,
        method=method,
        created_at=now,
        effective_at=now + cool_down(),
    )
    try:
        with transaction.atomic():
            change.save(force_insert=True)
    except IntegrityError as error:  # another person's change to the same address waits too
        raise WalletRefused(_TAKEN) from error
    _record(wallet.user_id, "wallet.change_requested", _evidence(change), now)
    _tell(
        change,
        kind="wallet-change",
        level=Notice.Level.ALERT,
        subject=gettext_noop("Your wallet is about to change"),
        body=gettext_noop(
            "From %(when)s on, your tokens are minted to %(address)s instead of %(old)s. Until "
            "then nothing changes. If you did not ask for this, cancel it on the wallet page and "
            "change your password."
        ),
        now=now,
    )
    return change


def cancel_change(*, user: User, change_id: UUID, now: datetime) -> WalletChange:
    """Keep the wallet of before. Locks wallet and change.

    Raises WalletChange.DoesNotExist for another person's change, WalletRefused("change_ended").
    """
    WalletChange.objects.get(pk=change_id, user=user)
    return _cancel(change_id, actor=audit.actor_of(user), reason="by_owner", now=now)


def cancel_for_person(*, officer: User, change_id: UUID, now: datetime) -> WalletChange:
    """Cancel a person's change for them, as when they say that it was not theirs; as cancel_change."""
    return _cancel(change_id, actor=audit.actor_of(officer), reason="by_officer", now=now)


def _cancel(change_id: UUID, *, actor: str, reason: str, now: datetime) -> WalletChange:
    owner = WalletChange.objects.values_list("user_id", flat=True).get(pk=change_id)
    with transaction.atomic():
        Wallet.objects.select_for_update().get(user_id=owner)
        change = WalletChange.objects.select_for_update().get(pk=change_id)
        if change.state != WalletChange.State.PENDING:
            raise WalletRefused("change_ended")
        _end(change, state=WalletChange.State.CANCELLED, reason=reason, now=now)
        _record(change.user_id, "wallet.change_cancelled", _evidence(change), now, actor=actor)
        _tell(
            change,
            kind="wallet-kept",
            level=Notice.Level.INFO,
            subject=gettext_noop("Your wallet stays as it is"),
            body=gettext_noop(
                "The change to %(address)s is cancelled. Your tokens go on being minted to %(old)s."
            ),
            now=now,
        )
    return change


def apply_due(*, now: datetime) -> int:
    """Let every change whose cool-down is over take effect; how many did. One transaction each."""
    due = WalletChange.objects.filter(state="pending", effective_at__lte=now)
    waiting = list(due.order_by("effective_at").values_list("pk", "user_id")[:500])
    return sum(_apply(change_id, user_id=user_id, now=now) for change_id, user_id in waiting)


def _apply(change_id: UUID, *, user_id: UUID, now: datetime) -> bool:
    with transaction.atomic():
        wallet = Wallet.objects.select_for_update().get(user_id=user_id)
        change = WalletChange.objects.select_for_update().get(pk=change_id)
        if change.state != WalletChange.State.PENDING:  # another sweep, or cancelled just now
            return False
        wallet.address, wallet.method = change.address, change.method
        wallet.verified_at = change.created_at
        try:
            with transaction.atomic():
                wallet.save(update_fields=["address", "method", "verified_at"])
        except IntegrityError:
            _lost(change, now=now)
            return False
        _end(change, state=WalletChange.State.APPLIED, reason="", now=now)
        _record(user_id, "wallet.changed", _evidence(change), now, actor=audit.system("wallets"))
        _tell(
            change,
            kind="wallet-changed",
            level=Notice.Level.WARNING,
            subject=gettext_noop("Your wallet has changed"),
            body=gettext_noop(
                "Tokens of new orders are minted to %(address)s from now on. Orders placed before "
                "still go to %(old)s."
            ),
            now=now,
        )
    return True


def _lost(change: WalletChange, *, now: datetime) -> None:
    """Somebody else linked the address while the change waited: one wallet, one person."""
    _end(change, state=WalletChange.State.CANCELLED, reason=_TAKEN, now=now)
    actor = audit.system("wallets")
    _record(change.user_id, "wallet.change_cancelled", _evidence(change), now, actor=actor)
    _tell(
        change,
        kind="wallet-kept",
        level=Notice.Level.WARNING,
        subject=gettext_noop("Your wallet stays as it is"),
        body=gettext_noop(
            "The address %(address)s was linked to another account meanwhile, so your tokens go on "
            "being minted to %(old)s."
        ),
        now=now,
    )


def _end(change: WalletChange, *, state: str, reason: str, now: datetime) -> None:
    change.state, change.reason, change.ended_at = state, reason, now
    change.save(update_fields=["state", "reason", "ended_at"])


def _tell(
    change: WalletChange, *, kind: str, level: Notice.Level, subject: str, body: str, now: datetime
) -> None:
    notify(
        user=change.user,
        kind=kind,
        level=level,
        subject=subject,
        body=body,
        params={
            "address": change.address,
            "old": change.old_address,
            "when": f"{change.effective_at:%Y-%m-%d %H:%M} UTC",
        },
        url=PAGE,
        now=now,
    )


def _evidence(change: WalletChange) -> dict[str, object]:
    return {
        "change": str(change.pk),
        "from": change.old_address,
        "to": change.address,
        "method": change.method,
        "effective_at": change.effective_at.isoformat(),
        "state": change.state,
        "reason": change.reason,
    }


def _record(
    user_id: UUID, action: str, evidence: dict[str, object], now: datetime, *, actor: str = ""
) -> None:
    audit.record(
        actor=actor or f"user:{user_id}",
        action=action,
        object_type="user",
        object_id=str(user_id),
        evidence=evidence,
        now=now,
    )
