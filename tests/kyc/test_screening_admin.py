"""Matches and lists in the back office."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from compliance.models import AuditRow, Proposal
from kyc import erasure, screening
from kyc.cases.requirements import requirements
from kyc.models import Case, ScreeningMatch, ScreeningRun
from kyc.screening import lists
from tests.kyc import casework
from tests.kyc.test_screening import apply, row, written
from tests.people import TOTP_SECRET, new_officer, onboarded, signed_in_recently

pytestmark = pytest.mark.django_db
OFFICER = ("view_screeningmatch", "view_screeninglist", "view_screeningrun")


@pytest.fixture
def match(tmp_path: Path) -> ScreeningMatch:
    path = written(
        tmp_path, row("x-1", "Zoltan Invented", birth_date="1970-01-01", countries="hu;br")
    )
    lists.load(path=path, name="default", actor="system:test", now=timezone.now())
    return screening.open_matches(apply("Zoltan Invented")).get()


def officer(client: Client, *permissions: str) -> Client:
    return signed_in_recently(client, new_officer(*OFFICER, *permissions))


def press(client: Client, match: ScreeningMatch, what: str, reason: str) -> Any:
    address = reverse(f"admin:kyc_screeningmatch_{what}", args=[match.pk])
    return client.post(address, {"_form_submitted": "on", "reason": reason})


def test_a_match_shows_both_sides(client: Client, match: ScreeningMatch) -> None:
    page = officer(client).get(reverse("admin:kyc_screeningmatch_change", args=[match.pk]))

    text = page.content.decode()
    assert text.count("Zoltan Invented") >= 2
    assert "1970-01-01" in text
    assert "hu; br" in text


def test_who_looks_at_the_name_is_written_down(client: Client, match: ScreeningMatch) -> None:
    browser = officer(client)

    browser.get(reverse("admin:kyc_screeningmatch_change", args=[match.pk]))

    row = AuditRow.objects.get(action="personal_data.viewed")
    assert row.object_id == str(match.application_id)
    assert row.evidence == {"fields": ["full_name"]}


def test_a_match_of_an_erased_person_can_be_opened(client: Client, match: ScreeningMatch) -> None:
    erasure.forget(user_id=match.application.user_id, now=timezone.now())

    page = officer(client).get(reverse("admin:kyc_screeningmatch_change", args=[match.pk]))

    assert "erased" in page.content.decode()


def test_an_officer_dismisses_with_a_reason(client: Client, match: ScreeningMatch) -> None:
    press(officer(client, "review_match"), match, "dismiss", "Born elsewhere.")

    match.refresh_from_db()
    assert (match.state, match.reason) == ("DISMISSED", "Born elsewhere.")


def test_an_officer_confirms(client: Client, match: ScreeningMatch) -> None:
    press(officer(client, "review_match"), match, "confirm", "Same passport.")

    match.refresh_from_db()
    assert match.state == "CONFIRMED"


def test_who_may_only_look_cannot_decide(client: Client, match: ScreeningMatch) -> None:
    answer = press(officer(client), match, "dismiss", "No.")

    match.refresh_from_db()
    assert answer.status_code == 403
    assert match.state == "OPEN"


def test_the_page_says_when_no_list_is_loaded(client: Client) -> None:
    page = officer(client).get(reverse("admin:kyc_screeninglist_changelist"))

    assert "No list is loaded" in page.content.decode()


def test_an_officer_has_everybody_looked_up(client: Client, match: ScreeningMatch) -> None:
    browser = officer(client, "load_list")

    address = reverse("admin:kyc_screeninglist_look_up_everybody")
    browser.post(address, {"_form_submitted": "on"})

    run = ScreeningRun.objects.get(cause="ASKED")
    begun = AuditRow.objects.get(action="screening.run_begun", object_id=str(run.pk))
    assert begun.actor == f"user:{browser.session['_auth_user_id']}"
    shown = browser.get(reverse("admin:kyc_screeningrun_change", args=[run.pk])).content.decode()
    assert str(run.pk) in shown
    for name in ("screeninglist", "screeningrun", "screeningmatch"):
        assert browser.get(reverse(f"admin:kyc_{name}_changelist")).status_code == 200


def test_nobody_reads_what_is_suspected_of_themselves(
    client: Client, match: ScreeningMatch
) -> None:
    themselves = match.application.user
    themselves.is_staff = True
    themselves.save(update_fields=["is_staff"])
    add_authenticator_app(user=themselves, secret=TOTP_SECRET)
    looks = Permission.objects.filter(codename__in=["view_screeningmatch", "view_case"])
    themselves.user_permissions.set(looks)
    browser = signed_in_recently(client, User.objects.get(pk=themselves.pk))
    case = Case.objects.get(application=match.application)

    for name, pk in (("screeningmatch", match.pk), ("case", case.pk)):
        listed = browser.get(reverse(f"admin:kyc_{name}_changelist"))
        assert listed.status_code == 200
        assert str(pk) not in listed.content.decode()
        assert browser.get(reverse(f"admin:kyc_{name}_change", args=[pk])).status_code == 302


def shown(browser: Client, match: ScreeningMatch) -> str:
    return browser.get(reverse("admin:kyc_screeningmatch_change", args=[match.pk])).content.decode()


def offered(browser: Client, match: ScreeningMatch) -> set[str]:
    """What the page of the match lets the officer do."""
    addresses = {
        name: reverse(f"admin:kyc_screeningmatch_{name}", args=[match.pk])
        for name in ("dismiss", "propose_dismissal", "confirm", "reopen")
    }
    page = shown(browser, match)
    return {name for name, address in addresses.items() if address in page}


def test_only_an_open_match_offers_its_decisions(client: Client, match: ScreeningMatch) -> None:
    browser = officer(client, "review_match")

    assert offered(browser, match) == {"dismiss", "confirm"}
    press(browser, match, "dismiss", "Born elsewhere.")
    assert offered(browser, match) == {"reopen"}


def test_what_pauses_buying_two_people_dismiss(client: Client) -> None:
    match = casework.a_match(onboarded().kyc_application, by=ScreeningMatch.By.IDENTIFIER)
    browser = officer(client, "review_match", "view_case", "view_proposal")
    assert offered(browser, match) == {"propose_dismissal", "confirm"}
    assert "This match pauses buying: two people end it." in shown(browser, match)
    assert press(browser, match, "dismiss", "Born elsewhere.").status_code == 403

    press(browser, match, "propose_dismissal", "Born elsewhere.")

    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("kyc.dismiss_match", str(match.pk))
    assert offered(browser, match) == {"confirm"}
    assert reverse("admin:compliance_proposal_change", args=[proposal.pk]) in shown(browser, match)

    casework.approve(proposal, casework.officer())
    assert offered(browser, match) == {"reopen"}
    assert "pauses buying" not in shown(browser, match)


def test_a_confirmed_match_says_that_its_pause_goes_on(client: Client) -> None:
    match = casework.a_match(onboarded().kyc_application, by=ScreeningMatch.By.IDENTIFIER)
    browser = officer(client, "review_match")

    press(browser, match, "confirm", "Same passport.")

    assert "two people decide in the case" in shown(browser, match)


def test_who_was_looked_up_is_not_looked_up_soon(match: ScreeningMatch) -> None:
    (look_up,) = (
        one for one in requirements(match.application.cases.get()) if one.code == "LOOK_UP"
    )

    assert (look_up.done, look_up.detail) == (True, "")
