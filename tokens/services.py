"""Writes of mint transactions; called inside the transaction of the order they belong to."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max

from compliance import audit
from tokens.chain import Minted, Receipt, Signed
from tokens.models import FreeNonce, MintAttempt, MintTx, NonceCounter

_ACTOR = audit.system("settlement")


class WrongSignature(Exception):
    """The custodian's signature does not belong to the minter's key or to our transaction."""


def take_nonce(*, sender: str, chain_nonce: int) -> int:
    """The next nonce of a sender; call it inside a transaction, whose end frees the row.

    Locks the sender's counter row. `chain_nonce` is what the chain has mined for it: a counter that
    lags behind (a restored database, a key used elsewhere) is lifted to it. A nonce that was given
    back is taken first: a gap would hold up every later mint.
    """
    NonceCounter.objects.get_or_create(
        chain_id=settings.CHAIN_ID, sender=sender, defaults={"next_nonce": chain_nonce}
    )
    counter = NonceCounter.objects.select_for_update().get(
        chain_id=settings.CHAIN_ID, sender=sender
    )
    free = FreeNonce.objects.filter(chain_id=settings.CHAIN_ID, sender=sender)
    lowest = free.filter(nonce__gte=chain_nonce).order_by("nonce").first()
    if lowest is not None:
        lowest.delete()
        return lowest.nonce
    nonce = max(counter.next_nonce, chain_nonce)
    counter.next_nonce = nonce + 1
    counter.save(update_fields=["next_nonce"])
    return nonce


def give_back_nonce(*, mint: MintTx, reusable: bool, now: datetime) -> None:
    """Part a mint from its nonce, so that it does not hold up later ones; it gets a new one later.

    `reusable` False: the chain has used the nonce for another transaction.
    """
    if reusable and mint.nonce is not None:
        FreeNonce.objects.create(chain_id=mint.chain_id, sender=mint.sender, nonce=mint.nonce)
    _record(mint, "mint.nonce_given_back", now, nonce=mint.nonce, reusable=reusable)
    mint.nonce = None
    mint.save(update_fields=["nonce"])


def renew_nonce(
    *, mint: MintTx, unsigned: dict[str, Any], chain_nonce: int, now: datetime
) -> MintAttempt:
    """A new nonce and a new attempt for a mint that was parted from its nonce."""
    mint.nonce = take_nonce(sender=mint.sender, chain_nonce=chain_nonce)
    mint.save(update_fields=["nonce"])
    _record(mint, "mint.nonce_renewed", now, nonce=mint.nonce)
    return add_attempt(mint=mint, unsigned=unsigned, now=now)


def open_mint(
    *,
    reference: uuid.UUID,
    broker_trade_id: str,
    to_address: str,
    units: int,
    contract: str,
    sender: str,
    nonce: int,
    now: datetime,
) -> MintTx:
    """Store the wish to mint, with its nonce, before anything is signed."""
    mint = MintTx(
        id=uuid.uuid4(),
        reference=reference,
        broker_trade_id=broker_trade_id,
        to_address=to_address,
        units=Decimal(units),
        chain_id=settings.CHAIN_ID,
        contract=contract,
        sender=sender,
        nonce=nonce,
        created_at=now,
    )
    mint.save(force_insert=True)
    _record(mint, "mint.requested", now, nonce=nonce)
    return mint


def add_attempt(*, mint: MintTx, unsigned: dict[str, Any], now: datetime) -> MintAttempt:
    """The next transaction to sign for a mint, always with the mint's own nonce."""
    latest = mint.attempts.aggregate(latest=Max("number"))["latest"] or 0
    return MintAttempt.objects.create(
        mint=mint,
        number=latest + 1,
        external_tx_id=f"m{latest + 1}-{mint.reference.hex}",
        unsigned={**unsigned, "nonce": mint.nonce},
        created_at=now,
    )


def store_signed(*, mint: MintTx, attempt: MintAttempt, signed: Signed, now: datetime) -> None:
    """Keep the signed bytes before they are broadcast; raises WrongSignature for a foreign key."""
    if signed.sender != mint.sender:
        raise WrongSignature(f"Signed by {signed.sender}, not by the minter {mint.sender}.")
    attempt.raw_transaction, attempt.tx_hash = signed.raw, signed.tx_hash
    attempt.save(update_fields=["raw_transaction", "tx_hash"])
    mint.tx_hash = signed.tx_hash
    mint.save(update_fields=["tx_hash"])
    _record(mint, "mint.signed", now, attempt=attempt.number, tx_hash=signed.tx_hash)


def note_asked(*, attempt: MintAttempt, at: datetime | None) -> None:
    """Keep that an attempt is about to be handed to a node; None: the node has refused it."""
    attempt.asked_at = at
    attempt.save(update_fields=["asked_at"])


def may_be_mined(mint: MintTx) -> bool:
    """Whether an attempt with the mint's nonce was handed in, or may have been."""
    handed_in = mint.attempts.filter(asked_at__isnull=False, unsigned__nonce=mint.nonce)
    return mint.nonce is not None and handed_in.exists()


def note_broadcast(*, mint: MintTx, attempt: MintAttempt, now: datetime) -> None:
    attempt.broadcast_at = now
    attempt.save(update_fields=["broadcast_at"])
    _record(mint, "mint.sent", now, attempt=attempt.number, tx_hash=attempt.tx_hash)


def note_mined(*, mint: MintTx, receipt: Receipt, now: datetime) -> None:
    """Keep the block a mint was seen in; it counts only once it is deep enough."""
    seen = (mint.tx_hash, mint.block_number, mint.block_hash)
    if seen != (receipt.tx_hash, receipt.block_number, receipt.block_hash):
        mint.tx_hash = receipt.tx_hash
        mint.block_number, mint.block_hash = receipt.block_number, receipt.block_hash
        mint.save(update_fields=["tx_hash", "block_number", "block_hash"])
        _record(
            mint,
            "mint.mined",
            now,
            tx_hash=receipt.tx_hash,
            block=receipt.block_number,
            block_hash=receipt.block_hash,
        )


def note_reorganised(*, mint: MintTx, now: datetime) -> None:
    """Forget the block of a mint that the chain has dropped again."""
    if mint.block_number is not None:
        _record(mint, "mint.reorganised", now, block=mint.block_number, block_hash=mint.block_hash)
        mint.block_number, mint.block_hash = None, ""
        mint.save(update_fields=["block_number", "block_hash"])


def confirm(*, mint: MintTx, minted: Minted, now: datetime) -> None:
    """PENDING → CONFIRMED by the event found at the configured depth. No-op when done before."""
    if mint.state == MintTx.State.CONFIRMED:
        return
    mint.state = MintTx.State.CONFIRMED
    mint.tx_hash = minted.tx_hash
    mint.block_number, mint.block_hash = minted.block_number, minted.block_hash
    mint.confirmed_at = now
    mint.save(update_fields=["state", "tx_hash", "block_number", "block_hash", "confirmed_at"])
    _record(
        mint,
        "mint.confirmed",
        now,
        tx_hash=minted.tx_hash,
        block=minted.block_number,
        block_hash=minted.block_hash,
        units=str(minted.units),
    )


def _record(mint: MintTx, action: str, now: datetime, **evidence: object) -> None:
    audit.record(
        actor=_ACTOR,
        action=action,
        object_type="mint_tx",
        object_id=str(mint.pk),
        evidence={"order": str(mint.reference), "state": mint.state, **evidence},
        now=now,
    )
