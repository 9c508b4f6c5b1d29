"""Showing a page: to its owner and to officers, marked with who looks, and written down."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from accounts.keys import key_for
from accounts.models import User
from agora.lib import crypto
from agora.lib.outcome import Temporary
from compliance import audit
from kyc import storage, watermark
from kyc.documents.refusals import DocumentsUnavailable
from kyc.models import Document, DocumentPage, DocumentView

VIEW_PERMISSION = "kyc.view_document"


def page_image(*, document_id: UUID, page: int, viewer: User, now: datetime) -> bytes:
    """One page as a JPEG picture, marked with the viewer and the time; the view is logged first.

    For officers who have `kyc.view_document`, and for the owner. Raises Document.DoesNotExist for
    anybody else, for pages that are gone and for documents that are not there;
    DocumentsUnavailable when the storage does not answer (`storage`) or has lost it (`lost`).
    """
    shown = _page_for(viewer, document_id, page)
    image = _marked(shown, viewer, now)
    _log(shown, viewer, now)
    return image


def _page_for(viewer: User, document_id: UUID, number: int) -> DocumentPage:
    found = (
        DocumentPage.objects.select_related("document__application")
        .filter(document_id=document_id, number=number)
        .first()
    )
    if found is None or not (_owns(viewer, found.document) or _may_review(viewer)):
        raise Document.DoesNotExist
    return found


def _owns(viewer: User, document: Document) -> bool:
    return viewer.pk == document.application.user_id


def _may_review(viewer: User) -> bool:
    return viewer.is_staff and viewer.has_perm(VIEW_PERMISSION)


def _marked(page: DocumentPage, viewer: User, now: datetime) -> bytes:
    try:
        key = key_for(page.document.application.user_id)
        sealed = storage.store().read(page.storage_key)
        jpeg = crypto.decrypt_bytes(sealed, key=key, **page.place)
        lines = (viewer.email, str(viewer.pk), f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
        return watermark.marked(jpeg, lines=lines, size=(page.width, page.height))
    except crypto.Shredded as error:
        raise Document.DoesNotExist from error
    except (storage.Gone, crypto.Undecryptable, ValueError) as error:
        raise DocumentsUnavailable("lost") from error
    except Temporary as error:
        raise DocumentsUnavailable(error.code) from error


def _log(page: DocumentPage, viewer: User, now: datetime) -> None:
    own = _owns(viewer, page.document)
    purpose = DocumentView.Purpose.OWN if own else DocumentView.Purpose.REVIEW
    with transaction.atomic():
        DocumentView.objects.create(
            document=page.document, page=page.number, viewer=viewer, purpose=purpose, at=now
        )
        audit.record(
            actor=audit.actor_of(viewer),
            action="document.viewed",
            object_type="kyc_document",
            object_id=str(page.document_id),
            evidence={
                "application": str(page.document.application_id),
                "page": page.number,
                "purpose": purpose.value,
            },
            now=now,
        )
