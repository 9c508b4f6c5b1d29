"""Each person's data key: made on first use, destroyed when their data is erased (ADR 0012)."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import PersonKey
from agora.lib.crypto import DataKey, Shredded


def key_for(user_id: UUID) -> DataKey:
    """The person's data key; the first call makes one.

    Raises crypto.Shredded once it was destroyed, and crypto.Undecryptable when FIELD_KEYS lacks the
    key it is sealed under. Locks nothing.
    """
    row = PersonKey.objects.filter(pk=user_id).first()
    if row is None:
        made = PersonKey(pk=user_id, sealed=DataKey.new(person=user_id).sealed())
        # Somebody else may be first: theirs is the key then.
        PersonKey.objects.bulk_create([made], ignore_conflicts=True)
        row = PersonKey.objects.get(pk=user_id)
    if row.shredded_at is not None:
        raise Shredded("The key of this person's data was destroyed.")
    return DataKey.opened(bytes(row.sealed), person=user_id)


def shred(*, user_id: UUID, now: datetime) -> None:
    """Destroy the person's data key for good; a second time changes nothing.

    A person without a key gets a destroyed one, so that none is made later. Locks the key's row until
    the transaction ends.
    """
    with transaction.atomic():
        destroyed = PersonKey(pk=user_id, sealed=b"", shredded_at=now)
        PersonKey.objects.bulk_create([destroyed], ignore_conflicts=True)
        row = PersonKey.objects.select_for_update().get(pk=user_id)
        if row.shredded_at is None:
            row.sealed, row.shredded_at = b"", now
            row.save(update_fields=["sealed", "shredded_at"])
