"""Proving that a wallet is one's own by Sign-In with Ethereum (EIP-4361, RAT-012).

The server writes the message and keeps it with its nonce; the wallet signs that text; the server
verifies the signature against what it kept, so nothing that a browser says about the message
counts. A nonce belongs to one person and one address, lives ten minutes and is answered once:
by one conditional UPDATE, whoever answers and however often. Each is in the audit trail (AUD-1).
"""

from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts import locks, siwe
from accounts.addresses import clean_evm_address
from accounts.models import Method, User, Wallet, WalletProof
from accounts.wallets import (
    PAGE,
    WalletRefused,
    ask_change,
    claim_on,
    link_proved,
    mark_verified,
)
from compliance import audit

LIFETIME = timedelta(minutes=10)
MOST_PROOFS = 20  # asked for within one lifetime
# ASCII in every language: EIP-4361 allows nothing else, and what was signed must read the same later.
STATEMENTS = {
    WalletProof.Purpose.VERIFY: "I own this wallet. Signing costs nothing and moves nothing.",
    WalletProof.Purpose.CHANGE: (
        "I own this wallet and want my Agora tokens to be minted to it. "
        "Signing costs nothing and moves nothing."
    ),
}


class ContractCheck(Protocol):
    """Asks a contract whether a signature is its own (EIP-1271); raises outcome.Temporary."""

    def __call__(self, *, address: str, digest: bytes, signature: bytes) -> bool: ...


def start_proof(*, user: User, purpose: str, address: str, now: datetime) -> WalletProof:
    """Give out a message for an address: of the user's wallet to verify it, of another to change.

    Who has no wallet yet gets the address by verifying it. `purpose` is one of WalletProof.Purpose.
    Raises InvalidAddress, AccountClosed, WalletRefused: no_wallet, other_wallet, same_wallet,
    change_pending, too_many_proofs. Locks the user's row, so that the count is exact. Whether the
    address is somebody else's is told only to who proves it.
    """
    checked = clean_evm_address(address)
    with transaction.atomic():
        locks.open_account(user.pk)
        _check_start(user=user, purpose=purpose, address=checked, now=now)
        message = _message(purpose=purpose, address=checked, now=now)
        proof = WalletProof.objects.create(
            user=user,
            purpose=purpose,
            address=checked,
            nonce=message.nonce,
            message=message.text(),
            created_at=now,
            expires_at=message.issued_at + LIFETIME,
        )
        _record(proof, action="wallet.nonce_issued", now=now)
    return proof


def _check_start(*, user: User, purpose: str, address: str, now: datetime) -> None:
    wallet = Wallet.objects.filter(user=user).first()
    is_change = purpose == WalletProof.Purpose.CHANGE
    if wallet is None and is_change:
        raise WalletRefused("no_wallet")
    if wallet is not None and (wallet.address == address) == is_change:
        raise WalletRefused("same_wallet" if is_change else "other_wallet")
    gets_another = wallet is None or is_change
    if gets_another and user.wallet_changes.filter(state="pending").exists():
        raise WalletRefused("change_pending")
    recent = WalletProof.objects.filter(user=user, created_at__gt=now - LIFETIME)
    if recent.count() >= MOST_PROOFS:
        raise WalletRefused("too_many_proofs")


def _site() -> tuple[str, str]:
    """Domain and URI that messages name: the site as people see it, never the request's Host."""
    return urlsplit(settings.SITE_URL).netloc, settings.SITE_URL + PAGE


def _message(*, purpose: str, address: str, now: datetime) -> siwe.Message:
    domain, uri = _site()
    issued = now.replace(microsecond=0)
    return siwe.Message(
        domain=domain,
        address=address,
        statement=STATEMENTS[WalletProof.Purpose(purpose)],
        uri=uri,
        chain_id=settings.CHAIN_ID,
        nonce=siwe.new_nonce(),
        issued_at=issued,
        expiration_time=issued + LIFETIME,
    )


