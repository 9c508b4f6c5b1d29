"""A person's wallet: what proves it, what replaces it, and the time between (RAT-012).

A change waits for settings.WALLET_COOL_DOWN_HOURS, so that somebody who takes over an account
cannot have its tokens minted elsewhere before the owner has read the notice. Until then orders mint
to the wallet of before; orders that are placed keep the address they were placed with.

An address that was only typed keeps nobody out who proves that it is theirs. Whoever changes a wallet
locks its address and its owner (accounts.locks).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import locks
from accounts.models import Notice, User, Wallet, WalletChange, WalletProof
from accounts.notices import notify, notify_all
from accounts.staff import holders_of
from agora.lib.catalog import Text
from compliance import audit

PAGE = "/account/wallet/"
_TAKEN = "wallet_taken"
# Reason of a change in effect: its owner left an address that somebody else had proved.
_OTHERS = "proved_by_other"
_OFFICERS = "accounts.cancel_walletchange"
_MESSAGES: dict[str, Text] = {
    "no_wallet": _("There is no wallet yet to be changed: link one first."),
    "other_wallet": _(
        "This is not the address of your wallet. Choose “Use another wallet” for it."
    ),
    "same_wallet": _("This is your wallet already. To change it, give another address."),
    "change_pending": _("Your wallet is about to change already. Cancel that change first."),
    "wallet_taken": _("This wallet address is linked to another account."),
    "wallet_disputed": _(
        "You have proved that this address is yours, but another account has placed orders for it. "
        "What was not sent to be minted yet is kept back. We have told that account and our team. "
        "Use another wallet, or write to us."
    ),
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

    Codes: no_wallet, other_wallet, same_wallet, change_pending, wallet_taken, wallet_disputed,
    too_many_proofs, proof_used, proof_expired, signature_refused, message_refused, change_ended.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = _MESSAGES[code]


def cool_down() -> timedelta:
    """How long a change of wallet waits."""
    return timedelta(hours=settings.WALLET_COOL_DOWN_HOURS)


def mark_verified(*, wallet: Wallet, method: str, now: datetime) -> None:
    """Note that the owner has signed for the wallet; call it with its owner locked."""
    wallet.verified_at, wallet.method, wallet.disputed_at = now, method, None
    wallet.save(update_fields=["verified_at", "method", "disputed_at"])
    _record(wallet.user_id, "wallet.verified", {"address": wallet.address, "method": method}, now)


def link_proved(*, user_id: UUID, address: str, method: str, now: datetime) -> Wallet:
    """Give somebody without a wallet the address that they have proved, at once.

    Call it with the address, the person and whoever has typed it locked. Raises WalletRefused:
    change_pending, and as `free_of_claim`.
    """
    if WalletChange.objects.filter(user_id=user_id, state="pending").exists():
        raise WalletRefused("change_pending")
    free_of_claim(address=address, prover=user_id, now=now)
    wallet = Wallet.objects.create(
        user_id=user_id, address=address, method=method, verified_at=now, created_at=now
    )
    _record(user_id, "wallet.linked", {"address": address, "verified": True}, now)
    return wallet


def free_of_claim(*, address: str, prover: UUID, now: datetime) -> None:
    """Take an address from another account that has typed it only, as `prover` has proved it.

    Where nothing was minted or is under way, the other account has no wallet afterwards and is told
    to link another one. Call it with the address and both people locked; locks the wallet. Raises
    WalletRefused: wallet_taken when somebody else has proved it, and has it or waits for it;
    wallet_disputed when tokens are in it.
    """
    waiting = WalletChange.objects.filter(address=address, state="pending")
    if waiting.exclude(user_id=prover).exists():
        raise WalletRefused(_TAKEN)
    claim = claim_on(address, besides=prover)
    if claim is None:
        return
    # An order that is just being placed holds the row: it counts as a use once this waited for it.
    claim = Wallet.objects.select_for_update().get(pk=claim.pk)
    if claim.verified_at is not None:
        raise WalletRefused(_TAKEN)
    if any(is_used(claim) for is_used in _uses):
        _dispute(claim, prover=prover, now=now)
        raise WalletRefused("wallet_disputed")
    claim.delete()
    # Not by whom: the claimer's copy of their data has this row. The proof's own row tells it.
    actor = audit.system("wallets")
    _record(claim.user_id, "wallet.unlinked", {"address": address}, now, actor=actor)
    _tell_claimer(
        claim,
        subject=gettext_noop("Your account has no wallet any more"),
        body=gettext_noop(
            "Somebody else has proved that %(address)s is theirs. You had typed it and nothing was "
            "minted to it. Link another wallet before you buy."
        ),
        now=now,
    )


def claim_on(address: str, *, besides: UUID) -> Wallet | None:
    """The wallet of somebody else with this address."""
    return Wallet.objects.filter(address=address).exclude(user_id=besides).first()


def is_lost(*, user_id: UUID, address: str) -> bool:
    """Whether nothing more of this person's may go to an address that once was their wallet.

    It may while the wallet stands undisputed, and after its owner left it for another one; not once
    somebody else has proved it since it was theirs. Of the time until they left, the wallet and the
    change tell, which stay when proofs are removed.
    """
    wallet = Wallet.objects.filter(user_id=user_id, address=address).first()
    if wallet is not None:
        return wallet.disputed_at is not None
    changes = WalletChange.objects.filter(user_id=user_id, old_address=address, state="applied")
    left = changes.order_by("ended_at").last()
    if left is None or left.reason == _OTHERS:
        return True
    proved = Q(outcome=WalletProof.Outcome.PROVED) | Q(reason="wallet_disputed")
    others = (
        Wallet.objects.filter(address=address).exclude(verified_at=None, disputed_at=None),
        WalletProof.objects.filter(proved, address=address, used_at__gte=left.effective_at),
    )
    return any(rows.exclude(user_id=user_id).exists() for rows in others)


def _dispute(claim: Wallet, *, prover: UUID, now: datetime) -> None:
    """Nobody can give back what was minted: its owner must not buy more to it, and people look at it."""
    if claim.disputed_at is not None:
        return
    claim.disputed_at = now
    claim.save(update_fields=["disputed_at"])
    actor = audit.system("wallets")
    _record(claim.user_id, "wallet.disputed", {"address": claim.address}, now, actor=actor)
    _tell_claimer(
        claim,
        subject=gettext_noop("Somebody else owns your wallet's address"),
        body=gettext_noop(
            "Somebody else has proved that %(address)s is theirs, and you have bought tokens for it. "
            "You cannot buy more until you prove that it is yours too, or use another wallet. If it was "
            "a typing error, write to us."
        ),
        now=now,
    )
    officers = holders_of(_OFFICERS).exclude(pk__in=[claim.user_id, prover])
    notify_all(
        user_ids=officers.values_list("pk", flat=True),
        kind="wallet-dispute",
        level=Notice.Level.WARNING,
        subject=gettext_noop("A wallet is disputed"),
        body=gettext_noop(
            "Somebody has proved an address that another account has placed orders for. That account "
            "cannot buy, and what was not sent to be minted yet is kept back. Find out whose it is."
        ),
        params={},
        url=f"{reverse('admin:accounts_wallet_changelist')}?disputed_at__isempty=0",
        now=now,
    )


# Finds and keeps, until the transaction ends, the wallet that something may be bought for.
STANDING = f"""
    SELECT 1 FROM {Wallet._meta.db_table}
    WHERE user_id = %(user)s AND address = %(wallet)s AND disputed_at IS NULL
    FOR SHARE"""  # noqa: S608  (the table's name is ours)

_uses: list[Callable[[Wallet], bool]] = []


def register_use(is_used: Callable[[Wallet], bool]) -> None:
    """Ask this, too, whether anything of its owner is in a wallet or on its way there."""
    _uses.append(is_used)


def ask_change(*, wallet: Wallet, address: str, method: str, now: datetime) -> WalletChange:
    """Begin the cool-down after which a proved address is the wallet, and tell its owner.

    Call it with the address, the owner and whoever has typed it locked. Raises WalletRefused:
    same_wallet, change_pending, and as `free_of_claim`.
    """
    if address == wallet.address:
        raise WalletRefused("same_wallet")
    if WalletChange.objects.filter(user_id=wallet.user_id, state="pending").exists():
        raise WalletRefused("change_pending")
    free_of_claim(address=address, prover=wallet.user_id, now=now)
    change = WalletChange.objects.create(
        user_id=wallet.user_id,
        old_address=wallet.address,
        address=address,
        method=method,
        created_at=now,
        effective_at=now + cool_down(),
    )
    _record(wallet.user_id, "wallet.change_requested", _evidence(change), now)
    _tell(
        change,
        kind="wallet-change",
        level=Notice.Level.ALERT,
        subject=gettext_noop("Your wallet is about to change"),
        body=gettext_noop(
            "From %(when)s on, your wallet is %(address)s instead of %(old)s. Until then nothing "
            "changes. If you did not ask for this, cancel it on the wallet page and "
            "change your password."
        ),
        now=now,
    )
    return change


def cancel_change(*, user: User, change_id: UUID, now: datetime) -> WalletChange:
    """Keep the wallet of before. Locks its owner, then the change.

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
        locks.people(owner)
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
            body=gettext_noop("The change to %(address)s is cancelled."),
            now=now,
        )
    return change


