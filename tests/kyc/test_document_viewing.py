"""Looking at documents: by officers and the owner only, marked, logged, and kept by no cache."""

import io
from contextlib import suppress
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image, ImageChops

from accounts import keys
from accounts.models import User
from compliance.models import AuditRow
from kyc import cases, corrections, documents, storage
from kyc.documents import DocumentRefused, DocumentsUnavailable
from kyc.models import Case, Document, DocumentView
from tests.document_files import pdf
from tests.kyc import casework
from tests.kyc.conftest import Show
from tests.people import new_user, onboarded

pytestmark = pytest.mark.django_db
DIALOG = {"_form_submitted": "True"}


@pytest.fixture
def document(show: Show) -> Document:
    return show("passport", pdf(2))


def image_of(document: Document, viewer: User, *, page: int = 1) -> bytes:
    return documents.page_image(
        document_id=document.pk, page=page, viewer=viewer, now=timezone.now()
    )


def assert_not_logged() -> None:
    assert not DocumentView.objects.exists()
    assert not AuditRow.objects.filter(action="document.viewed").exists()


def test_each_look_is_written_down_before_the_page_is_shown(
    document: Document, officer: User
) -> None:
    image_of(document, officer, page=2)
    image_of(document, officer, page=2)

    views = DocumentView.objects.filter(document=document, page=2, viewer=officer)
    assert [view.purpose for view in views] == ["review", "review"]
    rows = AuditRow.objects.filter(action="document.viewed", object_id=str(document.pk))
    assert {row.actor for row in rows} == {f"user:{officer.pk}"}
    assert len(rows) == 2
    assert officer.email not in str(rows.values())


def test_the_owners_own_look_is_told_apart(document: Document, person: User) -> None:
    image_of(document, person)

    assert DocumentView.objects.get().purpose == "own"


def test_the_picture_carries_who_looks_and_when(document: Document, officer: User) -> None:
    now = timezone.now()
    blank = Image.new("RGB", (1556, 2200), "white")

    def shown(viewer: User, at: object) -> Image.Image:
        image = documents.page_image(document_id=document.pk, page=2, viewer=viewer, now=at)  # type: ignore[arg-type]
        return Image.open(io.BytesIO(image)).convert("RGB")

    first, again = shown(officer, now), shown(officer, now)
    later, other = shown(officer, now + timedelta(hours=3)), shown(document.application.user, now)

    def differs(one: Image.Image, two: Image.Image) -> bool:
        box = (
            ImageChops.difference(one, two.resize(one.size))
            .point(lambda v: 255 * (v > 60))
            .getbbox()
        )
        return box is not None

    assert not differs(first, again)
    assert differs(first, later)
    assert differs(first, other)
    # All over the page, so that no part can be cut out without it.
    for left, top in ((0, 0), (778, 0), (0, 1100), (778, 1100)):
        quarter = (left, top, left + 778, top + 1100)
        assert differs(first.crop(quarter), blank.crop(quarter))


@pytest.mark.parametrize(
    ("is_staff", "permissions"),
    [
        (False, []),
        (False, ["view_document"]),
        (True, []),
        (True, ["review_document", "view_application"]),
    ],
)
def test_nobody_else_sees_a_page(
    document: Document, is_staff: bool, permissions: list[str]
) -> None:
    viewer = new_user(is_staff=is_staff)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=permissions))

    with pytest.raises(Document.DoesNotExist):
        image_of(document, User.objects.get(pk=viewer.pk))

    assert_not_logged()


@pytest.mark.parametrize("page", [0, 3, 99])
def test_a_page_that_is_not_there_is_not_logged(
    document: Document, officer: User, page: int
) -> None:
    with pytest.raises(Document.DoesNotExist):
        image_of(document, officer, page=page)

    assert_not_logged()


