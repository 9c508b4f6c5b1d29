"""The mint leg: build, have signed, store, broadcast, and wait until the block is deep (RAT-008)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from django.conf import settings
from django.db import transaction

from agora.lib.failpoints import failpoint
from agora.lib.money import token_units
from agora.lib.outcome import Rejected, Temporary
from custody import vault
from custody.vault import VaultTransaction
from tokens import chain
from tokens import services as tokens
from tokens.chain import Minted, Receipt
from tokens.models import MintAttempt, MintTx
from trading.models import Order
from trading.settlement import mint_holds
from trading.settlement.moves import (
    NeedsAttention,
    OrderLease,
    check_patience,
    move,
    park,
    patience,
    stay,
)
from trading.states import State

log = structlog.get_logger(__name__)
_MAX_SIGNING_ATTEMPTS = 3
_LONGEST_SIGNING = timedelta(minutes=10)
_MAX_REPLACEMENTS = 10


def prepare(lease: OrderLease, now: datetime) -> None:
    """CUSTODY_CONFIRMED → MINTING: fix receiver, units and nonce before anything is signed."""
    order = lease.row
    mint_holds.check(order)
    trade_id = _trade_id(order)
    units = token_units(order.filled_quantity)
    sender = _minter()
    chain_nonce = chain.mined_nonce(sender)
    unsigned = _build(order, units=units, sender=sender)

    def store() -> None:
        mint = tokens.open_mint(
            reference=order.pk,
            broker_trade_id=trade_id,
            to_address=order.wallet_address,
            units=units,
            contract=chain.contract_address(),
            sender=sender,
            nonce=tokens.take_nonce(sender=sender, chain_nonce=chain_nonce),
            now=now,
        )
        tokens.add_attempt(mint=mint, unsigned=unsigned, now=now)
        lease.write(mint=mint)

    move(
        lease,
        to=State.MINTING,
        action="order.minting",
        evidence={"units": str(units), "to": order.wallet_address, "broker_trade_id": trade_id},
        now=now,
        mark="order.mint_prepare",
        also=store,
    )


def _trade_id(order: Order) -> str:
    """The id that the contract lets mint once: the broker's order id."""
    if order.broker_order_id is None:
        raise NeedsAttention("The order has no broker order id.")
    return order.broker_order_id


@lru_cache(maxsize=1)
def _minter() -> str:
    """The minter's address, asked from the custodian once a process: a vault's key never changes."""
    return chain.checksummed(vault.minter_address())


def _build(order: Order, *, units: int, sender: str) -> dict[str, object]:
    try:
        return chain.build_mint(
            to_address=order.wallet_address,
            units=units,
            broker_trade_id=_trade_id(order),
            sender=sender,
        )
    except Rejected as error:
        if error.code == "revert" and chain.minted_units(_trade_id(order)):
            raise NeedsAttention(
                "The contract has minted for this broker order already."
            ) from error
        # A paused contract, a role not granted yet: ours to mend, then it goes on by itself.
        raise Temporary(error.message) from error


def mint(lease: OrderLease, now: datetime) -> None:
    """MINTING → MINT_CONFIRMED: sign, broadcast, then watch every attempt until one is deep."""
    order = lease.row
    if order.mint is None:
        raise NeedsAttention("The order has no mint transaction.")
    if order.mint.nonce is None:
        _renew(lease, order.mint, now)
        return
    # Attempts with a nonce given up before can have no effect any more.
    attempts = list(
        order.mint.attempts.filter(unsigned__nonce=order.mint.nonce).order_by("-number")
    )
    newest = attempts[0]
    # What was handed in may be mined any moment: from then on nobody can keep it back.
    is_out = any(attempt.asked_at for attempt in attempts)
    if not is_out and (reason := mint_holds.why_held(order)):
        _keep_back(lease, order.mint, reason, now)
    elif not newest.raw_transaction and not _mined(attempts[1:]):
        _sign(lease, order.mint, newest, now)
    elif newest.raw_transaction and newest.broadcast_at is None:
        _broadcast(lease, order.mint, newest, now)
    else:
        _watch(lease, order.mint, attempts, now)


def _keep_back(lease: OrderLease, mint_tx: MintTx, reason: str, now: datetime) -> None:
    """Leave what was not sent to a person, without holding up later mints. What is signed stays here."""
    with transaction.atomic():
        tokens.give_back_nonce(mint=mint_tx, reusable=True, now=now)
        park(lease, error=reason, now=now)


