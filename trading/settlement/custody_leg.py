"""The custody leg: one receipt transfer per filled order at the custodian (RAT-007)."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from agora.lib.money import plain
from custody import services as custody
from custody import vault
from custody.models import CustodyRecord
from custody.vault import VaultTransaction
from trading.settlement.moves import OrderLease, check_patience, move, park, patience, stay
from trading.states import State

log = structlog.get_logger(__name__)
_MAX_TRANSFERS = 3


def record_custody(lease: OrderLease, now: datetime) -> None:
    """FILLED → CUSTODY_CONFIRMED, in up to three steps: open the record, send it, see it done."""
    record = lease.row.custody
    if record is None:
        _open(lease, now)
        return
    if record.custody_tx_id is None:
        _send(lease, record, now)
        return
    seen = vault.get_transaction(tx_id=record.custody_tx_id)
    if seen.is_completed:
        _complete(lease, record, seen, now)
    elif seen.is_failed:
        _ask_again(lease, record, seen, now)
    else:
        check_patience(lease.row, what=f"The custody transfer stays {seen.status}", now=now)
        stay(
            lease,
            again_at=now + patience(since=lease.row.updated_at, now=now),
            now=now,
            also=lambda: custody.note_status(record=record, transaction=seen),
        )


def _open(lease: OrderLease, now: datetime) -> None:
    order = lease.row

    def store() -> None:
        record = custody.open_record(
            reference=order.pk, symbol=order.symbol, quantity=order.filled_quantity, now=now
        )
        lease.write(custody=record)

    stay(lease, again_at=now, now=now, mark="order.custody_open", also=store)


def _send(lease: OrderLease, record: CustodyRecord, now: datetime) -> None:
    key = record.external_tx_id

    def find() -> str | None:
        found = vault.find_transaction(external_tx_id=key)
        return found.id if found else None

    tx_id = lease.ask_once(
        mark="order.custody",
        find=find,
        send=lambda number: vault.send_receipt(
            external_tx_id=key,
            number=number,
            asset=settings.FIREBLOCKS_RECEIPT_ASSET,
            quantity=record.quantity,
        ),
        now=now,
    )
    sent = VaultTransaction(tx_id, key, "SUBMITTED", "", None)
    stay(
        lease,
        again_at=now,
        now=now,
        mark="order.custody_sent",
        action="order.custody_sent",
        evidence={"custody_tx_id": tx_id},
        also=lambda: custody.note_status(record=record, transaction=sent),
    )


def _ask_again(
    lease: OrderLease, record: CustodyRecord, seen: VaultTransaction, now: datetime
) -> None:
    """Ended without effect: ask under a new key, a few times; then a person looks first."""
    error = f"The custody transfer ended {seen.status} {seen.sub_status}."
    if record.number % _MAX_TRANSFERS == 0:
        with transaction.atomic():
            custody.ask_again(record=record, transaction=seen, now=now)
            park(lease, error=error, now=now)
        return
    stay(
        lease,
        again_at=now + timedelta(seconds=settings.POLL_SECONDS),
        now=now,
        mark="order.custody_again",
        action="order.custody_failed",
        evidence={"custody_tx_id": seen.id, "status": seen.status, "sub_status": seen.sub_status},
        also=lambda: custody.ask_again(record=record, transaction=seen, now=now),
    )


def _complete(
    lease: OrderLease, record: CustodyRecord, seen: VaultTransaction, now: datetime
) -> None:
    log.info("Custody Confirmed", custody_tx_id=seen.id, quantity=plain(record.quantity))
    move(
        lease,
        to=State.CUSTODY_CONFIRMED,
        action="order.custody_confirmed",
        evidence={"custody_tx_id": seen.id, "quantity": plain(record.quantity)},
        now=now,
        mark="order.custody_confirm",
        also=lambda: custody.complete(record=record, transaction=seen, now=now),
    )