def test_a_page_that_was_changed_in_the_storage_is_not_shown(
    document: Document, officer: User
) -> None:
    page = document.pages.get(number=1)
    sealed = bytearray(storage.store().read(page.storage_key))
    sealed[-1] ^= 1
    storage.store().delete(page.storage_key)
    storage.store().write(page.storage_key, bytes(sealed))

    with pytest.raises(DocumentsUnavailable) as refused:
        image_of(document, officer)

    assert refused.value.code == "lost"
    assert_not_logged()


def test_two_pages_exchanged_in_the_database_are_not_shown(
    document: Document, officer: User
) -> None:
    first, second = document.pages.all()
    first_key, second_key = first.storage_key, second.storage_key
    for page, key in ((first, "0" * 48), (second, first_key), (first, second_key)):
        page.storage_key = key
        page.save()

    with pytest.raises(DocumentsUnavailable) as refused:
        image_of(document, officer)

    assert refused.value.code == "lost"


def test_the_pages_of_a_shredded_person_cannot_be_shown(document: Document, officer: User) -> None:
    keys.shred(user_id=document.application.user_id, now=timezone.now())

    with pytest.raises(Document.DoesNotExist):
        image_of(document, officer)

    assert_not_logged()


# --- who has a reason to look ---------------------------------------------------------------


def may_look(document: Document, viewer: User) -> bool:
    """Whether a page is shown, and written down; a refusal is neither."""
    before = DocumentView.objects.count()
    with suppress(DocumentRefused):
        image_of(document, viewer)
    return DocumentView.objects.count() == before + 1


def accepted(document: Document) -> Document:
    Document.objects.update(state="ACCEPTED", decided_at=timezone.now(), decided_by="test")
    return document


def reviewed(document: Document, by: User) -> Case:
    case = cases.open_for_officer(
        application=document.application, officer=by, reason="A hint.", now=timezone.now()
    )
    return cases.take(case_id=case.pk, officer=by, version=case.version, now=timezone.now())


def test_in_a_case_who_has_it_looks_and_then_who_decides(document: Document) -> None:
    mine, other, clerk = casework.officer(), casework.officer(), casework.officer(*casework.LOOKS)

    case = reviewed(document, mine)

    assert [may_look(document, one) for one in (mine, other, clerk)] == [True, False, False]

    casework.rejection_proposed(mine, case)

    assert [may_look(document, one) for one in (mine, other, clerk)] == [True, True, False]


def test_in_an_escalated_case_nobody_outside_its_group_looks(document: Document) -> None:
    mine, member, outsider = (casework.officer() for _ in range(3))
    team, now = casework.team(), timezone.now()
    for officer in (mine, member):
        officer.groups.add(team)
    case = reviewed(document, mine)
    case = cases.escalate(
        case_id=case.pk, officer=mine, group=team, text="Hard.", version=case.version, now=now
    )
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=now)
    casework.rejection_proposed(mine, case)

    assert may_look(document, member)
    assert not may_look(document, outsider)


def test_what_was_looked_at_is_opened_by_who_supervises_alone(document: Document) -> None:
    accepted(document)

    assert not may_look(document, casework.officer())
    assert may_look(document, casework.officer(*casework.LEADS))


def test_a_correction_is_a_reason_to_look_until_it_ends(document: Document, person: User) -> None:
    accepted(document)
    corrections.ask(
        user=person, full_name="Another Name", tax_id="", reason="A slip.", now=timezone.now()
    )
    officer = casework.officer()
    assert may_look(document, officer)

    corrections.withdraw(user=person, now=timezone.now())

    assert not may_look(document, officer)


def test_who_may_not_look_reads_what_to_do(document: Document) -> None:
    reviewed(document, casework.officer())
    browser = browser_of(casework.officer())

    picture = browser.get(page_of(document, back_office=True))
    page = browser.get(reverse("admin:kyc_document_change", args=[document.pk])).text
    case = browser.get(reverse("admin:kyc_case_change", args=[Case.objects.get().pk])).text

    assert (picture.status_code, "Take their open case" in picture.text) == (403, True)
    assert "Take their open case" in page
    assert "Take their open case" in case
    assert page_of(document, back_office=True) not in page + case


