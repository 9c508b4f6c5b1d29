"""What an officer decides about one document (ID-2). What becomes of the person is kyc.cases'."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.keys import key_for
from accounts.models import Notice, User
from agora.lib import crypto
from compliance import audit
from kyc.documents.refusals import LONGEST_NOTE, DocumentRefused
from kyc.models import Application, Case, Document

# Notices are translated when they are shown, so each reason has a text of its own.
_KINDS = {
    Document.Kind.IDENTITY_FRONT: gettext_noop("The front of your identity card was accepted."),
    Document.Kind.IDENTITY_BACK: gettext_noop("The back of your identity card was accepted."),
    Document.Kind.PASSPORT: gettext_noop("Your passport was accepted."),
    Document.Kind.PROOF_OF_ADDRESS: gettext_noop("Your proof of address was accepted."),
    Document.Kind.SELFIE: gettext_noop("The photo of yourself was accepted."),
}
_WHY = {
    Document.Reason.UNREADABLE: gettext_noop(
        "One of your documents cannot be read. Take a sharp photo in good light, without glare, and "
        "upload it in its place."
    ),
    Document.Reason.CUT_OFF: gettext_noop(
        "A part of one of your documents is missing in the picture. Upload one that shows all of it."
    ),
    Document.Reason.WRONG_KIND: gettext_noop(
        "One of your documents is not what it was uploaded as. Upload the right one."
    ),
    Document.Reason.EXPIRED: gettext_noop(
        "One of your documents has expired or is too old. Upload a valid one."
    ),
    Document.Reason.DIFFERENT: gettext_noop(
        "One of your documents does not match your application. Look at it and upload the right one, or "
        "write to us if your name or address has changed."
    ),
    Document.Reason.OTHER: gettext_noop(
        "One of your documents was not accepted. Open your documents to read why."
    ),
}


def accept(
    *, document_id: UUID, officer: User, within: UUID | None = None, now: datetime
) -> Document:
    """Accept a document that waits, and tell the person; a repeat changes nothing.

    `within` is the case it is judged in, whose row the caller holds. Raises Document.DoesNotExist, and
    DocumentRefused (own_document, in_case, not_waiting). Locks its row.
    """
    with transaction.atomic():
        document = _locked(document_id, officer, within)
        if document.state == Document.State.ACCEPTED:
            return document
        if document.state != Document.State.PENDING:
            raise DocumentRefused("not_waiting")
        _decide(document, Document.State.ACCEPTED, officer, now)
        _tell(
            document, gettext_noop("Document accepted"), _KINDS[Document.Kind(document.kind)], now
        )
    return document


def reject(
    *,
    document_id: UUID,
    officer: User,
    reason: str,
    note: str = "",
    within: UUID | None = None,
    now: datetime,
) -> Document:
    """Refuse a document, also one that was accepted, with a reason; the person is told.

    `note` is for the person: sealed under their key, shown beside the document, in no e-mail.
    `within` as for `accept`. Raises Document.DoesNotExist, and DocumentRefused (own_document, in_case,
    not_waiting, reason, note_too_long). Locks its row.
    """
    if reason not in Document.Reason.values or (
        reason == Document.Reason.OTHER and not note.strip()
    ):
        raise DocumentRefused("reason")
    if len(note) > LONGEST_NOTE:
        raise DocumentRefused("note_too_long")
    with transaction.atomic():
        document = _locked(document_id, officer, within)
        if document.state not in (Document.State.PENDING, Document.State.ACCEPTED):
            raise DocumentRefused("not_waiting")
        document.reason = reason
        if note.strip():
            key = key_for(document.application.user_id)
            place = document.note_place
            document.note_encrypted = crypto.encrypt(note.strip(), key=key, **place)
        _decide(document, Document.State.REJECTED, officer, now)
        why = _WHY[Document.Reason(reason)]
        _tell(document, gettext_noop("Document not accepted"), why, now)
    return document


def _locked(document_id: UUID, officer: User, within: UUID | None) -> Document:
    """The document, its row held; outside a case only while the person has none that is open.

    Otherwise who may not act on the case would change what it is decided by.
    """
    person = Document.objects.get(pk=document_id).application_id
    if within is None:
        # A case is opened by who holds this row: none appears before the decision is stored.
        Application.objects.select_for_update(no_key=True).get(pk=person)
    rows = Document.objects.select_for_update(of=("self",)).select_related("application__user")
    document = rows.get(pk=document_id)
    if document.application.user_id == officer.pk:
        raise DocumentRefused("own_document")
    found = Case.objects.filter(application=person, closed_at=None).values_list("pk", flat=True)
    if found.first() not in (None, within):
        raise DocumentRefused("in_case")
    return document


def _decide(document: Document, state: Document.State, officer: User, now: datetime) -> None:
    before = document.state
    document.state = state
    document.decided_at = now
    document.decided_by = audit.actor_of(officer)
    document.save(update_fields=["state", "decided_at", "decided_by", "reason", "note_encrypted"])
    audit.record(
        actor=document.decided_by,
        action="document.accepted" if state == Document.State.ACCEPTED else "document.rejected",
        object_type="kyc_document",
        object_id=str(document.pk),
        evidence={
            "application": str(document.application_id),
            "kind": document.kind,
            "sha256": document.sha256,
            "before": before,
            "reason": document.reason,
        },
        now=now,
    )


def _tell(document: Document, subject: str, body: str, now: datetime) -> None:
    rejected = document.state == Document.State.REJECTED
    notices.notify(
        user=document.application.user,
        kind="document-rejected" if rejected else "document-accepted",
        subject=subject,
        body=body,
        params={},
        url=reverse("documents"),
        level=Notice.Level.WARNING if rejected else Notice.Level.INFO,
        now=now,
    )