def finish_proof(
    *, user: User, proof_id: UUID, signature: str, contract: ContractCheck, now: datetime
) -> WalletProof:
    """Answer a message by its signature: the wallet is verified or linked, or its change begins.

    Any answer that has the form of a signature uses the nonce up; what has not changes nothing
    (MalformedSignature), and neither does a chain that is away (outcome.Temporary). `contract` is
    asked, outside the transaction, when no key of this address signed. Locks the address, the user,
    and who else has typed the address. Raises WalletRefused, and WalletProof.DoesNotExist for
    another person's.
    """
    proof = WalletProof.objects.get(pk=proof_id, user=user)
    given = siwe.signature_bytes(signature)
    reason = _closed(proof, now=now)
    method = Method.NONE
    if not reason:
        method, reason = _judge(proof, given, contract=contract, now=now)
    with transaction.atomic():
        reason = _settle(proof, method=method, reason=reason, now=now)
    if reason:
        raise WalletRefused(reason)
    proof.refresh_from_db()
    return proof


def _closed(proof: WalletProof, *, now: datetime) -> str:
    if proof.used_at is not None:
        return "proof_used"
    return "proof_expired" if proof.expires_at <= now else ""


def _judge(
    proof: WalletProof, signature: bytes, *, contract: ContractCheck, now: datetime
) -> tuple[Method, str]:
    """How the signature proves the address, or why it does not."""
    domain, uri = _site()
    try:
        message = siwe.parse(proof.message)
        siwe.check(
            message,
            domain=domain,
            uri=uri,
            chain_id=settings.CHAIN_ID,
            address=proof.address,
            nonce=proof.nonce,
            now=now,
        )
    except siwe.MessageRefused:
        return Method.NONE, "message_refused"
    if siwe.signer(proof.message, signature) == proof.address:
        return Method.KEY, ""
    digest = siwe.digest(proof.message)
    if contract(address=proof.address, digest=digest, signature=signature):
        return Method.CONTRACT, ""
    return Method.NONE, "signature_refused"


def _settle(proof: WalletProof, *, method: Method, reason: str, now: datetime) -> str:
    """Use the nonce up and do what was signed for; the reason why not, or nothing."""
    locks.wallet_address(proof.address)
    claim = claim_on(proof.address, besides=proof.user_id)
    locks.people(proof.user_id, *([claim.user_id] if claim else []))
    open_now = WalletProof.objects.filter(pk=proof.pk, used_at=None, expires_at__gt=now)
    outcome = WalletProof.Outcome.REFUSED if reason else WalletProof.Outcome.PROVED
    if not open_now.update(used_at=now, outcome=outcome, reason=reason):
        reason = reason or "proof_used"
        _record(proof, action="wallet.nonce_refused", now=now, reason=reason)
        return reason
    if not reason:
        reason = _effect(proof, method=method, now=now)
    _record(proof, action="wallet.nonce_used", now=now, reason=reason, method=method)
    return reason


def _effect(proof: WalletProof, *, method: Method, now: datetime) -> str:
    address, wallet = proof.address, Wallet.objects.filter(user_id=proof.user_id).first()
    try:
        if proof.purpose == WalletProof.Purpose.CHANGE:
            if wallet is None:  # somebody else proved it while the message was out
                raise WalletRefused("no_wallet")
            ask_change(wallet=wallet, address=address, method=method, now=now)
        elif wallet is None:
            link_proved(user_id=proof.user_id, address=address, method=method, now=now)
        elif wallet.address != address:  # it changed while the message was out
            raise WalletRefused("other_wallet")
        else:
            mark_verified(wallet=wallet, method=method, now=now)
    except WalletRefused as refusal:
        WalletProof.objects.filter(pk=proof.pk).update(
            outcome=WalletProof.Outcome.REFUSED, reason=refusal.code
        )
        return refusal.code
    return ""


def _record(
    proof: WalletProof, *, action: str, now: datetime, reason: str = "", method: str = ""
) -> None:
    audit.record(
        actor=f"user:{proof.user_id}",
        action=action,
        object_type="wallet_proof",
        object_id=str(proof.pk),
        evidence={
            "nonce": proof.nonce,
            "purpose": proof.purpose,
            "address": proof.address,
            "expires_at": proof.expires_at.isoformat(),
            "reason": reason,
            "method": method,
        },
        now=now,
    )
