"""The person's page on their own data, and erasure as they see it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from compliance.models import DataExport, ErasureRequest
from compliance.personal_data import exports
from kyc import consent
from kyc.models import Document, DocumentView
from tests.copying import new_account
from tests.people import new_user, note_sign_in, onboarded

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PAGE, COPIES = "/account/privacy/", "/account/privacy/copies/"
ERASURE, UNDO = "/account/privacy/erasure/", "/account/privacy/erasure/undo/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    user = onboarded(now=NOW)
    user.set_password("long enough 4711")
    user.save()
    return user


@pytest.fixture
def browser(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


def test_consents_are_shown_with_text_time_and_hash(browser: Client, person: User) -> None:
    page = browser.get(PAGE).content.decode()

    assert "I ask Agora to open a tier 1 account" in page
    assert "2 Nov 2026, 12:00 UTC" in page
    assert person.kyc_application.consent_hash in page


def test_each_consent_says_what_it_is_for(browser: Client, person: User) -> None:
    consent.record(user=person, terms=consent.VERIFICATION, language="en", now=NOW)

    page = " ".join(browser.get(PAGE).content.decode().split())

    assert "Your account · Version" in page
    assert "Your documents · Version" in page
    assert page.count("Your account stands on this consent") == 1


def test_who_looked_at_documents_is_told_by_role_and_not_by_name(
    browser: Client, person: User
) -> None:
    officer = new_user(email="officer.canary@example.com", is_staff=True)
    document = Document.objects.create(
        application=person.kyc_application, kind="passport", media_type="image/jpeg",
        sha256="0" * 64, size=1, page_count=1, uploaded_at=NOW,
    )  # fmt: skip
    DocumentView.objects.create(document=document, page=1, viewer=officer, purpose="review", at=NOW)

    page = browser.get(PAGE).content.decode()

    assert "An officer of Agora" in page
    assert "Review by an officer" in page
    assert "officer.canary" not in page
    assert str(officer.pk) not in page


def test_views_of_other_peoples_documents_are_not_shown(browser: Client) -> None:
    other = onboarded()
    document = Document.objects.create(
        application=other.kyc_application, kind="passport", media_type="image/jpeg",
        sha256="0" * 64, size=1, page_count=1, uploaded_at=NOW,
    )  # fmt: skip
    DocumentView.objects.create(document=document, page=1, viewer=other, purpose="own", at=NOW)

    assert "Nobody yet." in browser.get(PAGE).content.decode()


def test_a_copy_is_asked_for_by_a_button(browser: Client, person: User) -> None:
    answer = browser.post(COPIES, follow=True)

    assert "Your copy is being put together" in answer.content.decode()
    assert DataExport.objects.get().user_id == person.pk
    assert "is being put together already" in browser.post(COPIES, follow=True).content.decode()


def test_a_copy_is_downloaded_only_by_who_has_just_shown_who_they_are(
    browser: Client, person: User
) -> None:
    now = datetime.now(UTC)
    export = exports.request(user=person, actor="system:test", now=now)
    exports.step(export_id=export.pk, now=now)
    note_sign_in(browser, person, "password", ago=3600)

    answer = browser.get(f"{COPIES}{export.pk}/")

    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]


def test_erasure_needs_a_recent_sign_in_too(browser: Client, person: User) -> None:
    note_sign_in(browser, person, "password", ago=36000)

    assert "reauthenticate" in browser.post(ERASURE, {"understood": "on"})["Location"]
    assert not ErasureRequest.objects.exists()


def test_the_page_says_what_is_erased_and_for_how_long_the_law_keeps_the_rest(
    browser: Client,
) -> None:
    page = " ".join(browser.get(ERASURE).content.decode().split())

    assert "Erased when the account is closed" in page
    assert "for 10 years after the account is closed" in page
    assert "Backups of the database still hold what was erased" in page


def test_somebody_who_never_applied_reads_of_no_law_that_keeps_anything(client: Client) -> None:
    client.force_login(new_user())

    page = client.get(ERASURE).content.decode()

    assert "Kept for as long as the law asks" not in page
    assert "the key under which everything else about you is encrypted" in page


def test_erasure_is_asked_for_once_the_box_is_ticked(browser: Client) -> None:
    assert "Tick the box first" in browser.post(ERASURE, {}).content.decode()
    assert not ErasureRequest.objects.exists()

    page = browser.post(ERASURE, {"understood": "on"}, follow=True).content.decode()

    assert "Your account will be closed" in page
    assert ErasureRequest.objects.get().state == ErasureRequest.State.REQUESTED


def test_what_has_to_be_wound_up_first_is_named_with_the_way_there(
    browser: Client, person: User
) -> None:
    new_account(user=person)

    answer = browser.post(ERASURE, {"understood": "on"})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Remove it first." in page
    assert 'href="/copy/accounts/"' in page
    assert not ErasureRequest.objects.exists()


def test_erasure_is_undone_by_a_button(browser: Client) -> None:
    browser.post(ERASURE, {"understood": "on"})

    page = browser.post(UNDO, follow=True).content.decode()

    assert "Your account stays. Nothing was erased." in page
    assert ErasureRequest.objects.get().state == ErasureRequest.State.WITHDRAWN
    assert "There is nothing to undo" in browser.post(UNDO, follow=True).content.decode()


@pytest.mark.parametrize("page", [PAGE, ERASURE])
def test_visitors_sign_in_first(client: Client, page: str) -> None:
    assert "/account/login/" in client.get(page)["Location"]


def test_the_settings_lead_here(browser: Client) -> None:
    assert f'href="{PAGE}"' in browser.get("/account/settings/").content.decode()


def test_looks_of_a_day_are_one_line_and_older_ones_are_on_the_next_page(
    browser: Client, person: User
) -> None:
    officer = new_user(is_staff=True)
    document = Document.objects.create(
        application=person.kyc_application, kind="passport", media_type="image/jpeg",
        sha256="0" * 64, size=1, page_count=2, uploaded_at=NOW,
    )  # fmt: skip
    for day in range(25):
        for number in (1, 2):
            DocumentView.objects.create(
                document=document, page=number, viewer=officer, purpose="review",
                at=NOW - timedelta(days=day),
            )  # fmt: skip

    first, second = browser.get(PAGE).text, browser.get(f"{PAGE}?page=2").text

    assert (first.count("An officer of Agora"), second.count("An officer of Agora")) == (20, 5)
    assert "2 pages" in first
    assert "Page 1 of 2" in first


def test_with_an_obstacle_there_is_a_way_to_it_instead_of_the_form(
    browser: Client, person: User
) -> None:
    note_sign_in(browser, person, "password")
    new_account(user=person)

    page = browser.get(ERASURE).text

    assert 'href="/copy/accounts/"' in page
    assert 'name="understood"' not in page
    assert "Look again" in page