def _renew(lease: OrderLease, mint_tx: MintTx, now: datetime) -> None:
    """A mint without a nonce (its old one went elsewhere) starts again with a fresh one.

    Unless the chain was reorganised meanwhile and one of the old attempts has minted after all.
    """
    receipt = _minted_by(mint_tx)
    if receipt is not None:
        _follow(lease, mint_tx, receipt, now)
        return
    mint_holds.check(lease.row)
    unsigned = _build(lease.row, units=int(mint_tx.units), sender=mint_tx.sender)
    kept_back = mint_tx.attempts.filter(broadcast_at=None).exclude(raw_transaction="")
    before = kept_back.order_by("-number").first()
    if before is not None:
        # The same nonce may come back: with the same fees it would be the transaction signed before.
        raised = chain.bumped(before.unsigned)
        unsigned |= {name: raised[name] for name in ("maxFeePerGas", "maxPriorityFeePerGas")}
    chain_nonce = chain.mined_nonce(mint_tx.sender)

    def store() -> None:
        tokens.renew_nonce(mint=mint_tx, unsigned=unsigned, chain_nonce=chain_nonce, now=now)

    stay(lease, again_at=now, now=now, mark="order.nonce_renew", also=store)


def _sign(lease: OrderLease, mint_tx: MintTx, attempt: MintAttempt, now: datetime) -> None:
    digest = chain.signing_digest(attempt.unsigned)
    if not attempt.signing_tx_id:
        _ask_signature(lease, attempt, digest, now)
        return
    seen = vault.get_transaction(tx_id=attempt.signing_tx_id)
    if seen.is_completed:
        _store_signature(lease, mint_tx, attempt, seen, now)
    elif seen.is_failed:
        _sign_again(lease, mint_tx, attempt, seen, now)
    elif now - attempt.created_at > _LONGEST_SIGNING:
        _stop_signing(lease, mint_tx, attempt, seen, now)
    else:
        stay(lease, again_at=now + patience(since=attempt.created_at, now=now), now=now)


def _ask_signature(lease: OrderLease, attempt: MintAttempt, digest: bytes, now: datetime) -> None:
    key = attempt.external_tx_id

    def find() -> str | None:
        found = vault.find_transaction(external_tx_id=key)
        return found.id if found else None

    attempt.signing_tx_id = lease.ask_once(
        mark="order.sign",
        find=find,
        send=lambda number: vault.ask_signature(external_tx_id=key, number=number, digest=digest),
        now=now,
    )
    stay(
        lease,
        again_at=now,
        now=now,
        mark="order.signing_asked",
        also=lambda: attempt.save(update_fields=["signing_tx_id"]),
    )


def _store_signature(
    lease: OrderLease,
    mint_tx: MintTx,
    attempt: MintAttempt,
    seen: VaultTransaction,
    now: datetime,
) -> None:
    if seen.signature is None:
        raise Temporary("The custodian completed the signature but does not show it yet.")
    raw = seen.signature
    signed = chain.with_signature(attempt.unsigned, r=raw.r, s=raw.s, v=raw.v)
    if signed.sender != mint_tx.sender:
        raise NeedsAttention(f"Signed by {signed.sender}, not by the minter {mint_tx.sender}.")
    stay(
        lease,
        again_at=now,
        now=now,
        mark="order.signed",
        also=lambda: tokens.store_signed(mint=mint_tx, attempt=attempt, signed=signed, now=now),
    )


def _sign_again(
    lease: OrderLease,
    mint_tx: MintTx,
    attempt: MintAttempt,
    seen: VaultTransaction,
    now: datetime,
) -> None:
    """Ask once more under a new key with the same nonce: a failed request has no signature."""
    if attempt.number % _MAX_SIGNING_ATTEMPTS == 0:
        _stop_signing(lease, mint_tx, attempt, seen, now)
        return
    stay(
        lease,
        again_at=now + timedelta(seconds=settings.POLL_SECONDS),
        now=now,
        action="order.signing_failed",
        evidence={"status": seen.status, "sub_status": seen.sub_status},
        also=lambda: _add_attempt(mint_tx, attempt.unsigned, now),
    )


