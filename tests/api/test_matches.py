"""Matches on lists through the API: both sides, decided with a reason, never one's own."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from compliance.models import AuditRow, Proposal
from kyc import cases, erasure
from kyc.models import ScreeningMatch
from tests.api.conftest import Api, assert_problem, pointers
from tests.kyc import casework
from tests.people import TOTP_SECRET, onboarded

pytestmark = pytest.mark.django_db
PATH = "/api/v1/admin/matches"
LOOKS = ("kyc.view_screeningmatch", "kyc.view_application")


def api_of(*names: str) -> Api:
    return Api(casework.officer(*names), scopes=("admin",))


def a_match(
    person: User | None = None, by: ScreeningMatch.By = ScreeningMatch.By.NAME
) -> ScreeningMatch:
    return ScreeningMatch.objects.create(
        application=(person or onboarded()).kyc_application,
        list_name="default",
        source_id=f"invented-{uuid4()}",
        digest="0" * 64,
        entry={"name": "Invented Name", "countries": ["hu"]},
        is_sanctioned=True,
        by=by,
        score=Decimal("91.5"),
        found_at=timezone.now(),
    )


@pytest.fixture
def match() -> ScreeningMatch:
    return a_match()


@pytest.fixture
def looker() -> Api:
    return api_of(*LOOKS)


@pytest.fixture
def reviewer() -> Api:
    return api_of(*LOOKS, "kyc.review_match")


def test_matches_are_listed_without_the_person_s_name(looker: Api, match: ScreeningMatch) -> None:
    answer = looker.get(f"{PATH}?state=OPEN&application={match.application_id}")

    (found,) = answer.body["results"]
    assert (found["id"], found["listed_name"], found["score"]) == (
        str(match.pk),
        "Invented Name",
        "91.50",
    )
    assert (found["is_sanctioned"], found["by"], found["decided_by"]) == (True, "NAME", None)
    assert match.application.full_name not in answer.raw.decode()
    assert looker.get(f"{PATH}?state=CONFIRMED").body["results"] == []


def test_both_sides_are_shown_and_the_look_is_written_down(
    looker: Api, match: ScreeningMatch
) -> None:
    case = cases.open_for_match(application=match.application, now=timezone.now())
    assert case is not None

    found = looker.get(f"{PATH}/{match.pk}").body

    assert found["person_name"] == match.application.full_name
    assert found["entry"] == {"name": "Invented Name", "countries": ["hu"]}
    assert found["case_id"] == str(case.pk)
    row = AuditRow.objects.get(action="personal_data.viewed")
    assert (row.object_id, row.evidence) == (str(match.application_id), {"fields": ["full_name"]})


def test_without_the_permission_the_name_is_not_decrypted(match: ScreeningMatch) -> None:
    answer = api_of("kyc.view_screeningmatch").get(f"{PATH}/{match.pk}")

    assert answer.body["person_name"] is None
    assert match.application.full_name not in answer.raw.decode()
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()


def test_a_match_of_an_erased_person_can_be_read(looker: Api, match: ScreeningMatch) -> None:
    erasure.forget(user_id=match.application.user_id, now=timezone.now())

    answer = looker.get(f"{PATH}/{match.pk}")

    assert (answer.status, answer.body["person_name"]) == (200, None)


@pytest.mark.parametrize(("what", "state"), [("dismiss", "DISMISSED"), ("confirm", "CONFIRMED")])
def test_an_officer_decides_with_a_reason(
    reviewer: Api, match: ScreeningMatch, what: str, state: str
) -> None:
    answer = reviewer.post(f"{PATH}/{match.pk}/{what}", {"reason": "Compared births."}, key=None)

    assert (answer.status, answer.body["state"]) == (200, state)
    assert reviewer.user is not None
    assert answer.body["decided_by"]["email"] == reviewer.user.email
    assert reviewer.get(f"{PATH}/{match.pk}").body["reason"] == "Compared births."


def test_what_pauses_buying_is_only_proposed_to_be_dismissed(reviewer: Api) -> None:
    match = a_match(by=ScreeningMatch.By.IDENTIFIER)
    body = {"reason": "Compared births."}

    answer = reviewer.post(f"{PATH}/{match.pk}/dismiss", body, key=None)

    assert (answer.status, answer.body["state"], answer.body["holds"]) == (202, "OPEN", True)
    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("kyc.dismiss_match", str(match.pk))
    assert answer.headers["Location"] == f"/api/v1/admin/proposals/{proposal.pk}"
    assert reviewer.get(f"{PATH}/{match.pk}").body["proposal_id"] == str(proposal.pk)
    again = reviewer.post(f"{PATH}/{match.pk}/dismiss", body, key=None)
    assert assert_problem(again, 409, "decision_refused")["reason"] == "already_proposed"

    second = api_of(*LOOKS, "kyc.view_case", "compliance.decide_proposal")
    approved = second.post(f"{answer.headers['Location']}/approve", {}, key=None)

    assert approved.status == 200
    found = reviewer.get(f"{PATH}/{match.pk}").body
    assert (found["state"], found["holds"], found["proposal_id"]) == ("DISMISSED", False, None)


def test_a_decided_match_is_not_decided_again(reviewer: Api, match: ScreeningMatch) -> None:
    reviewer.post(f"{PATH}/{match.pk}/dismiss", {"reason": "Born elsewhere."}, key=None)

    answer = reviewer.post(f"{PATH}/{match.pk}/confirm", {"reason": "No."}, key=None)

    assert assert_problem(answer, 409, "decision_refused")["reason"] == "decided"
    match.refresh_from_db()
    assert match.state == "DISMISSED"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001, 7])
def test_a_decision_needs_its_reason(reviewer: Api, match: ScreeningMatch, reason: object) -> None:
    answer = reviewer.post(f"{PATH}/{match.pk}/confirm", {"reason": reason}, key=None)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/reason"]
    match.refresh_from_db()
    assert match.state == "OPEN"


def test_who_may_only_look_cannot_decide(looker: Api, match: ScreeningMatch) -> None:
    answer = looker.post(f"{PATH}/{match.pk}/dismiss", {"reason": "No."}, key=None)

    assert_problem(answer, 403, "forbidden")
    match.refresh_from_db()
    assert match.state == "OPEN"


def test_who_is_no_officer_gets_nowhere(buyer: Api, match: ScreeningMatch) -> None:
    for path in (PATH, f"{PATH}/{match.pk}"):
        assert_problem(buyer.get(path), 403, "insufficient_scope")


def test_a_match_that_there_is_not_is_not_found(reviewer: Api) -> None:
    assert_problem(reviewer.get(f"{PATH}/{uuid4()}"), 404, "not_found")
    answer = reviewer.post(f"{PATH}/{uuid4()}/dismiss", {"reason": "x"}, key=None)
    assert_problem(answer, 404, "not_found")


def test_nobody_finds_what_a_list_may_say_of_themselves() -> None:
    person = onboarded()
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    casework.allow(person, *LOOKS, "kyc.review_match")
    match, own = a_match(person), Api(User.objects.get(pk=person.pk), scopes=("admin",))

    assert own.get(PATH).body["results"] == []
    assert_problem(own.get(f"{PATH}/{match.pk}"), 404, "not_found")
    for what in ("dismiss", "confirm"):
        answer = own.post(f"{PATH}/{match.pk}/{what}", {"reason": "Not me."}, key=None)
        assert_problem(answer, 404, "not_found")
    match.refresh_from_db()
    assert match.state == "OPEN"


@pytest.mark.parametrize("query", ["state=NEW", "application=7", "colour=red", "cursor=x"])
def test_a_query_that_makes_no_sense_is_refused(looker: Api, query: str) -> None:
    assert_problem(looker.get(f"{PATH}?{query}"), 400, "malformed")


def test_the_list_takes_no_more_queries_for_more_matches(reviewer: Api) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reviewer.get(PATH).status == 200
        return len(captured)

    def decided() -> None:
        path = f"{PATH}/{a_match().pk}/dismiss"
        assert reviewer.post(path, {"reason": "Somebody else."}, key=None).status == 200

    decided()
    few = queries()
    for _number in range(4):
        decided()

    assert queries() == few
