"""Taking a document in, and giving it back before anybody has reviewed it."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.keys import key_for
from accounts.models import User
from agora.lib import crypto, throttle
from agora.lib.failpoints import failpoint
from agora.lib.outcome import Temporary
from compliance import audit
from kyc import conversion, filetypes, scanning, storage
from kyc.consent import VERIFICATION, has_agreed, has_changed
from kyc.conversion import PageImage
from kyc.documents.forgetting import delete_files, drop_pages
from kyc.documents.refusals import (
    MOST_A_DAY,
    MOST_KEPT,
    REFUSALS,
    REFUSED,
    STORED,
    DocumentRefused,
    DocumentsUnavailable,
)
from kyc.models import Application, Document, DocumentPage

_DIED = "document_died"
log = structlog.get_logger(__name__)


class Upload(Protocol):
    """An uploaded file: how long it was as sent, and its bytes."""

    @property
    def size(self) -> int | None: ...

    def read(self, num_bytes: int | None = ..., /) -> bytes: ...


def store(*, user: User, kind: str, file: Upload, now: datetime) -> Document:
    """Take a file in as a document of this kind, which then waits for review.

    Its pages are drawn anew and sealed under the person's key; the file itself is not kept. It takes
    the place of one of the same kind that waits; the same file again changes nothing and gives that
    document. Raises DocumentRefused, or DocumentsUnavailable when scanner or storage do not answer:
    nothing is stored then. Locks the application's row at the end, while no file is handled.
    """
    try:
        return _store(user, kind, file, now)
    except DocumentRefused as refusal:
        REFUSED.labels(reason=refusal.code).inc()
        log.info("document.refused", reason=refusal.code)
        raise


def _store(user: User, kind: str, file: Upload, now: datetime) -> Document:
    if kind not in Document.Kind.values:
        raise DocumentRefused("kind")
    application = Application.objects.filter(user=user).first()
    if application is None:
        raise DocumentRefused("not_onboarded")
    if not has_agreed(user=user, terms=VERIFICATION):
        changed = has_changed(user=user, terms=VERIFICATION)
        raise DocumentRefused("consent_changed" if changed else "consent")
    _check_counts(application, now, died=throttle.noted_today(what=_DIED, who=str(user.pk)))
    data = _bytes_of(file)
    digest = hashlib.sha256(data).hexdigest()
    same = _waiting(application, kind).filter(sha256=digest).first()
    if same is not None:
        return same
    media_type, pages = _examined(user, data)
    document = Document(
        id=uuid.uuid4(),
        application=application,
        kind=kind,
        media_type=media_type,
        sha256=digest,
        size=len(data),
        page_count=len(pages),
        uploaded_at=now,
    )
    rows = _page_rows(document, pages)
    _write(user, rows, pages)
    written = [row.storage_key for row in rows]
    try:
        kept = _commit(document, rows, user, now)
    except DocumentRefused:
        delete_files(written)
        raise
    # After any other failure the rows may be there all the same: the sweep looks and decides.
    if kept is document:
        STORED.labels(kind=kind).inc()
    else:
        delete_files(written)
    return kept


def _check_counts(application: Application, now: datetime, *, died: int = 0) -> None:
    """Raise DocumentRefused when the person has, or has sent, as many as they may.

    `died` are files that were refused, but only after they had cost up to half a minute each.
    """
    own = Document.objects.filter(application=application)
    if own.filter(uploaded_at__gt=now - timedelta(days=1)).count() + died >= MOST_A_DAY:
        raise DocumentRefused("too_many_today")
    if own.exclude(state=Document.State.WITHDRAWN).count() >= MOST_KEPT:
        raise DocumentRefused("too_many_documents")


def _bytes_of(file: Upload) -> bytes:
    if (file.size or 0) > settings.UPLOAD_MAX_BYTES:
        raise DocumentRefused("too_large")
    data = file.read(settings.UPLOAD_MAX_BYTES + 1)
    if len(data) > settings.UPLOAD_MAX_BYTES:
        raise DocumentRefused("too_large")
    return data


def _examined(user: User, data: bytes) -> tuple[str, Sequence[PageImage]]:
    """Type and pages of a file that may be taken; the scanner sees it before any decoder does."""
    try:
        media_type = filetypes.recognise(data)
        scanning.scan(data)
        return media_type, conversion.convert(data=data, media_type=media_type)
    except (filetypes.WrongFile, conversion.Unconvertible) as error:
        if isinstance(error, conversion.Died):
            throttle.note_today(what=_DIED, who=str(user.pk))
        raise DocumentRefused(error.code if error.code in REFUSALS else "unreadable") from error
    except scanning.Infected as error:
        raise DocumentRefused("infected") from error
    except Temporary as error:
        raise DocumentsUnavailable(error.code) from error


def _page_rows(document: Document, pages: Sequence[PageImage]) -> list[DocumentPage]:
    return [
        DocumentPage(
            document=document,
            number=number,
            storage_key=storage.new_key(),
            width=page.width,
            height=page.height,
        )
        for number, page in enumerate(pages, start=1)
    ]


def _write(user: User, rows: Sequence[DocumentPage], pages: Sequence[PageImage]) -> None:
    """Seal and store the pages, before any row names them: what a crash leaves, the sweep removes."""
    try:
        key = key_for(user.pk)
    except crypto.Shredded as error:
        raise DocumentRefused("erased") from error
    place = storage.store()
    written: list[str] = []
    try:
        for row, page in zip(rows, pages, strict=True):
            written.append(row.storage_key)
            place.write(row.storage_key, crypto.encrypt_bytes(page.jpeg, key=key, **row.place))
            failpoint("document.after_page", key=row.document.application_id)
    except Temporary as error:
        delete_files(written)
        raise DocumentsUnavailable(error.code) from error


def _commit(
    document: Document, rows: Sequence[DocumentPage], user: User, now: datetime
) -> Document:
    """Write the rows in place of the document that waits; the one that stands for this file then.

    Two uploads of a person meet here: counts and the waiting document are looked at again.
    """
    with transaction.atomic():
        application = Application.objects.select_for_update().get(pk=document.application_id)
        if not application.user.is_active:  # closed while the file was handled
            raise DocumentRefused("erased")
        waiting = _waiting(application, document.kind).first()
        if waiting is not None and waiting.sha256 == document.sha256:
            return waiting
        if waiting is not None:
            _withdraw(waiting, user, now, replaced_by=document)
        _check_counts(application, now)
        document.save(force_insert=True)
        DocumentPage.objects.bulk_create(rows)
        _record(document, "document.uploaded", user, now, pages=len(rows), size=document.size)
        failpoint("document.before_commit", key=application.pk)
    return document


def withdraw(*, user: User, document_id: uuid.UUID, now: datetime) -> Document:
    """Take one's own document back while it waits; its pages are deleted.

    Raises Document.DoesNotExist for anybody else's, DocumentRefused once it was reviewed. Locks the
    document's row.
    """
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=document_id, application__user=user)
        if document.state == Document.State.WITHDRAWN:
            return document
        if document.state != Document.State.PENDING:
            raise DocumentRefused("not_waiting")
        _withdraw(document, user, now, replaced_by=None)
    return document


def _withdraw(
    document: Document, user: User, now: datetime, *, replaced_by: Document | None
) -> None:
    document.state = Document.State.WITHDRAWN
    document.decided_at = now
    document.decided_by = audit.actor_of(user)
    document.save(update_fields=["state", "decided_at", "decided_by"])
    drop_pages([document.pk])
    successor = {"replaced_by": str(replaced_by.pk)} if replaced_by else {}
    _record(document, "document.withdrawn", user, now, **successor)


def _waiting(application: Application, kind: str) -> QuerySet[Document]:
    return Document.objects.filter(application=application, kind=kind, state=Document.State.PENDING)


def _record(document: Document, action: str, user: User, now: datetime, **more: object) -> None:
    audit.record(
        actor=audit.actor_of(user),
        action=action,
        object_type="kyc_document",
        object_id=str(document.pk),
        evidence={
            "application": str(document.application_id),
            "kind": document.kind,
            "sha256": document.sha256,
            **more,
        },
        now=now,
    )