def _stop_signing(
    lease: OrderLease,
    mint_tx: MintTx,
    attempt: MintAttempt,
    seen: VaultTransaction,
    now: datetime,
) -> None:
    """Leave it to a person, without holding up later mints; tried again, it is asked for anew."""
    error = f"The custodian does not sign: {seen.status} {seen.sub_status}."
    signed = mint_tx.attempts.filter(unsigned__nonce=mint_tx.nonce).exclude(raw_transaction="")
    with transaction.atomic():
        if signed.exists():
            # A nonce that an earlier attempt was signed with may be mined any moment: it is kept.
            _add_attempt(mint_tx, attempt.unsigned, now)
        else:
            tokens.give_back_nonce(mint=mint_tx, reusable=True, now=now)
        park(lease, error=error, now=now)


def _add_attempt(mint_tx: MintTx, unsigned: dict[str, object], now: datetime) -> None:
    tokens.add_attempt(mint=mint_tx, unsigned=unsigned, now=now)


def _broadcast(lease: OrderLease, mint_tx: MintTx, attempt: MintAttempt, now: datetime) -> None:
    # The nonce makes a second broadcast harmless, so it needs no look-up; but the intent is kept, as
    # an answer that is lost says nothing of what the node has.
    is_first = attempt.asked_at is None
    if is_first:
        _note_asked(lease, attempt, at=now)
    failpoint("order.broadcast.before_call", key=lease.row.pk)
    try:
        chain.broadcast(attempt.raw_transaction)
    except (Rejected, Temporary) as error:
        if is_first:
            _note_asked(lease, attempt, at=None)
        if error.code != chain.FEE:
            raise
        _replace(lease, mint_tx, attempt, now)
        return
    failpoint("order.broadcast.after_call", key=lease.row.pk)
    log.info("Mint Tx Sent", tx_hash=attempt.tx_hash, nonce=mint_tx.nonce)
    stay(
        lease,
        again_at=now,
        now=now,
        mark="order.mint_sent",
        action="order.mint_sent",
        evidence={"tx_hash": attempt.tx_hash, "attempt": attempt.number},
        also=lambda: tokens.note_broadcast(mint=mint_tx, attempt=attempt, now=now),
    )


def _note_asked(lease: OrderLease, attempt: MintAttempt, *, at: datetime | None) -> None:
    with transaction.atomic():
        lease.extend()  # raises if another worker has the order, which may have let the nonce go
        tokens.note_asked(attempt=attempt, at=at)


def _watch(lease: OrderLease, mint_tx: MintTx, attempts: list[MintAttempt], now: datetime) -> None:
    """Look at every hash tried: the mined one may be an older one."""
    receipt = _mined(attempts)
    if receipt is None:
        _push(lease, mint_tx, attempts[0], now)
        return
    _follow(lease, mint_tx, receipt, now)


def _follow(lease: OrderLease, mint_tx: MintTx, receipt: Receipt, now: datetime) -> None:
    """Wait until the block of a mined attempt is deep, then take what it did for final."""
    again_at = now + timedelta(seconds=settings.POLL_SECONDS)
    depth = chain.block_number() - receipt.block_number + 1
    if chain.block_hash(receipt.block_number) != receipt.block_hash:
        raise Temporary("The block of the mint is not canonical now.")
    if depth < settings.MINT_CONFIRMATIONS:
        seen_now = mint_tx.block_hash != receipt.block_hash
        stay(
            lease,
            again_at=again_at,
            now=now,
            action="order.mint_mined" if seen_now else "",
            evidence={"tx_hash": receipt.tx_hash, "block": receipt.block_number},
            also=lambda: tokens.note_mined(mint=mint_tx, receipt=receipt, now=now),
        )
        return
    if receipt.succeeded:
        _confirm(lease, mint_tx, receipt, now)
    else:
        _give_up(lease, mint_tx, receipt, now)


def _give_up(lease: OrderLease, mint_tx: MintTx, receipt: Receipt, now: datetime) -> None:
    """Mined without effect, its nonce spent: a person looks why; another try takes a fresh nonce."""
    if _minted_by(mint_tx) is not None:
        # The contract refused it because an attempt given up before has minted after all.
        _lose_nonce(lease, mint_tx, now)
        return
    with transaction.atomic():
        tokens.give_back_nonce(mint=mint_tx, reusable=False, now=now)
        park(lease, error=f"The mint {receipt.tx_hash} was mined but reverted.", now=now)


