"""Showing a page: to its owner and to officers, marked with who looks, and written down."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from accounts.keys import key_for
from accounts.models import User
from agora.lib import crypto
from agora.lib.outcome import Temporary
from compliance import audit
from compliance.four_eyes import CHECKER
from kyc import storage, watermark
from kyc.documents.refusals import DocumentRefused, DocumentsUnavailable
from kyc.models import Case, Correction, Document, DocumentPage, DocumentView
from kyc.selectors import may_join
from kyc.states import State

VIEW_PERMISSION = "kyc.view_document"
SUPERVISE = "kyc.assign_case"


def page_image(*, document_id: UUID, page: int, viewer: User, now: datetime) -> bytes:
    """One page as a JPEG picture, marked with the viewer and the time; the view is logged first.

    For the owner, and for officers as `may_open` says. Raises Document.DoesNotExist for anybody else,
    for pages that are gone and for documents that are not there; DocumentRefused (not_reviewing) for
    officers who do not review the person; DocumentsUnavailable when the storage does not answer
    (`storage`) or has lost it (`lost`).
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
    if not _owns(viewer, found.document) and not may_open(found.document, viewer):
        raise DocumentRefused("not_reviewing")
    return found


def may_open(document: Document, officer: User) -> bool:
    """Whether an officer who may look at documents has a reason to look at this one now.

    Theirs is the person's open case, or its proposal is for them to decide; the person asks for a
    correction; without an open case, the document waits to be looked at. Who gives cases to others
    supervises all of this. So the consent says (kyc.consent.VERIFICATION).
    """
    if officer.has_perm(SUPERVISE):
        return True
    person = document.application_id
    case = Case.objects.filter(application=person, closed_at=None).first()
    if case is None and document.state == Document.State.PENDING:
        return True
    if case is not None and _decides(case, officer):
        return True
    return Correction.objects.filter(application=person, state=Correction.State.OPEN).exists()


def _decides(case: Case, officer: User) -> bool:
    second = case.state == State.AWAITING_SECOND and officer.has_perm(CHECKER)
    return case.assigned_to_id == officer.pk or (second and may_join(case, officer))


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
