"""Pages of documents through the API: for officers, marked, written down, kept by no cache."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from kyc import cases, documents, storage
from kyc.models import Document, DocumentPage, DocumentView
from tests.api.conftest import Api, assert_problem
from tests.document_files import pdf, sent
from tests.kyc import casework
from tests.people import TOTP_SECRET, willing

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(settings: Settings, tmp_path: Path) -> Document:
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    file = sent(pdf(2), name="passport.pdf")
    return documents.store(user=willing(), kind="passport", file=file, now=timezone.now())


@pytest.fixture
def officer() -> Api:
    return Api(casework.officer("kyc.view_document"), scopes=("admin",))


def page_of(document_id: object, page: int = 1) -> str:
    return f"/api/v1/admin/documents/{document_id}/pages/{page}"


def test_a_page_is_a_picture_that_no_cache_keeps(officer: Api, document: Document) -> None:
    answer = officer.get(page_of(document.pk, 2))

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.raw.startswith(b"\xff\xd8\xff")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_each_look_is_written_down(officer: Api, document: Document) -> None:
    officer.get(page_of(document.pk))
    officer.get(page_of(document.pk))

    views = DocumentView.objects.filter(document=document, viewer=officer.user)
    assert [(view.page, view.purpose) for view in views] == [(1, "review"), (1, "review")]


def test_without_the_permission_nothing_is_shown_or_logged(document: Document) -> None:
    looker = Api(casework.officer("kyc.view_case"), scopes=("admin",))

    assert_problem(looker.get(page_of(document.pk)), 403, "forbidden")
    assert not DocumentView.objects.exists()


def test_of_whom_somebody_else_reviews_nothing_is_shown_or_logged(
    officer: Api, document: Document
) -> None:
    cases.open_for_officer(
        application=document.application,
        officer=casework.officer(),
        reason="A hint.",
        now=timezone.now(),
    )

    assert_problem(officer.get(page_of(document.pk)), 403, "forbidden")
    assert not DocumentView.objects.exists()


@pytest.mark.parametrize("page", [0, 3, 10**12, 10**30])
def test_a_page_that_there_is_not_is_not_found(officer: Api, document: Document, page: int) -> None:
    assert_problem(officer.get(page_of(document.pk, page)), 404, "not_found")
    assert_problem(officer.get(page_of(uuid4())), 404, "not_found")
    assert not DocumentView.objects.exists()


def test_one_s_own_document_is_not_there_for_the_officer(document: Document) -> None:
    person = document.application.user
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    casework.allow(person, "kyc.view_document")
    own = Api(User.objects.get(pk=person.pk), scopes=("admin",))

    assert_problem(own.get(page_of(document.pk)), 404, "not_found")


def test_a_lost_page_is_told_and_not_logged(officer: Api, document: Document) -> None:
    storage.store().delete(DocumentPage.objects.get(document=document, number=1).storage_key)

    answer = officer.get(page_of(document.pk))

    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"]
    assert not DocumentView.objects.exists()
