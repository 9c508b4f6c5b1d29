"""Documents (ID-2): what is taken in is drawn anew, sealed and waits for review."""

import hashlib
import io
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import Notice, User
from agora.lib import crypto
from compliance.models import AuditRow
from kyc import documents, storage
from kyc.documents import DocumentRefused
from kyc.models import Document, DocumentPage
from tests.document_files import ACCEPTED, pdf, photo_with_secrets, picture, sent
from tests.kyc.conftest import Show, files_in
from tests.people import new_user, onboarded

pytestmark = pytest.mark.django_db


def stored_image(page: DocumentPage) -> bytes:
    """The picture as it lies in the storage, opened with the person's key."""
    key = keys.key_for(page.document.application.user_id)
    return crypto.decrypt_bytes(storage.store().read(page.storage_key), key=key, **page.place)


def pixels(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_people_have_is_taken_and_its_type_told_by_its_content(show: Show, name: str) -> None:
    media_type, pages, make = ACCEPTED[name]
    data = make()

    document = show("proof_of_address", data, name="passport.exe")

    assert (document.media_type, document.page_count) == (media_type, pages)
    assert document.state == Document.State.PENDING
    assert (document.size, document.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert [page.number for page in document.pages.all()] == list(range(1, pages + 1))
    for page in document.pages.all():
        image = pixels(stored_image(page))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (page.width, page.height))


def test_a_photo_loses_its_metadata_and_is_turned_upright(show: Show) -> None:
    document = show("selfie", photo_with_secrets())

    kept = stored_image(document.pages.get())
    image = pixels(kept)
    assert b"Secret" not in kept
    assert not image.getexif()
    assert "comment" not in image.info
    assert image.size == (600, 900)


def test_a_large_photo_is_made_smaller(show: Show) -> None:
    page = show("passport", picture(size=(5000, 4000))).pages.get()

    assert (page.width, page.height) == (2200, 1760)


def test_transparency_becomes_white_and_colours_for_print_those_of_screens(show: Show) -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (400, 400), (0, 0, 0, 0)).save(clear, "PNG")
    paper = io.BytesIO()
    Image.new("CMYK", (400, 400), (0, 0, 0, 0)).save(paper, "JPEG")

    for kind, data in (("passport", clear), ("selfie", paper)):
        image = pixels(stored_image(show(kind, data.getvalue()).pages.get()))
        lowest = min(image.convert("L").tobytes())
        assert lowest > 250


def test_nothing_readable_lies_in_the_storage(show: Show, folder: Path) -> None:
    show("passport", pdf(3))

    files = files_in(folder)
    assert len(files) == 3
    for path in files:
        assert b"JFIF" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_sealed_page_opens_as_that_page_only(show: Show) -> None:
    document = show("passport", pdf(2))
    first, second = document.pages.all()
    key = keys.key_for(document.application.user_id)
    sealed = storage.store().read(first.storage_key)

    with pytest.raises(crypto.Undecryptable):
        crypto.decrypt_bytes(sealed, key=key, **second.place)
    with pytest.raises(crypto.Undecryptable):
        crypto.decrypt_bytes(sealed, key=keys.key_for(onboarded().pk), **first.place)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/cron.d/evil",
        "C:\\Windows\\evil.exe",
        "photo.jpg\0.php",
        "\u202egpj.exe",
        "a" * 10_000 + ".jpg",
        "<script>alert(1)</script>.png",
        "'; DROP TABLE kyc_document; --",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_the_name_of_a_file_is_kept_nowhere(show: Show, folder: Path, name: str) -> None:
    document = show(name=name)

    assert name not in str(Document.objects.filter(pk=document.pk).values())
    assert name not in str(AuditRow.objects.filter(object_id=str(document.pk)).values())
    (path,) = files_in(folder)
    assert path.relative_to(folder).as_posix().replace("/", "").isalnum()


def test_the_trail_tells_of_an_upload_without_its_content(show: Show, person: User) -> None:
    document = show("passport")

    row = AuditRow.objects.get(object_type="kyc_document", object_id=str(document.pk))
    assert (row.action, row.actor) == ("document.uploaded", f"user:{person.pk}")
    assert set(row.evidence) == {"application", "kind", "sha256", "pages", "size"}


def test_a_new_one_takes_the_place_of_the_one_that_waits(show: Show, folder: Path) -> None:
    first = show("passport", pdf(2))

    second = show("passport", picture())

    first.refresh_from_db()
    assert (first.state, second.state) == ("WITHDRAWN", "PENDING")
    assert not first.pages.exists()


def test_the_files_of_a_replaced_document_are_deleted(
    show: Show, folder: Path, django_capture_on_commit_callbacks: object
) -> None:
    show("passport", pdf(2))

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        second = show("passport", picture())

    assert [path.name for path in files_in(folder)] == [second.pages.get().storage_key]


def test_the_same_file_again_changes_nothing(show: Show, folder: Path) -> None:
    first = show("passport")

    assert show("passport") == first
    assert Document.objects.count() == len(files_in(folder)) == 1
    assert AuditRow.objects.filter(action="document.uploaded").count() == 1


def test_a_reviewed_document_stays_beside_a_new_one(show: Show, officer: User) -> None:
    first = show("passport")
    documents.reject(document_id=first.pk, officer=officer, reason="unreadable", now=timezone.now())

    second = show("passport")

    first.refresh_from_db()
    assert (first.state, second.state) == ("REJECTED", "PENDING")
    assert first.pages.exists()


