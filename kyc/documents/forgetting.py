"""Deleting pages: of withdrawn documents, of erased people, and what a crash has left behind."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from agora.lib.outcome import Temporary
from kyc import storage
from kyc.models import Document, DocumentPage

# Longer than any upload takes: what is younger may still get its row.
_GRACE = timedelta(hours=1)
_BATCH = 500

log = structlog.get_logger(__name__)


def drop_pages(document_ids: Collection[UUID]) -> int:
    """Delete the pages of these documents; how many. Call it inside the transaction of the reason.

    The files go once that is committed; those that cannot be deleted then are left to the sweep.
    """
    pages = DocumentPage.objects.filter(document_id__in=document_ids)
    keys = list(pages.values_list("storage_key", flat=True))
    pages.delete()
    transaction.on_commit(lambda: delete_files(keys))
    return len(keys)


def delete_files(keys: Iterable[str]) -> None:
    """Remove files that no row names any more; never raises for the storage."""
    for key in keys:
        try:
            storage.store().delete(key)
        except Temporary:
            return  # the storage has told the log; the sweep comes back for them


def erase(*, user_id: UUID, now: datetime) -> int:
    """Delete every page of a person's documents for good; how many. The documents' rows stay.

    Part of the erasure of a person, which writes the audit row: call it inside its transaction.
    """
    documents = Document.objects.filter(application__user_id=user_id)
    documents.filter(state=Document.State.PENDING).update(
        state=Document.State.WITHDRAWN, decided_at=now
    )
    documents.update(note_encrypted=b"")
    return drop_pages(list(documents.values_list("pk", flat=True)))


def sweep(*, now: datetime) -> int:
    """Remove files that no page names: left by a process that died. How many it were.

    Raises Temporary when the storage does not answer. Locks nothing.
    """
    removed = 0
    place = storage.store()
    batch: list[str] = []
    for found in place.all():
        if found.at < now - _GRACE:
            batch.append(found.key)
        if len(batch) == _BATCH:
            removed += _remove_unnamed(place, batch)
            batch.clear()
    removed += _remove_unnamed(place, batch)
    if removed:
        log.warning("document.orphans_removed", count=removed)
    return removed


def _remove_unnamed(place: storage.Store, keys: list[str]) -> int:
    named = set(
        DocumentPage.objects.filter(storage_key__in=keys).values_list("storage_key", flat=True)
    )
    unnamed = [key for key in keys if key not in named]
    for key in unnamed:
        place.delete(key)
    return len(unnamed)