def _receipts(attempts: Iterable[MintAttempt]) -> Iterator[Receipt]:
    for attempt in attempts:
        receipt = chain.receipt(attempt.tx_hash) if attempt.tx_hash else None
        if receipt is not None:
            yield receipt


def _mined(attempts: Iterable[MintAttempt]) -> Receipt | None:
    return next(_receipts(attempts), None)


def _minted_by(mint_tx: MintTx) -> Receipt | None:
    """The receipt of whichever attempt has minted, those of nonces given up included."""
    receipts = _receipts(mint_tx.attempts.order_by("-number"))
    return next((receipt for receipt in receipts if receipt.succeeded), None)


def _push(lease: OrderLease, mint_tx: MintTx, newest: MintAttempt, now: datetime) -> None:
    """Not mined: hand it in again (a node may have dropped it), and replace it once it is stuck."""
    if not newest.raw_transaction:
        raise Temporary("An earlier attempt was mined and is gone again; this one is not signed.")
    nonce, turn = int(mint_tx.nonce or 0), chain.mined_nonce(mint_tx.sender)
    if turn > nonce:
        _start_over(lease, mint_tx, now)
        return
    # Behind an earlier nonce that is not mined no fee helps: it is that one which is stuck.
    stuck = now - (newest.broadcast_at or now) >= timedelta(seconds=settings.MINT_STUCK_SECONDS)
    if turn < nonce or not stuck:
        check_patience(lease.row, what=f"The mint waits for the nonce {turn}", now=now)
        chain.broadcast(newest.raw_transaction)
        stay(
            lease,
            again_at=now + patience(since=newest.broadcast_at or now, now=now),
            now=now,
            also=lambda: tokens.note_reorganised(mint=mint_tx, now=now),
        )
        return
    _replace(lease, mint_tx, newest, now)


def _replace(lease: OrderLease, mint_tx: MintTx, newest: MintAttempt, now: datetime) -> None:
    """Ask for a signature of the same with higher fees; a few times, then a person looks first."""
    replacement = chain.bumped(newest.unsigned)
    if newest.number % _MAX_REPLACEMENTS == 0:
        with transaction.atomic():
            _add_attempt(mint_tx, replacement, now)  # for when a person has it tried again
            park(lease, error="The mint stays unmined after many replacements.", now=now)
        return
    stay(
        lease,
        again_at=now,
        now=now,
        action="order.mint_replaced",
        evidence={"replaces": newest.tx_hash, "max_fee": str(replacement["maxFeePerGas"])},
        also=lambda: _add_attempt(mint_tx, replacement, now),
    )


def _start_over(lease: OrderLease, mint_tx: MintTx, now: datetime) -> None:
    """The chain used our nonce for something else, so none of our attempts can be mined any more.

    A look at the receipts right before may have missed one that was mined meanwhile, so a mint that
    the contract knows is left to the next look.
    """
    if chain.minted_units(mint_tx.broker_trade_id):
        raise Temporary("The mint is on the chain; its receipt is not seen yet.")
    _lose_nonce(lease, mint_tx, now)


def _lose_nonce(lease: OrderLease, mint_tx: MintTx, now: datetime) -> None:
    stay(
        lease,
        again_at=now,
        now=now,
        action="order.nonce_lost",
        evidence={"nonce": mint_tx.nonce},
        also=lambda: tokens.give_back_nonce(mint=mint_tx, reusable=False, now=now),
    )


def _confirm(lease: OrderLease, mint_tx: MintTx, receipt: Receipt, now: datetime) -> None:
    minted = chain.mint_in(receipt.tx_hash, broker_trade_id=mint_tx.broker_trade_id)
    if minted is None or not _as_asked(mint_tx, minted):
        raise NeedsAttention(f"{receipt.tx_hash} does not mint what was asked.")
    evidence = {
        "tx_hash": minted.tx_hash,
        "block": minted.block_number,
        "block_hash": minted.block_hash,
        "units": str(minted.units),
    }
    log.info("Mint Confirmed", **evidence)
    move(
        lease,
        to=State.MINT_CONFIRMED,
        action="order.mint_confirmed",
        evidence=evidence,
        now=now,
        mark="order.mint_confirm",
        also=lambda: tokens.confirm(mint=mint_tx, minted=minted, now=now),
    )


def _as_asked(mint_tx: MintTx, minted: Minted) -> bool:
    return minted.to_address == mint_tx.to_address and minted.units == int(mint_tx.units)