def test_somebody_who_has_not_said_who_they_are_shows_nothing(folder: Path) -> None:
    with pytest.raises(DocumentRefused) as refused:
        documents.store(user=new_user(), kind="passport", file=sent(picture()), now=timezone.now())

    assert refused.value.code == "not_onboarded"
    assert not files_in(folder)


def test_the_number_of_documents_is_bounded(
    show: Show, person: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kyc.documents.uploading.MOST_KEPT", 2)
    show("passport")
    show("selfie")

    with pytest.raises(DocumentRefused) as refused:
        show("identity_front")

    assert refused.value.code == "too_many_documents"
    assert len(files_in(folder)) == Document.objects.count() == 2


def test_withdrawn_documents_count_for_a_day(
    show: Show, person: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kyc.documents.uploading.MOST_A_DAY", 2)
    now = timezone.now()
    for data in (picture(), pdf()):
        documents.withdraw(user=person, document_id=show("passport", data).pk, now=now)

    with pytest.raises(DocumentRefused) as refused:
        show("passport")

    assert refused.value.code == "too_many_today"
    Document.objects.update(uploaded_at=now - timedelta(hours=25))
    assert show("passport").state == "PENDING"


def test_one_takes_back_only_what_is_ones_own_and_waits(
    show: Show, person: User, officer: User
) -> None:
    now = timezone.now()
    document = show("passport")
    with pytest.raises(Document.DoesNotExist):
        documents.withdraw(user=onboarded(), document_id=document.pk, now=now)
    documents.accept(document_id=document.pk, officer=officer, now=now)

    with pytest.raises(DocumentRefused) as refused:
        documents.withdraw(user=person, document_id=document.pk, now=now)

    assert refused.value.code == "not_waiting"
    document.refresh_from_db()
    assert document.state == "ACCEPTED"
    assert document.pages.exists()


def test_an_officer_accepts_and_the_person_is_told(show: Show, person: User, officer: User) -> None:
    document = show("passport")

    documents.accept(document_id=document.pk, officer=officer, now=timezone.now())
    documents.accept(document_id=document.pk, officer=officer, now=timezone.now())

    document.refresh_from_db()
    assert (document.state, document.decided_by) == ("ACCEPTED", f"user:{officer.pk}")
    assert Notice.objects.get(user=person).url == "/verification/documents/"
    assert AuditRow.objects.filter(action="document.accepted").count() == 1


def test_an_officer_rejects_with_a_reason_and_the_note_is_sealed(
    show: Show, person: User, officer: User
) -> None:
    document = show("passport")

    documents.reject(
        document_id=document.pk,
        officer=officer,
        reason="cut_off",
        note="The number at the bottom",
        now=timezone.now(),
    )

    document.refresh_from_db()
    assert (document.state, document.reason) == ("REJECTED", "cut_off")
    assert document.note == "The number at the bottom"
    assert b"number" not in bytes(document.note_encrypted)
    told = Notice.objects.get(user=person)
    assert "number" not in told.text
    trail = str(AuditRow.objects.filter(object_id=str(document.pk)).values("evidence"))
    assert "number" not in trail


@pytest.mark.parametrize(
    ("reason", "note", "code"),
    [
        ("", "", "reason"),
        ("because", "", "reason"),
        ("other", "  ", "reason"),
        ("other", "x" * 501, "note_too_long"),
    ],
)
def test_a_rejection_needs_a_reason_to_act_on(
    show: Show, officer: User, reason: str, note: str, code: str
) -> None:
    document = show("passport")

    with pytest.raises(DocumentRefused) as refused:
        documents.reject(
            document_id=document.pk, officer=officer, reason=reason, note=note, now=timezone.now()
        )

    assert refused.value.code == code
    document.refresh_from_db()
    assert document.state == "PENDING"
    assert not Notice.objects.exists()


def test_nobody_reviews_their_own_document(show: Show, person: User) -> None:
    document = show("passport")

    now = timezone.now()

    with pytest.raises(DocumentRefused) as accepting:
        documents.accept(document_id=document.pk, officer=person, now=now)
    with pytest.raises(DocumentRefused) as rejecting:
        documents.reject(document_id=document.pk, officer=person, reason="expired", now=now)

    assert accepting.value.code == rejecting.value.code == "own_document"
    document.refresh_from_db()
    assert document.state == "PENDING"


def test_a_withdrawn_document_is_not_decided(show: Show, person: User, officer: User) -> None:
    document = show("passport")
    documents.withdraw(user=person, document_id=document.pk, now=timezone.now())

    with pytest.raises(DocumentRefused) as refused:
        documents.accept(document_id=document.pk, officer=officer, now=timezone.now())

    assert refused.value.code == "not_waiting"


def test_the_pages_of_an_erased_person_are_gone(
    show: Show, person: User, folder: Path, django_capture_on_commit_callbacks: object
) -> None:
    document = show("passport", pdf(2))
    show("selfie")

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        deleted = documents.erase(user_id=person.pk, now=timezone.now())

    assert deleted == 3
    assert not files_in(folder)
    document.refresh_from_db()
    assert document.state == "WITHDRAWN"


def test_an_erased_person_shows_nothing_more(show: Show, person: User, folder: Path) -> None:
    keys.shred(user_id=person.pk, now=timezone.now())

    with pytest.raises(DocumentRefused) as refused:
        show("passport")

    assert refused.value.code == "erased"
    assert not files_in(folder)
