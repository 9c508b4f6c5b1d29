"""Writes of custody records; called inside the transaction of the order they belong to."""

import uuid
from datetime import datetime
from decimal import Decimal

from agora.lib.money import plain
from compliance import audit
from custody.models import CustodyRecord
from custody.vault import VaultTransaction

_ACTOR = audit.system("settlement")


def open_record(
    *, reference: uuid.UUID, symbol: str, quantity: Decimal, now: datetime
) -> CustodyRecord:
    """Store the wish to have `quantity` shares recorded, with its key, before anything is sent."""
    record = CustodyRecord(
        id=uuid.uuid4(),
        reference=reference,
        symbol=symbol,
        quantity=quantity,
        external_tx_id=_key(reference, number=1),
        created_at=now,
    )
    record.save(force_insert=True)
    _record(record, "custody.requested", now)
    return record


def _key(reference: uuid.UUID, *, number: int) -> str:
    """Our own id of a transfer at the custodian, at most 40 characters."""
    return f"cus{number if number > 1 else ''}-{reference.hex}"


def ask_again(*, record: CustodyRecord, transaction: VaultTransaction, now: datetime) -> None:
    """Give a record whose transfer ended without effect the key of a next transfer."""
    _record(record, "custody.transfer_failed", now, status=transaction.status)
    record.number += 1
    record.external_tx_id = _key(record.reference, number=record.number)
    record.custody_tx_id, record.vendor_status = None, ""
    record.save(update_fields=["number", "external_tx_id", "custody_tx_id", "vendor_status"])


def note_status(*, record: CustodyRecord, transaction: VaultTransaction) -> None:
    """Keep the custodian's id and status; writes only what changed."""
    if (record.custody_tx_id, record.vendor_status) != (transaction.id, transaction.status):
        record.custody_tx_id, record.vendor_status = transaction.id, transaction.status
        record.save(update_fields=["custody_tx_id", "vendor_status"])


def complete(*, record: CustodyRecord, transaction: VaultTransaction, now: datetime) -> None:
    """PENDING → COMPLETED with the custodian's id as evidence. Changes nothing when done before."""
    if record.state != CustodyRecord.State.PENDING:
        return
    record.state = CustodyRecord.State.COMPLETED
    record.custody_tx_id, record.vendor_status = transaction.id, transaction.status
    record.completed_at = now
    record.save(update_fields=["state", "custody_tx_id", "vendor_status", "completed_at"])
    _record(record, "custody.completed", now)


def _record(record: CustodyRecord, action: str, now: datetime, **evidence: object) -> None:
    audit.record(
        actor=_ACTOR,
        action=action,
        object_type="custody_record",
        object_id=str(record.pk),
        evidence={
            "order": str(record.reference),
            "state": record.state,
            "quantity": plain(record.quantity),
            "symbol": record.symbol,
            "external_tx_id": record.external_tx_id,
            "custody_tx_id": record.custody_tx_id,
            **evidence,
        },
        now=now,
    )
