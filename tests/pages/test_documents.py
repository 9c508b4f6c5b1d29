"""The pages of documents: upload without a script, clear errors at the field, status, withdrawal."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from kyc import documents
from kyc.consent import VERIFICATION
from kyc.documents import DocumentRefused
from kyc.models import Consent, ConsentText, Document
from tests.document_files import pdf, picture, sent
from tests.kyc.conftest import files_in
from tests.people import new_officer, new_user, onboarded, willing

pytestmark = pytest.mark.django_db
PAGE = "/verification/documents/"


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    return tmp_path / "documents"


@pytest.fixture
def buyer() -> User:
    """Somebody who has agreed to show documents."""
    return willing()


def upload(browser: Client, data: bytes | None = None, **fields: Any) -> Any:
    file = {} if data is None else {"file": sent(data)}
    return browser.post(PAGE, {"kind": "passport", **file, **fields})


def test_a_document_is_uploaded_and_its_status_shown(
    browser: Client, buyer: User, folder: Path
) -> None:
    answer = upload(browser, picture())

    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    page = browser.get(PAGE).content.decode()
    assert "Passport, page with the photo" in page
    assert "Waits for review" in page
    assert Document.objects.get().application.user == buyer


def test_the_same_file_again_is_told_apart_from_a_new_one(browser: Client, folder: Path) -> None:
    upload(browser, picture())
    first = browser.get(PAGE).text
    upload(browser, picture())
    second = browser.get(PAGE).text

    assert "A person of ours will look at it." in first
    assert "We have this file already" in second
    assert "A person of ours will look at it." not in second


def test_a_photo_straight_from_the_camera_is_taken(browser: Client, folder: Path) -> None:
    upload(browser, camera=sent(picture()))

    assert Document.objects.get().kind == "passport"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Choose a file."),
        ({"file": sent(b"")}, "The file is empty."),
        ({"file": sent(b"text")}, "This is not a JPEG, PNG, WebP or PDF file"),
        ({"file": sent(b"\xff\xd8\xff" + bytes(11_000_000))}, "The file is larger than 10 MB."),
        ({"file": [sent(b"a"), sent(b"b")]}, "Send one file at a time."),
        ({"file": sent(b"a"), "camera": sent(b"b")}, "Send one file at a time."),
        ({"file": "only text"}, "Choose a file."),
        ({"kind": "driving licence", "file": sent(b"a")}, "Select a valid choice."),
        ({"kind": "", "file": sent(b"a")}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_stored(
    browser: Client, folder: Path, fields: dict[str, Any], says: str
) -> None:
    answer = browser.post(PAGE, {"kind": "passport", **fields})

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Document.objects.exists()
    assert not files_in(folder)


def test_a_request_far_too_large_gets_a_page_of_its_own(browser: Client, folder: Path) -> None:
    answer = browser.post(
        PAGE,
        b"--b",
        content_type="multipart/form-data; boundary=b",
        CONTENT_LENGTH="1000000000",
    )

    assert answer.status_code == 413
    assert "That was too much at once" in answer.content.decode()


def test_many_files_in_one_form_are_refused(browser: Client, folder: Path) -> None:
    files = {f"file{number}": sent(b"a") for number in range(20)}
    answer = browser.post(PAGE, {"kind": "passport", **files})

    assert answer.status_code == 400
    assert not Document.objects.exists()


def test_uploads_are_limited_by_the_minute(
    browser: Client, folder: Path, settings: Settings
) -> None:
    settings.API_RATES = {**settings.API_RATES, "document": 2}

    answers = [upload(browser, b"wrong").status_code for _ in range(4)]

    # A minute may end in between.
    assert answers[:2] == [422, 422]
    assert answers[2:] == [429, 429] or 429 not in answers[2:3]


def test_storage_that_is_away_is_told_with_when_to_come_back(browser: Client, folder: Path) -> None:
    folder.write_text("a file stands in its place")

    answer = upload(browser, picture())

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "Try again in a few minutes" in answer.content.decode()
    assert not Document.objects.exists()


def test_a_rejected_document_shows_why(browser: Client, buyer: User, folder: Path) -> None:
    upload(browser, picture())
    documents.reject(
        document_id=Document.objects.get().pk,
        officer=new_officer("review_document"),
        reason="cut_off",
        note="The lower edge <b>is</b> missing",
        now=timezone.now(),
    )

    page = browser.get(PAGE).content.decode()

    assert "Not accepted" in page
    assert "A part of it is missing" in page
    assert "The lower edge &lt;b&gt;is&lt;/b&gt; missing" in page


def test_one_looks_at_ones_own_document_and_withdraws_it(browser: Client, folder: Path) -> None:
    upload(browser, pdf(2))
    document = Document.objects.get()

    shown = browser.get(reverse("document", args=[document.pk])).content.decode()
    assert shown.count(f"{document.pk}/pages/") == 2
    asked = browser.get(reverse("document_withdraw", args=[document.pk]))
    assert asked.status_code == 200
    browser.post(reverse("document_withdraw", args=[document.pk]))
    document.refresh_from_db()
    assert document.state == "WITHDRAWN"
    assert "No documents yet" in browser.get(PAGE).content.decode()


@pytest.mark.parametrize("name", ["document", "document_withdraw"])
def test_a_strangers_document_is_not_there(browser: Client, folder: Path, name: str) -> None:
    upload(browser, picture())
    document = Document.objects.get()
    stranger = Client()
    stranger.force_login(onboarded())

    address = reverse(name, args=[document.pk])

    assert stranger.get(address).status_code == 404
    assert stranger.post(address).status_code in (404, 405)
    document.refresh_from_db()
    assert document.state == "PENDING"


def test_who_has_not_onboarded_is_led_there_first(client: Client, folder: Path) -> None:
    client.force_login(new_user())

    for answer in (client.get(PAGE), upload(client, picture())):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/onboarding/")
    assert not files_in(folder)


def test_who_is_not_signed_in_uploads_nothing(client: Client, folder: Path) -> None:
    answer = upload(client, picture())

    assert answer.status_code == 302
    assert not files_in(folder)


def test_the_settings_page_tells_where_documents_stand(browser: Client, folder: Path) -> None:
    upload(browser, picture())

    page = browser.get("/account/settings/").content.decode()

    assert PAGE in page
    assert "1 waits for review" in page


def test_a_text_that_has_changed_is_agreed_to_anew(client: Client, folder: Path) -> None:
    person = onboarded()
    client.force_login(person)
    assert upload(client, picture(), consent="on").status_code == 302
    assert "has changed since you agreed" not in client.get(PAGE).text
    before = ConsentText.objects.create(
        sha256="0" * 64, document=VERIFICATION.document, version="2026-11", text="Of before."
    )
    Consent.objects.filter(text_id=VERIFICATION.sha256).update(text=before)

    assert "has changed since you agreed" in client.get(PAGE).text
    with pytest.raises(DocumentRefused, check=lambda error: error.code == "consent_changed"):
        documents.store(user=person, kind="passport", file=sent(picture()), now=timezone.now())
    assert upload(client, picture(), consent="on").status_code == 302


def test_the_first_upload_needs_consent_and_records_it(client: Client, folder: Path) -> None:
    person = onboarded()
    client.force_login(person)
    assert "photo of my face" in client.get(PAGE).text

    refused = upload(client, picture())
    assert refused.status_code == 422
    assert "Read the text on documents and agree to it first." in refused.text
    assert not Document.objects.exists()
    assert upload(client, picture(), consent="on").status_code == 302

    consent = Consent.objects.get(user=person, text__document="verification")
    assert consent.text_id == VERIFICATION.sha256
    assert consent.accepted_at <= Document.objects.get().uploaded_at
    assert "photo of my face" not in client.get(PAGE).text