# --- over HTTP ------------------------------------------------------------------------------


def page_of(document: Document, *, number: int = 1, back_office: bool) -> str:
    name = "admin:kyc_document_page" if back_office else "document_page"
    return reverse(name, args=[document.pk, number])


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("back_office", [True, False])
def test_a_page_is_kept_by_no_cache_and_runs_nothing(
    document: Document, person: User, officer: User, back_office: bool
) -> None:
    viewer = officer if back_office else person

    answer = browser_of(viewer).get(page_of(document, back_office=back_office))

    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert "no-store" in answer["Cache-Control"]
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.content.startswith(b"\xff\xd8\xff")


def test_a_stranger_and_an_officer_on_the_persons_page_get_404(
    document: Document, officer: User
) -> None:
    for viewer in (onboarded(), officer):
        assert browser_of(viewer).get(page_of(document, back_office=False)).status_code == 404
    assert_not_logged()


def test_who_is_not_signed_in_is_led_to_the_sign_in(document: Document) -> None:
    for back_office in (True, False):
        answer = Client().get(page_of(document, back_office=back_office))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
    assert_not_logged()


def test_the_owner_does_not_get_in_by_the_back_office(document: Document, person: User) -> None:
    answer = browser_of(person).get(page_of(document, back_office=True))

    assert answer.status_code in (302, 403)
    assert_not_logged()


def test_an_officer_without_the_permission_gets_404(document: Document) -> None:
    colleague = new_user(is_staff=True)

    answer = browser_of(colleague).get(page_of(document, back_office=True))

    assert answer.status_code == 404
    assert_not_logged()


def test_no_address_of_static_files_leads_to_the_storage(document: Document) -> None:
    key = document.pages.get(number=1).storage_key

    for path in (f"/static/{key}", f"/documents/{key}", f"/media/documents/{key[:2]}/{key}"):
        assert Client().get(path).status_code == 404


# --- the back office ------------------------------------------------------------------------


def test_an_officer_reads_accepts_and_rejects_in_the_back_office(
    document: Document, officer: User
) -> None:
    browser = browser_of(officer)
    address = reverse("admin:kyc_document_change", args=[document.pk])

    page = browser.get(address).content.decode()
    assert page_of(document, back_office=True) in page
    assert page_of(document, number=2, back_office=True) in page
    listed = browser.get(
        reverse("admin:kyc_document_changelist"), {"q": document.application.user.email}
    )
    assert str(document.pk) in listed.content.decode()
    browser.post(reverse("admin:kyc_document_accept_document", args=[document.pk]), DIALOG)
    document.refresh_from_db()
    assert document.state == "ACCEPTED"
    browser.post(
        reverse("admin:kyc_document_reject_document", args=[document.pk]),
        {**DIALOG, "reason": "different", "note": "Another name"},
    )
    document.refresh_from_db()
    assert (document.state, document.reason, document.note) == (
        "REJECTED", "different", "Another name",
    )  # fmt: skip
    looks = AuditRow.objects.filter(action="personal_data.viewed", object_id=str(document.pk))
    assert not looks.exists()

    assert "Another name" in browser.get(address).text
    assert looks.get().evidence == {"fields": ["note"]}


@pytest.mark.parametrize("action", ["accept_document", "reject_document"])
def test_who_may_only_look_decides_nothing(document: Document, officer: User, action: str) -> None:
    officer.user_permissions.set(Permission.objects.filter(codename="view_document"))

    answer = browser_of(officer).post(
        reverse(f"admin:kyc_document_{action}", args=[document.pk]), {**DIALOG, "reason": "expired"}
    )

    assert answer.status_code in (302, 403)
    document.refresh_from_db()
    assert document.state == "PENDING"


@pytest.mark.parametrize("object_id", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_deciding_about_nothing_is_404(officer: User, object_id: str) -> None:
    address = reverse("admin:kyc_document_accept_document", args=[object_id])

    assert browser_of(officer).post(address, DIALOG).status_code == 404