def apply_due(*, now: datetime) -> int:
    """Let every change whose cool-down is over take effect; how many did. One transaction each."""
    due = WalletChange.objects.filter(state="pending", effective_at__lte=now)
    return sum(_apply(change, now=now) for change in due.order_by("effective_at")[:500])


def _apply(due: WalletChange, *, now: datetime) -> bool:
    user_id = due.user_id
    with transaction.atomic():
        locks.wallet_address(due.address)
        locks.people(user_id)
        change = WalletChange.objects.select_for_update().get(pk=due.pk)
        if change.state != WalletChange.State.PENDING:  # another sweep, or cancelled just now
            return False
        # Somebody else may have proved the old one meanwhile, which leaves no wallet to replace.
        wallet = Wallet.objects.filter(user_id=user_id).first()
        reason = _OTHERS if wallet is None or wallet.disputed_at else ""
        wallet = wallet or Wallet(user_id=user_id)
        wallet.address, wallet.method = change.address, change.method
        wallet.verified_at, wallet.disputed_at = change.created_at, None
        wallet.save()
        _end(change, state=WalletChange.State.APPLIED, reason=reason, now=now)
        _record(user_id, "wallet.changed", _evidence(change), now, actor=audit.system("wallets"))
        _tell(
            change,
            kind="wallet-changed",
            level=Notice.Level.WARNING,
            subject=gettext_noop("Your wallet has changed"),
            body=gettext_noop(
                "Your wallet is %(address)s from now on. Orders placed before keep the address that they "
                "were placed with."
            ),
            now=now,
        )
    return True


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


def _tell_claimer(claim: Wallet, *, subject: str, body: str, now: datetime) -> None:
    if (
        not claim.user.is_active
    ):  # an erased account keeps its wallet, and nothing more is told to it
        return
    notify(
        user=claim.user,
        kind="wallet-claim",
        level=Notice.Level.ALERT,
        subject=subject,
        body=body,
        params={"address": claim.address},
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
