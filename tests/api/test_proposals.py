"""Decisions by two people through the API: for officers only, and never by one alone."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.decisions import propose_role
from accounts.models import User
from agora import roles
from compliance.models import AuditRow, Proposal
from kyc.limit_decisions import propose_tier_limit
from kyc.models import Tier
from tests.api.conftest import Api, assert_problem
from tests.kyc import casework
from tests.people import new_officer

pytestmark = pytest.mark.django_db

PATH = "/api/v1/admin/proposals"


def api_of(officer: User) -> Api:
    return Api(officer, scopes=("admin",))


@pytest.fixture
def maker() -> User:
    return new_officer("view_proposal", "change_tier", "decide_proposal")


@pytest.fixture
def checker() -> Api:
    return api_of(new_officer("view_proposal", "decide_proposal"))


@pytest.fixture
def proposal(maker: User) -> Proposal:
    return propose_tier_limit(
        number=1, daily_limit_usd="900", reason="Calmer.", maker=maker, now=timezone.now()
    )


def limit() -> Decimal:
    return Tier.objects.get(pk=1).daily_limit_usd


def test_what_waits_is_listed_and_read_with_what_it_does(proposal: Proposal, checker: Api) -> None:
    (found,) = checker.get(f"{PATH}?waits=me").body["results"]

    assert (found["id"], found["kind"]) == (str(proposal.pk), "kyc.tier_limit")
    assert (found["state"], found["checker_id"]) == ("OPEN", None)
    read = checker.get(f"{PATH}/{proposal.pk}").body
    assert read["lines"][1] == {"label": "Daily limit then, USD", "value": "900"}
    assert {name: value for name, value in read.items() if name != "lines"} == found


def test_a_longer_list_asks_the_database_no_more_often(proposal: Proposal, checker: Api) -> None:
    with CaptureQueriesContext(connection) as one:
        checker.get(PATH)
    for _ in range(3):
        casework.rejection_proposed(casework.officer())
    other = api_of(casework.officer("compliance.view_proposal", "kyc.view_case"))

    with CaptureQueriesContext(connection) as four:
        assert len(other.get(PATH).body["results"]) == 4

    assert len(four) == len(one)


def test_each_look_at_a_text_for_a_person_is_noted_and_a_list_shows_none() -> None:
    proposal = casework.rejection_proposed(casework.officer())
    reader = casework.officer("compliance.view_proposal", "kyc.view_case")

    listed = api_of(reader).get(PATH).body["results"]
    assert "lines" not in listed[0]
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()

    read = api_of(reader).get(f"{PATH}/{proposal.pk}").body

    assert "Text for the person" in [line["label"] for line in read["lines"]]
    look = AuditRow.objects.get(action="personal_data.viewed")
    assert (look.actor, look.object_id) == (f"user:{reader.pk}", proposal.object_id)
    assert look.evidence == {"fields": ["text"]}


def test_who_may_not_see_cases_finds_no_decisions_on_them(checker: Api) -> None:
    proposal = casework.rejection_proposed(casework.officer())

    assert checker.get(PATH).body["results"] == []
    for name in ("", "/approve", "/refuse"):
        url = f"{PATH}/{proposal.pk}{name}"
        answer = checker.post(url, {"note": "x"}, key=None) if name else checker.get(url)
        assert_problem(answer, 404, "not_found")


def test_one_s_own_does_not_wait_for_oneself(proposal: Proposal, maker: User) -> None:
    assert api_of(maker).get(f"{PATH}?waits=me").body["results"] == []
    assert len(api_of(maker).get(PATH).body["results"]) == 1


def test_a_second_officer_approves_and_it_takes_effect(proposal: Proposal, checker: Api) -> None:
    answer = checker.post(f"{PATH}/{proposal.pk}/approve", {"note": "Seen."}, key=None)

    assert (answer.status, answer.body["state"], answer.body["note"]) == (200, "APPROVED", "Seen.")
    assert limit() == 900


def test_the_maker_s_own_approval_is_refused(proposal: Proposal, maker: User) -> None:
    answer = api_of(maker).post(f"{PATH}/{proposal.pk}/approve", {}, key=None)

    assert assert_problem(answer, 409, "decision_refused")["reason"] == "same_person"
    assert limit() == 1000


def test_whom_it_is_about_finds_nothing() -> None:
    officer = new_officer("view_proposal", "decide_proposal")
    proposal = propose_role(
        person=officer,
        role=roles.AUDITOR,
        give=True,
        reason="New.",
        maker=new_officer("assign_role"),
        now=timezone.now(),
    )
    theirs = api_of(officer)

    assert theirs.get(PATH).body["results"] == []
    assert theirs.get(f"{PATH}?waits=me").body["results"] == []
    assert_problem(theirs.get(f"{PATH}/{proposal.pk}"), 404, "not_found")
    for name in ("approve", "refuse"):
        answer = theirs.post(f"{PATH}/{proposal.pk}/{name}", {"note": "x"}, key=None)
        assert_problem(answer, 404, "not_found")


def test_a_refusal_needs_a_reason(proposal: Proposal, checker: Api) -> None:
    assert_problem(checker.post(f"{PATH}/{proposal.pk}/refuse", {}, key=None), 422, "invalid")
    answer = checker.post(f"{PATH}/{proposal.pk}/refuse", {"note": "Too low."}, key=None)

    assert answer.body["state"] == "REFUSED"


def test_a_decided_proposal_is_not_decided_again(proposal: Proposal, checker: Api) -> None:
    checker.post(f"{PATH}/{proposal.pk}/refuse", {"note": "Too low."}, key=None)
    answer = checker.post(f"{PATH}/{proposal.pk}/approve", {}, key=None)

    assert assert_problem(answer, 409, "decision_refused")["reason"] == "decided"
    assert limit() == 1000


def test_only_its_maker_withdraws_it(proposal: Proposal, maker: User, checker: Api) -> None:
    path = f"{PATH}/{proposal.pk}/withdraw"

    assert_problem(checker.post(path, {}, key=None), 404, "not_found")
    assert api_of(maker).post(path, {}, key=None).body["state"] == "WITHDRAWN"


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/approve", "/{id}/refuse", "/{id}/withdraw"])
def test_who_is_no_officer_gets_nowhere(proposal: Proposal, buyer: Api, path: str) -> None:
    url = PATH + path.format(id=proposal.pk)
    post = path.endswith(("approve", "refuse", "withdraw"))
    answer = buyer.post(url, {"note": "x"}, key=None) if post else buyer.get(url)

    assert answer.status == 403
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.OPEN


def test_an_officer_s_token_without_the_scope_gets_nowhere(proposal: Proposal) -> None:
    officer = Api(new_officer("view_proposal"), scopes=("read",))

    assert_problem(officer.get(PATH), 403, "insufficient_scope")


def test_an_unknown_proposal_is_not_found(checker: Api) -> None:
    assert_problem(checker.get(f"{PATH}/{uuid4()}"), 404, "not_found")


@pytest.mark.parametrize("query", ["state=NEW", "waits=you", "colour=red"])
def test_a_query_that_makes_no_sense_is_refused(checker: Api, query: str) -> None:
    assert checker.get(f"{PATH}?{query}").status == 400


def test_a_maker_who_may_not_read_cases_any_more_withdraws_without_reading_the_text() -> None:
    maker = casework.officer("compliance.view_proposal", "kyc.view_case", "kyc.work_case")
    proposal = casework.rejection_proposed(maker)
    maker.user_permissions.set(maker.user_permissions.exclude(codename="view_case"), clear=True)
    path = f"{PATH}/{proposal.pk}"
    assert_problem(api_of(maker).get(path), 404, "not_found")

    answer = api_of(maker).post(f"{path}/withdraw", {}, key=None)

    assert (answer.status, answer.body["state"], answer.body["lines"]) == (200, "WITHDRAWN", [])
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()
