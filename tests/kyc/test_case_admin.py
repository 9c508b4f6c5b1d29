"""The case queue and the page of one case in the back office, as officers see and use them."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.forms import Form
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.serializers import Serializer

from accounts.models import User, Wallet
from compliance import four_eyes
from compliance.models import AuditRow, Proposal
from kyc import cases, screening
from kyc.admin import case_forms
from kyc.admin.case_list import waiting_count
from kyc.api.case_actions import ApproveRequest, RejectDocumentRequest, RejectRequest
from kyc.documents.refusals import LONGEST_NOTE
from kyc.models import Case, CaseEvent, Document, ScreeningMatch
from kyc.states import State
from tests.kyc import casework
from tests.kyc.casework import applied, fresh, officer, taken
from tests.people import onboarded
from tests.quoting import a_quote
from tests.settling import place
from trading import quotes
from trading.models import Order

pytestmark = pytest.mark.django_db
LIST = "admin:kyc_case_changelist"


def seen_by(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def page(case: Case) -> str:
    return reverse("admin:kyc_case_change", args=[case.pk])


def act(browser: Client, case: Case, name: str, *, version: int | None = None, **data: Any) -> Any:
    """Send the dialog of an action, as made for this version of the case."""
    address = reverse(f"admin:kyc_case_{name}", args=[case.pk])
    shown = case.version if version is None else version
    document = data.pop("document", None)
    query = f"?version={shown}" + (f"&document={document}" if document else "")
    return browser.post(address + query, {"_form_submitted": "on", **data})


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_queue_shows_state_due_time_country_and_who_has_it() -> None:
    mine = officer()
    taken(mine)

    shown = text(seen_by(mine).get(reverse(LIST)))

    for words in ("Under review", "in time", "Brazil", mine.email, "Take next"):
        assert words in shown


@pytest.mark.parametrize(
    ("hours_left", "words"), [(12, "in time"), (3, "due soon"), (-5, "overdue by 5 h")]
)
def test_how_urgent_a_case_is_stands_in_words(hours_left: int, words: str) -> None:
    case = applied()
    Case.objects.filter(pk=case.pk).update(
        due_at=timezone.now() + timedelta(hours=hours_left, seconds=30 if hours_left > 0 else -30)
    )

    assert words in text(seen_by(officer()).get(reverse(LIST)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"mine", "other", "free"}),
        ({"queue": "mine"}, {"mine"}),
        ({"queue": "unassigned"}, {"free"}),
        ({"queue": "overdue"}, {"free"}),
        ({"queue": "closed"}, {"closed"}),
        ({"queue": "all"}, {"mine", "other", "free", "closed"}),
        ({"state__exact": "PENDING"}, {"free"}),
        ({"application__country__exact": "PY"}, set()),
    ],
)
def test_the_queue_is_narrowed_by_filters(query: dict[str, str], expected: set[str]) -> None:
    me = officer()
    proposal = casework.rejection_proposed(officer())
    casework.approve(proposal, officer())
    found = {
        "closed": Case.objects.get(pk=proposal.object_id),
        "mine": taken(me),
        "other": taken(officer()),
        "free": applied(),
    }
    Case.objects.filter(pk=found["free"].pk).update(due_at=timezone.now() - timedelta(hours=1))

    shown = text(seen_by(me).get(reverse(LIST), query))

    assert {name for name, case in found.items() if str(case.pk) in shown} == expected


def test_take_next_opens_the_case_that_is_due_first() -> None:
    case = applied()
    me = officer()

    answer = seen_by(me).post(reverse("admin:kyc_case_take_next"))

    assert answer.headers["Location"] == page(case)
    assert fresh(case).assigned_to == me


def test_take_next_says_when_nothing_waits() -> None:
    answer = seen_by(officer()).post(reverse("admin:kyc_case_take_next"), follow=True)

    assert "Nothing waits for you." in text(answer)


def test_looking_changes_nothing() -> None:
    case = applied()
    browser = seen_by(officer())

    assert browser.get(reverse("admin:kyc_case_take_next")).status_code == 405
    browser.get(page(case))
    browser.get(reverse("admin:kyc_case_take", args=[case.pk]))
    assert fresh(case).version == case.version


def test_who_may_only_look_sees_the_case_and_no_button() -> None:
    case = applied()
    browser = seen_by(officer(*casework.LOOKS))

    shown = text(browser.get(page(case)))

    assert "Required actions" in shown
    assert reverse("admin:kyc_case_take", args=[case.pk]) not in shown
    assert browser.post(reverse("admin:kyc_case_take_next")).status_code == 403
    assert act(browser, case, "take").status_code == 403
    assert act(browser, case, "note", text="Hi").status_code == 403
    assert fresh(case).version == case.version


def test_who_may_not_look_at_cases_gets_nothing() -> None:
    case = applied()
    browser = seen_by(officer("trading.view_order"))

    assert browser.get(reverse(LIST)).status_code == 403
    assert browser.get(page(case)).status_code == 403


def test_customers_do_not_get_in() -> None:
    case = applied()
    browser = seen_by(case.application.user)

    assert browser.get(page(case)).status_code in (302, 403)


def test_the_page_shows_who_it_is_about_and_that_is_written_down() -> None:
    case = applied()
    me = officer()

    shown = text(seen_by(me).get(page(case)))

    assert "Person of a Test" in shown
    row = AuditRow.objects.filter(action="personal_data.viewed").latest("id")
    assert row.actor == f"user:{me.pk}"
    assert row.object_id == str(case.application_id)
    assert row.evidence == {"fields": ["full_name", "tax_id", "texts"]}


def test_a_case_is_taken_by_its_dialog() -> None:
    case = applied()
    me = officer()

    answer = act(seen_by(me), case, "take")

    assert answer.headers["HX-Redirect"] == page(case)
    assert fresh(case).lock_holder(timezone.now()) == me.pk


def test_a_dialog_opened_in_a_tab_of_its_own_is_a_page_that_leads_back() -> None:
    case = applied()
    browser = seen_by(officer())
    address = reverse("admin:kyc_case_take", args=[case.pk])

    whole = text(browser.get(address))
    assert "<title>" in whole
    assert "Take this case" in whole
    assert f'data-back="{page(case)}"' in whole
    assert 'name="_form_submitted"' in whole
    part = text(browser.get(address, headers={"HX-Request": "true"}))
    assert "<title>" not in part


@pytest.mark.parametrize("language", ["en", "es", "pt-br"])
def test_moments_have_one_form_in_every_language(language: str) -> None:
    case = taken(officer())
    reader = officer("kyc.view_document")
    handed_in = Document.objects.filter(application=case.application).latest("uploaded_at")
    browser = seen_by(reader)

    listed = browser.get(
        reverse("admin:kyc_document_changelist"), headers={"Accept-Language": language}
    )

    assert f"{handed_in.uploaded_at:%Y-%m-%d %H:%M}" in text(listed)


def test_others_see_who_reviews_and_get_no_buttons_for_it() -> None:
    reviewing = officer()
    case = taken(reviewing)

    shown = text(seen_by(officer()).get(page(case)))

    assert f"Being reviewed by {reviewing.email}, until {case.lock_until:%H:%M} UTC" in shown
    assert reverse("admin:kyc_case_propose_rejection", args=[case.pk]) not in shown


def test_a_refusal_stands_in_the_dialog_and_keeps_what_was_written() -> None:
    me = officer()
    case = taken(me)

    answer = act(seen_by(me), case, "note", version=case.version - 1, text="Long thoughts")

    assert "This case was changed since you opened it" in text(answer)
    assert "Long thoughts" in text(answer)
    assert not case.events.filter(kind=CaseEvent.Kind.NOTED).exists()


def test_links_carry_the_version_that_the_officer_sees() -> None:
    me = officer()
    case = taken(me)

    shown = text(seen_by(me).get(page(case)))

    link = reverse("admin:kyc_case_ask", args=[case.pk])
    assert f"{link}?version={case.version}" in shown


def test_asking_for_more_by_the_dialog() -> None:
    me = officer()
    case = taken(me)

    act(seen_by(me), case, "ask", needs=["SELFIE"], text="Without hat, please.")

    assert fresh(case).state == State.INFO_REQUESTED


def test_a_required_action_is_ticked_by_its_button() -> None:
    me = officer()
    case = taken(me)
    address = reverse("admin:kyc_case_check", args=[case.pk])

    seen_by(me).post(f"{address}?version={case.version}", {"code": "NAME"})

    assert [check.code for check in fresh(case).checks.all()] == ["NAME"]


def test_the_approve_button_appears_once_everything_is_done() -> None:
    me = officer()
    case = taken(me)
    browser, link = seen_by(me), reverse("admin:kyc_case_propose_approval", args=[case.pk])
    assert link not in text(browser.get(page(case)))

    case = casework.all_done(case, me)

    assert link in text(browser.get(page(case)))
    act(browser, case, "propose_approval", outcome="VERIFIED", reason="All compared.")
    assert fresh(case).state == State.AWAITING_SECOND


def test_the_service_gates_the_approval_whatever_the_page_shows() -> None:
    me = officer()
    case = taken(me)

    answer = act(seen_by(me), case, "propose_approval", outcome="VERIFIED", reason="Fine.")

    assert "Still to be done" in text(answer)
    assert not Proposal.objects.exists()


def test_a_proposal_is_taken_back_from_the_page() -> None:
    me = officer()
    case = Case.objects.get(pk=casework.approval_proposed(me).object_id)
    browser = seen_by(me)
    assert "Take back the proposal" in text(browser.get(page(case)))

    act(browser, case, "take_back")

    assert fresh(case).state == State.UNDER_REVIEW


def test_documents_stand_side_by_side_and_each_side_can_be_changed() -> None:
    mine = officer()
    case = taken(mine)
    order = (Document.Kind.PASSPORT, Document.Kind.PROOF_OF_ADDRESS, Document.Kind.SELFIE)
    first, second, third = (case.application.documents.get(kind=kind) for kind in order)
    browser = seen_by(mine)

    shown = text(browser.get(page(case)))
    assert f'src="{image(first)}"' in shown
    assert f'src="{image(second)}"' in shown
    assert f'src="{image(third)}"' not in shown

    chosen = text(browser.get(page(case), {"left": f"{third.pk}.1", "right": "nonsense"}))
    assert f'src="{image(third)}"' in chosen


def image(document: Document) -> str:
    return reverse("admin:kyc_document_page", args=[document.pk, 1])


def test_a_document_is_accepted_and_another_is_not_from_the_page() -> None:
    me = officer()
    case = taken(me)
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    selfie = case.application.documents.get(kind=Document.Kind.SELFIE)
    browser = seen_by(me)

    act(browser, case, "accept_document", document=passport.pk)
    act(
        browser,
        fresh(case),
        "reject_document",
        document=selfie.pk,
        reason="unreadable",
        text="Too dark.",
    )

    passport.refresh_from_db()
    selfie.refresh_from_db()
    assert (passport.state, selfie.state) == ("ACCEPTED", "REJECTED")
    shown = text(browser.get(page(case)))
    assert "Passport, page with the photo: Accepted" in shown


def test_a_document_of_an_open_case_leads_to_the_case_and_has_no_buttons() -> None:
    me = officer()
    case = taken(me)
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    accept = reverse("admin:kyc_document_accept_document", args=[passport.pk])
    browser = seen_by(me)

    shown = text(browser.get(reverse("admin:kyc_document_change", args=[passport.pk])))
    answer = browser.post(accept, {"_form_submitted": "on"}, follow=True)

    assert page(case) in shown
    assert accept not in shown
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert said == ["This person has an open case. Take it and decide about their documents there."]
    passport.refresh_from_db()
    assert passport.state == "PENDING"


def test_nobody_reads_their_own_documents_in_the_back_office() -> None:
    case = applied()
    me = case.application.user
    User.objects.filter(pk=me.pk).update(is_staff=True)
    casework.allow(me, *casework.WORKS)
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)

    answer = seen_by(me).get(reverse("admin:kyc_document_change", args=[passport.pk]))

    assert page(case) not in text(answer)
    assert answer.status_code != 200


def test_another_persons_document_cannot_be_judged_in_a_case() -> None:
    me = officer()
    case, other = taken(me), applied()
    theirs = other.application.documents.first()
    assert theirs is not None

    answer = act(seen_by(me), case, "accept_document", document=theirs.pk)

    assert "no such document" in text(answer)
    theirs.refresh_from_db()
    assert theirs.state == "PENDING"


def test_the_open_page_keeps_its_lock_and_reloads_once_it_is_lost() -> None:
    me = officer()
    case = taken(me)
    browser, address = seen_by(me), reverse("admin:kyc_case_keep", args=[case.pk])

    assert browser.post(address).status_code == 204
    cases.release(case_id=case.pk, officer=me, version=case.version, now=timezone.now())
    assert browser.post(address).headers["HX-Refresh"] == "true"


def test_notes_and_the_timeline_show_who_did_what() -> None:
    me = officer()
    case = taken(me)
    act(seen_by(me), case, "note", text="Called the bank.")

    shown = text(seen_by(officer()).get(page(case)))

    assert shown.count("Called the bank.") == 2
    assert "Taken for review" in shown
    assert me.email in shown


def test_dialogs_and_requests_take_no_more_text_than_the_services() -> None:
    def longest(form: type[Form], request: type[Serializer[Any]], name: str) -> tuple[int, int]:
        return form.base_fields[name].max_length, request().fields[name].max_length  # type: ignore[attr-defined]

    note = longest(case_forms.RejectDocumentForm, RejectDocumentRequest, "text")
    reasons = [
        longest(case_forms.ApproveForm, ApproveRequest, "reason"),
        longest(case_forms.RejectForm, RejectRequest, "reason"),
    ]

    assert note == (LONGEST_NOTE, LONGEST_NOTE)
    assert reasons == [(four_eyes.LONGEST_TEXT, four_eyes.LONGEST_TEXT)] * 2


def test_the_first_page_counts_what_waits() -> None:
    me = officer("kyc.view_case", "compliance.view_proposal", "compliance.decide_proposal")
    casework.approval_proposed(officer())
    case = applied()
    Case.objects.filter(pk=case.pk).update(due_at=timezone.now() - timedelta(hours=1))

    shown = seen_by(me).get(reverse("admin:index"))

    counts = {str(figure.title): figure.value for figure in shown.context["figures"]}
    assert counts == {"Cases with officers": "1", "Overdue cases": "1", "Decisions for you": "1"}


def test_the_first_page_counts_nothing_for_who_may_not_see_it() -> None:
    shown = seen_by(officer("copytrade.view_fill")).get(reverse("admin:index"))

    assert shown.context["figures"] == []


def test_the_first_page_leads_to_orders_that_need_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "current_quote", lambda *, now: a_quote())
    order = place(onboarded(), nudged=False)
    Order.objects.filter(pk=order.pk).update(attention=True)
    browser = seen_by(officer("trading.view_order"))

    (figure,) = browser.get(reverse("admin:index")).context["figures"]

    assert (figure.value, figure.good) == ("1", False)
    (shown,) = browser.get(figure.address).context["cl"].result_list
    assert shown == order


def test_unknown_cases_are_not_found() -> None:
    browser = seen_by(officer())
    unknown = "6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11"

    for name in ("check", "keep"):
        address = reverse(f"admin:kyc_case_{name}", args=[unknown])
        assert browser.post(address).status_code == 404
    address = reverse("admin:kyc_case_take", args=[unknown])
    assert browser.post(address, {"_form_submitted": "on"}).status_code == 404


def test_a_suspension_and_its_end_are_proposed_on_the_application() -> None:
    case = applied()
    browser = seen_by(officer(*casework.LEADS))
    shown = reverse("admin:kyc_application_change", args=[case.application_id])
    suspend = reverse("admin:kyc_application_suspend", args=[case.application_id])
    assert "Propose to suspend" in text(browser.get(shown))

    browser.post(suspend, {"_form_submitted": "on", "reason": "Reported."})

    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("kyc.suspend", str(case.application_id))
    casework.approve(proposal, officer())
    assert "Propose to end the suspension" in text(browser.get(shown))


def test_who_works_on_cases_may_not_suspend_by_that_alone() -> None:
    case = applied()
    suspend = reverse("admin:kyc_application_suspend", args=[case.application_id])

    answer = seen_by(officer()).post(suspend, {"_form_submitted": "on", "reason": "Odd."})

    assert answer.status_code == 403
    assert not Proposal.objects.exists()


def test_required_actions_lead_to_where_to_look() -> None:
    case = applied()

    shown = text(seen_by(officer()).get(page(case)))

    assert 'href="#viewer"' in shown
    assert reverse("admin:accounts_wallet_change", args=[case.application.user.wallet.pk]) in shown


def test_a_disputed_wallet_is_called_so() -> None:
    mine = officer()
    case = taken(mine)
    Wallet.objects.filter(user=case.application.user).update(disputed_at=timezone.now())

    shown = text(seen_by(mine).get(page(case)))

    assert f"{case.application.user.wallet.address} (disputed)" in shown


def test_the_dialog_of_taking_says_whose_review_ends_by_it() -> None:
    reviewing, chief = officer(), officer(*casework.LEADS)
    case = taken(reviewing)
    address = reverse("admin:kyc_case_take", args=[case.pk])

    shown = text(seen_by(chief).get(address))
    own = text(seen_by(reviewing).get(address))

    assert f"{reviewing.email} is reviewing it, until {case.lock_until:%H:%M} UTC" in shown
    assert "is reviewing it" not in own


def test_who_is_refused_by_a_lock_reads_whose_it_is() -> None:
    reviewing, me = officer(), officer()
    case = taken(reviewing)

    answer = act(seen_by(me), case, "note", text="Hi")

    told = f"{reviewing.email} is reviewing this case, until {case.lock_until:%H:%M} UTC"
    assert told in text(answer)


def test_after_a_decision_the_next_document_that_waits_takes_its_place() -> None:
    me = officer()
    case = taken(me)
    selfie = case.application.documents.get(kind=Document.Kind.SELFIE)
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    browser = seen_by(me)
    sides = {"left": f"{selfie.pk}.1", "right": f"{passport.pk}.1"}
    shown = text(browser.get(page(case), sides))
    accept = reverse("admin:kyc_case_accept_document", args=[case.pk])
    (link,) = re.findall(rf'href="({accept}[^"]*{selfie.pk}&amp;left[^"]*)"', shown)

    answer = browser.post(html.unescape(link), {"_form_submitted": "on"})

    back = answer.headers["HX-Redirect"]
    assert back.endswith("#viewer")
    again = text(browser.get(back))
    bill = case.application.documents.get(kind=Document.Kind.PROOF_OF_ADDRESS)
    assert again.index(f'src="{image(bill)}"') < again.index(f'src="{image(passport)}"')
    assert f'src="{image(selfie)}"' not in again
    # Another address than before: a browser loads the page anew.
    assert f"version={case.version}" in back


def chosen(browser: Client, case: Case, name: str) -> str:
    """The outcome that a dialog has chosen beforehand."""
    shown = text(browser.get(reverse(f"admin:kyc_case_{name}", args=[case.pk])))
    return "".join(re.findall(r'<option value="(\w*)" selected', shown))


def test_the_outcome_is_chosen_beforehand_by_what_the_case_is_about() -> None:
    me = officer(*casework.LEADS)
    browser, case = seen_by(me), taken(me)
    assert chosen(browser, case, "propose_approval") == "VERIFIED"
    assert chosen(browser, case, "propose_rejection") == ""

    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    act(browser, case, "reject_document", document=passport.pk, reason="expired")
    assert chosen(browser, case, "propose_rejection") == "EXPIRED"

    Case.objects.update(is_unanswered=True)
    assert chosen(browser, case, "propose_rejection") == "NO_ANSWER"

    Case.objects.update(cause="ONBOARDING")
    assert chosen(browser, case, "propose_approval") == "VERIFIED"
    casework.a_match(case.application)
    ScreeningMatch.objects.update(
        state="CONFIRMED", decided_by=me, decided_at=timezone.now(), reason="Same."
    )
    assert chosen(browser, case, "propose_rejection") == "RISK_CONFIRMED"
    assert chosen(browser, case, "propose_approval") == "NO_RISK"


def test_an_outcome_that_was_chosen_stays_when_the_dialog_comes_back() -> None:
    me = officer()
    case = taken(me)

    answer = act(seen_by(me), case, "propose_rejection", outcome="OTHER", reason="", text="No.")

    assert re.findall(r'<option value="(\w*)" selected', text(answer)) == ["OTHER"]


def test_the_menu_counts_the_cases_that_an_officer_could_take() -> None:
    me = officer()
    request = RequestFactory().get("/")
    request.user = me
    assert waiting_count(request) == ""
    applied()
    taken(officer())

    assert waiting_count(request) == "1"
    assert "All times are UTC" in text(seen_by(me).get(reverse("admin:index")))


def test_the_first_page_and_the_queue_agree_on_what_is_late() -> None:
    mine = officer()
    casework.approval_proposed(mine)
    asked = taken(mine)
    act(seen_by(mine), asked, "ask", needs=["SELFIE"], text="Without hat, please.")
    applied()
    Case.objects.update(due_at=timezone.now() - timedelta(hours=1))
    browser = seen_by(officer())

    listed = browser.get(reverse(LIST), {"queue": "overdue"}).context["cl"].result_count
    shown = browser.get(reverse("admin:index")).context["figures"]

    counts = {str(figure.title): figure.value for figure in shown}
    assert (listed, counts["Overdue cases"]) == (2, "2")


def queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert browser.get(address).status_code == 200
    return len(caught)


def test_the_queue_reads_no_more_for_more_cases() -> None:
    browser = seen_by(officer())
    applied()
    queries(browser, reverse(LIST))
    few = queries(browser, reverse(LIST))
    for _ in range(4):
        taken(officer())

    assert queries(browser, reverse(LIST)) == few


def test_the_page_reads_no_more_for_more_events_and_documents() -> None:
    me = officer()
    case = taken(me)
    browser = seen_by(me)
    act(browser, case, "note", text="First.")
    queries(browser, page(case))
    few = queries(browser, page(case))
    for document in case.application.documents.all():
        act(browser, fresh(case), "accept_document", document=document.pk)
        act(browser, fresh(case), "note", text="Looks right.")

    assert queries(browser, page(case)) == few
    assert few <= 60


def test_a_case_nobody_answered_says_so_in_queue_and_page() -> None:
    case = applied()
    Case.objects.filter(pk=case.pk).update(is_unanswered=True)
    browser = seen_by(officer())

    assert "no answer" in text(browser.get(reverse(LIST)))
    assert "no answer from the person" in text(browser.get(page(case)))


def test_a_review_is_opened_on_the_application() -> None:
    person = onboarded().kyc_application
    browser = seen_by(officer(*casework.LEADS))
    shown = reverse("admin:kyc_application_change", args=[person.pk])
    review = reverse("admin:kyc_application_review", args=[person.pk])
    assert review in text(browser.get(shown))

    answer = browser.post(review, {"_form_submitted": "on", "reason": "Many wallets."})

    case = Case.objects.get()
    assert answer.headers["HX-Redirect"] == page(case)
    assert case.cause == Case.Cause.OFFICER
    assert "Many wallets." in text(browser.get(page(case)))
    assert review not in text(browser.get(shown))


def test_a_decided_match_is_proposed_to_be_decided_anew() -> None:
    person = onboarded().kyc_application
    me = officer("kyc.view_screeningmatch", "kyc.review_match")
    match = casework.a_match(person)
    browser = seen_by(me)
    shown = reverse("admin:kyc_screeningmatch_change", args=[match.pk])
    reopen = reverse("admin:kyc_screeningmatch_reopen", args=[match.pk])
    assert reopen not in text(browser.get(shown))
    screening.dismiss(match_id=match.pk, officer=me, reason="Another.", now=timezone.now())
    assert reopen in text(browser.get(shown))

    browser.post(reopen, {"_form_submitted": "on", "reason": "Misread."})

    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("kyc.reopen_match", str(match.pk))
    assert proposal.subject_id == person.user_id


def test_a_closed_case_requires_nothing() -> None:
    proposal = casework.rejection_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    browser = seen_by(officer())
    assert "Required actions" in text(browser.get(page(case)))

    casework.approve(proposal, officer())

    assert "Required actions" not in text(browser.get(page(case)))
