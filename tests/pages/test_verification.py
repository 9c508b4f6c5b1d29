"""The verification page: what it shows in each standing, and handing in."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from kyc import cases
from kyc.models import Application, Case, Document
from tests.kyc import casework
from tests.kyc.casework import officer
from tests.people import new_user, onboarded

pytestmark = pytest.mark.django_db


@pytest.fixture
def page() -> str:
    casework.second_tier()
    return reverse("verification")


def browser_of(case: Case) -> Client:
    browser = Client()
    browser.force_login(case.application.user)
    return browser


def test_who_has_not_said_who_they_are_is_led_to_that(page: str, client: Client) -> None:
    client.force_login(new_user())

    assert client.get(page).headers["Location"] == reverse("onboarding")


def test_it_is_for_people_who_have_signed_in(page: str, client: Client) -> None:
    assert reverse("account_login") in client.get(page).headers["Location"]


def test_it_shows_tiers_limits_and_what_is_missing(page: str, client: Client) -> None:
    client.force_login(onboarded())

    shown = client.get(page).content.decode()

    for words in ("Verified for tier 1", "$5,000.00", "Your identity document", "Still missing"):
        assert words in shown
    assert "Hand in" not in shown


def test_handing_in_puts_it_before_officers(page: str, client: Client) -> None:
    client.force_login(casework.with_documents(onboarded()))

    answer = client.post(page, follow=True)

    assert "Handed in." in answer.content.decode()
    assert "Being reviewed" in answer.content.decode()
    assert Case.objects.count() == 1


def test_handing_in_with_something_missing_says_so(page: str, client: Client) -> None:
    client.force_login(onboarded())

    answer = client.post(page)

    assert answer.status_code == 422
    assert "Upload what is still missing first." in answer.content.decode()


def test_a_question_stands_there_as_it_was_written_and_harmless(page: str) -> None:
    mine = officer()
    case = casework.taken(mine)
    cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ANSWER"],
        text="Is <b>this</b> yours?",
        version=case.version,
        now=timezone.now(),
    )
    browser = browser_of(case)

    shown = browser.get(page).content.decode()
    assert "Is &lt;b&gt;this&lt;/b&gt; yours?" in shown
    assert browser.post(page, {"answer": ""}).status_code == 422
    assert browser.post(page, {"answer": "Yes."}).status_code == 302


def test_an_answer_is_written_once_the_documents_are_there(page: str) -> None:
    mine = officer()
    case = casework.taken(mine)
    cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ADDRESS", "ANSWER"],
        text="Where do you live?",
        version=case.version,
        now=timezone.now(),
    )
    browser = browser_of(case)

    shown = browser.get(page).content.decode()
    assert "you write your answer here" in shown
    assert "<textarea" not in shown

    refused = browser.post(page, {"answer": "In Lambaré."}).content.decode()
    assert "Upload what is still missing first." in refused
    assert "In Lambaré.</textarea>" in refused
    assert "Hand in" in refused

    bills = case.application.documents.filter(kind=Document.Kind.PROOF_OF_ADDRESS)
    bills.update(uploaded_at=timezone.now())
    assert "<textarea" in browser.get(page).content.decode()


def test_a_rejected_person_reads_why_and_from_when_on_they_may_try_again(page: str) -> None:
    proposal = casework.rejection_proposed(officer())
    casework.approve(proposal, officer())
    case = Case.objects.get(pk=proposal.object_id)

    shown = browser_of(case).get(page).content.decode()

    assert "One of your documents has expired." in shown
    assert "Your passport ran out in May." in shown
    assert "You can apply again from" in shown
    assert "Hand in" not in shown


def test_a_suspended_person_is_told_and_cannot_buy(page: str, client: Client) -> None:
    person = onboarded()
    Application.objects.filter(user=person).update(status=Application.Status.SUSPENDED)
    client.force_login(person)

    assert "Suspended" in client.get(page).content.decode()
    assert client.get(reverse("buy")).headers["Location"].startswith(reverse("onboarding"))
    assert client.get(reverse("onboarding")).headers["Location"] == page


def test_with_the_highest_tier_there_is_nothing_to_hand_in(page: str, client: Client) -> None:
    person = onboarded()
    Application.objects.filter(user=person).update(tier=2)
    client.force_login(person)

    assert "Fully verified" in client.get(page).content.decode()


def test_notes_of_officers_are_never_shown(page: str) -> None:
    mine = officer()
    case = casework.taken(mine)
    now = timezone.now() + timedelta(seconds=1)
    cases.note(case_id=case.pk, officer=mine, text="Looks odd.", version=case.version, now=now)

    assert "odd" not in browser_of(case).get(page).content.decode()
