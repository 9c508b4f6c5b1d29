"""The case queue through the API: officers only, one version at a time, never one's own case."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from agora.lib.models import IdempotencyKey
from compliance.models import AuditRow, Proposal
from kyc import cases, erasure
from kyc.models import Case, CaseEvent, Document
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.api.test_matches import a_match
from tests.kyc import casework
from tests.people import TOTP_SECRET, onboarded

pytestmark = pytest.mark.django_db
PATH = "/api/v1/admin/cases"


def api_of(officer: User) -> Api:
    return Api(officer, scopes=("admin",))


@pytest.fixture
def officer() -> User:
    return casework.officer()


@pytest.fixture
def api(officer: User) -> Api:
    return api_of(officer)


@pytest.fixture
def case() -> Case:
    """A case that waits."""
    return casework.applied()


@pytest.fixture
def mine(officer: User) -> Case:
    """A case that the officer is reviewing."""
    return casework.taken(officer)


def act(api: Api, case: Case, what: str, *, key: str | None = None, **body: Any) -> Answer:
    sent = {"version": Case.objects.get(pk=case.pk).version, **body}
    return api.post(f"{PATH}/{case.pk}/{what}", sent, key=key)


def ids(answer: Answer) -> list[str]:
    return [found["id"] for found in answer.body["results"]]


def themselves(case: Case) -> User:
    """The person of the case, who is an officer too."""
    person = case.application.user
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    casework.allow(person, *casework.LEADS)
    return User.objects.get(pk=person.pk)


# The queue


def test_open_cases_are_listed_the_one_due_first_at_the_top(api: Api) -> None:
    now = timezone.now()
    later, sooner = casework.applied(now=now), casework.applied(now=now - timedelta(hours=1))

    assert ids(api.get(PATH)) == [str(sooner.pk), str(later.pk)]


def test_a_line_of_the_queue_holds_nothing_personal(api: Api, case: Case) -> None:
    answer = api.get(PATH)

    (found,) = answer.body["results"]
    assert (found["state"], found["cause"], found["tier"]) == ("PENDING", "TIER", 2)
    assert (found["country"], found["version"]) == ("BR", case.version)
    assert (found["urgency"], found["locked_by"], found["assigned_to"]) == ("in_time", None, None)
    assert case.application.user.email not in answer.raw.decode()
    assert case.application.full_name not in answer.raw.decode()
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()


def test_a_page_leads_to_the_next(api: Api) -> None:
    made = {str(casework.applied().pk) for _number in range(3)}

    first = api.get(f"{PATH}?page_size=2")
    second = api.get(first.body["next"])

    assert {*ids(first), *ids(second)} == made
    assert second.body["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=UNDER_REVIEW", "taken"),
        ("state=PENDING", "waiting late"),
        ("mine=true", "taken"),
        ("unassigned=true", "waiting late"),
        ("overdue=true", "late"),
        ("overdue=true&mine=true", ""),
        ("cause=TIER", "waiting taken late"),
        ("cause=SCREENING", ""),
        ("country=BR&tier=2", "waiting taken late"),
        ("country=PY", ""),
        ("tier=9999", ""),
        ("closed=true", ""),
    ],
)
def test_the_queue_is_narrowed(api: Api, officer: User, query: str, found: str) -> None:
    made = {
        "waiting": casework.applied(),
        "taken": casework.taken(officer),
        "late": casework.applied(now=timezone.now() - timedelta(days=60)),
    }

    shown = set(ids(api.get(f"{PATH}?{query}")))

    assert {name for name, case in made.items() if str(case.pk) in shown} == set(found.split())


def test_closed_cases_and_those_of_one_person_are_found(api: Api, officer: User) -> None:
    proposal = casework.approval_proposed(officer)
    casework.approve(proposal, casework.officer())
    casework.applied()
    closed = Case.objects.get(pk=proposal.object_id)

    assert ids(api.get(f"{PATH}?closed=true")) == [str(closed.pk)]
    assert ids(api.get(f"{PATH}?state=APPROVED")) == [str(closed.pk)]
    assert ids(api.get(f"{PATH}?closed=true&application={closed.application_id}")) == [
        str(closed.pk)
    ]


@pytest.mark.parametrize(
    "query",
    [
        "state=NEW", "cause=WHIM", "country=XX", "tier=two", "tier=99999", "tier=-1", "mine=yes",
        "application=7", "colour=red", "cursor=nonsense", "state=%00", "tier=%C2%B2",
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    assert_problem(api.get(f"{PATH}?{query}"), 400, "malformed")


def test_the_queue_takes_no_more_queries_for_more_cases(api: Api) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(PATH).status == 200
        return len(captured)

    casework.taken(casework.officer())
    queries()  # the first use of a token is noted
    few = queries()
    for _number in range(4):
        casework.taken(casework.officer())

    assert queries() == few <= 6


# Who may


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_is_no_officer_gets_nowhere(buyer: Api, case: Case, method: str) -> None:
    paths = [PATH, f"{PATH}/{case.pk}"] if method == "GET" else [f"{PATH}/{case.pk}/take"]
    for path in paths:
        assert_problem(buyer.call(method, path, {}), 403, "insufficient_scope")


def test_who_may_only_look_changes_nothing(case: Case) -> None:
    looker = api_of(casework.officer("kyc.view_case"))

    for what in (
        "take",
        "release",
        "note",
        "ask",
        "escalate",
        "approve",
        "reject",
        "keep",
        "check",
    ):
        assert_problem(act(looker, case, what, key="k"), 403, "forbidden")
    assert_problem(looker.post(f"{PATH}/next", {}), 403, "forbidden")
    assert_problem(looker.get(f"{PATH}/officers"), 403, "forbidden")
    assert casework.fresh(case).version == case.version


def test_only_who_may_assign_assigns(api: Api, case: Case) -> None:
    assert_problem(act(api, case, "assign", to=str(uuid4())), 403, "forbidden")


@pytest.mark.parametrize(
    "what", ["take", "release", "note", "ask", "escalate", "approve", "reject", "keep", "check"]
)
def test_a_case_that_there_is_not_is_not_found(api: Api, what: str) -> None:
    group = casework.team().name
    bodies: dict[str, dict[str, Any]] = {
        "keep": {},
        "note": {"version": 1, "text": "x"},
        "ask": {"version": 1, "needs": ["SELFIE"], "text": "x"},
        "escalate": {"version": 1, "group": group, "text": "x"},
        "check": {"version": 1, "code": "NAME"},
        "approve": {"version": 1, "outcome": "VERIFIED", "reason": "x"},
        "reject": {"version": 1, "outcome": "OTHER", "reason": "x", "text": "x"},
    }
    body = bodies.get(what, {"version": 1})

    assert_problem(api.post(f"{PATH}/{uuid4()}/{what}", body), 404, "not_found")
    assert_problem(api.get(f"{PATH}/{uuid4()}"), 404, "not_found")


def test_one_s_own_case_is_not_there(case: Case) -> None:
    own = api_of(themselves(case))

    assert ids(own.get(PATH)) == []
    assert own.post(f"{PATH}/next", {}).body == {"case": None}
    assert_problem(own.get(f"{PATH}/{case.pk}"), 404, "not_found")
    for what, body in {
        "take": {},
        "note": {"text": "x"},
        "assign": {"to": str(casework.officer().pk)},
        "reject": {"outcome": "OTHER", "reason": "x", "text": "x"},
        "approve": {"outcome": "VERIFIED", "reason": "x"},
    }.items():
        assert_problem(act(own, case, what, key="k", **body), 404, "not_found")
    assert casework.fresh(case).version == case.version


# One case


def test_a_case_is_shown_with_all_that_belongs_to_it(api: Api, officer: User, mine: Case) -> None:
    act(api, mine, "note", text="Looks fine to me.")

    found = api.get(f"{PATH}/{mine.pk}").body

    assert found["person"]["full_name"] == mine.application.full_name
    assert found["person"]["tax_id"] == mine.application.tax_id
    assert found["daily_limit"]["limit_usd"] == "1000.00"
    assert {one["kind"] for one in found["documents"]} == {
        "passport", "proof_of_address", "selfie",
    }  # fmt: skip
    assert [one["code"] for one in found["requirements"]] == [
        "IDENTITY", "ADDRESS", "SELFIE", "NAME", "FACE", "WALLET",
    ]  # fmt: skip
    assert [(one["kind"], one["text"]) for one in found["events"]][:2] == [
        ("NOTED", "Looks fine to me."),
        ("TAKEN", None),
    ]
    assert found["events"][0]["by"] == {"id": str(officer.pk), "email": officer.email}
    assert (found["events"][-1]["by"], found["events"][-1]["by_person"]) == (None, True)
    assert found["locked_by"]["id"] == str(officer.pk)
    assert (found["matches"], found["proposal_id"]) == ([], None)


def test_a_closed_case_requires_nothing(api: Api) -> None:
    proposal = casework.rejection_proposed(casework.officer())
    casework.approve(proposal, casework.officer())

    assert api.get(f"{PATH}/{proposal.object_id}").body["requirements"] == []


def test_that_the_person_was_shown_is_written_down(api: Api, officer: User, case: Case) -> None:
    api.get(f"{PATH}/{case.pk}")

    row = AuditRow.objects.get(action="personal_data.viewed")
    assert row.actor == f"user:{officer.pk}"
    assert (row.object_type, row.object_id) == ("kyc_application", str(case.application_id))
    assert row.evidence == {"fields": ["full_name", "note", "tax_id", "texts"]}


def test_without_the_permission_nothing_is_decrypted(mine: Case) -> None:
    cases.note(
        case_id=mine.pk,
        officer=mine.assigned_to or casework.officer(),
        text="A private note.",
        version=mine.version,
        now=timezone.now(),
    )
    looker = api_of(casework.officer("kyc.view_case"))

    answer = looker.get(f"{PATH}/{mine.pk}")

    assert answer.body["person"] is None
    assert {event["text"] for event in answer.body["events"]} == {None}
    for text in (mine.application.full_name, mine.application.user.email, "A private note."):
        assert text not in answer.raw.decode()
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()


def test_matches_are_shown_to_who_may_see_them(api: Api, mine: Case) -> None:
    match = a_match(mine.application.user)
    reader = api_of(casework.officer("kyc.view_case", "kyc.view_screeningmatch"))

    (found,) = reader.get(f"{PATH}/{mine.pk}").body["matches"]
    assert (found["id"], found["state"]) == (str(match.pk), "OPEN")
    assert api.get(f"{PATH}/{mine.pk}").body["matches"] == []


def test_a_case_of_an_erased_person_can_be_read(api: Api, mine: Case) -> None:
    act(api, mine, "note", text="Gone soon.")
    erasure.forget(user_id=mine.application.user_id, now=timezone.now())

    found = api.get(f"{PATH}/{mine.pk}")

    assert found.status == 200
    assert (found.body["person"]["full_name"], found.body["person"]["tax_id"]) == (None, None)
    assert found.body["events"][0]["text"] is None


def test_a_long_history_takes_no_more_queries(api: Api, mine: Case) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(f"{PATH}/{mine.pk}").status == 200
        return len(captured)

    act(api, mine, "note", text="One.")
    queries()  # the first use of a token is noted
    few = queries()
    for number in range(4):
        act(api, mine, "note", text=f"Another {number}.")

    assert queries() == few


# Opening


def test_an_officer_has_a_person_looked_at(api: Api, officer: User) -> None:
    application = onboarded().kyc_application
    body = {"application": str(application.pk), "reason": "Three orders within a minute."}

    answer = api.post(PATH, body, key=None)

    assert (answer.status, answer.body["cause"], answer.body["state"]) == (
        201,
        "OFFICER",
        "PENDING",
    )
    opened = Case.objects.get(application=application)
    assert answer.headers["Location"] == f"{PATH}/{opened.pk}"
    told = api.get(f"{PATH}/{opened.pk}").body["events"][0]
    assert (told["kind"], told["text"]) == ("OPENED", "Three orders within a minute.")
    again = assert_problem(api.post(PATH, body, key=None), 409, "case_refused")
    assert again["reason"] == "open_already"


def test_nobody_opens_a_case_about_themselves_or_nobody(case: Case) -> None:
    own = api_of(themselves(case))

    for application in (case.application_id, uuid4()):
        body = {"application": str(application), "reason": "x"}
        assert_problem(own.post(PATH, body, key=None), 404, "not_found")
    assert Case.objects.count() == 1


def test_a_case_is_opened_with_a_reason(api: Api) -> None:
    body = {"application": str(onboarded().kyc_application.pk), "reason": " "}

    assert pointers(api.post(PATH, body, key=None)) == ["#/reason"]
    assert not Case.objects.exists()


# Taking


def test_the_case_due_first_is_taken(api: Api, officer: User) -> None:
    now = timezone.now()
    casework.applied(now=now)
    sooner = casework.applied(now=now - timedelta(hours=1))

    answer = api.post(f"{PATH}/next", {})

    assert answer.status == 200
    assert (answer.body["case"]["id"], answer.body["case"]["state"]) == (
        str(sooner.pk),
        "UNDER_REVIEW",
    )
    assert answer.body["case"]["assigned_to"]["id"] == str(officer.pk)


def test_a_repeated_request_takes_no_second_case(api: Api) -> None:
    casework.applied()
    casework.applied()

    first = api.post(f"{PATH}/next", {}, key="one")
    again = api.post(f"{PATH}/next", {}, key="one")

    assert again.body == first.body
    assert Case.objects.filter(state="UNDER_REVIEW").count() == 1
    assert_problem(api.post(f"{PATH}/next", {}, key=None), 400, "idempotency_key_missing")


def test_nothing_waits(api: Api) -> None:
    answer = api.post(f"{PATH}/next", {})

    assert (answer.status, answer.body) == (200, {"case": None})


def test_a_case_is_taken_and_put_back(api: Api, officer: User, case: Case) -> None:
    taken = act(api, case, "take").body
    back = act(api, case, "release").body

    assert (taken["state"], taken["locked_by"]["email"]) == ("UNDER_REVIEW", officer.email)
    assert (back["state"], back["assigned_to"], back["locked_until"]) == ("PENDING", None, None)
    assert back["version"] > taken["version"] > case.version


def test_the_lock_of_somebody_else_is_told_with_its_end(api: Api) -> None:
    other = casework.officer()
    theirs = casework.taken(other)

    for what, body in {"take": {}, "note": {"text": "Mine?"}}.items():
        told = assert_problem(act(api, theirs, what, **body), 409, "case_refused")
        assert told["reason"] == "locked"
        assert told["locked_by"] == {"id": str(other.pk), "email": other.email}
        assert theirs.lock_until is not None
        assert told["locked_until"].startswith(f"{theirs.lock_until:%Y-%m-%dT%H:%M:%S}")
    assert casework.fresh(theirs).version == theirs.version


def test_an_older_version_is_refused_and_changes_nothing(api: Api, mine: Case) -> None:
    answer = act(api, mine, "note", text="Late.", version=mine.version - 1)

    told = assert_problem(answer, 409, "case_refused")
    assert (told["reason"], told["version"]) == ("stale", mine.version)
    assert not CaseEvent.objects.filter(kind="NOTED").exists()


def test_a_version_is_needed(api: Api, mine: Case) -> None:
    answer = api.post(f"{PATH}/{mine.pk}/take", {}, key=None)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/version"]


def test_a_lock_is_kept_without_a_new_version(api: Api, mine: Case) -> None:
    answer = api.post(f"{PATH}/{mine.pk}/keep", {}, key=None)

    kept = casework.fresh(mine)
    assert mine.lock_until is not None
    assert kept.lock_until is not None
    assert kept.lock_until > mine.lock_until
    assert kept.version == mine.version
    assert answer.body["locked_until"].startswith(f"{kept.lock_until:%Y-%m-%dT%H:%M:%S}")


def test_a_lead_gives_a_case_to_an_officer(case: Case, officer: User) -> None:
    lead = api_of(casework.officer(*casework.LEADS))
    listed = lead.get(f"{PATH}/officers").body["officers"]

    answer = act(lead, case, "assign", to=str(officer.pk))

    assert {"id": str(officer.pk), "email": officer.email} in listed
    assert answer.body["assigned_to"]["id"] == str(officer.pk)


@pytest.mark.parametrize("who", ["nobody", "person"])
def test_a_case_is_not_given_to_who_may_not_work_on_it(case: Case, who: str) -> None:
    lead = api_of(casework.officer(*casework.LEADS))
    to = uuid4() if who == "nobody" else themselves(case).pk

    answer = act(lead, case, "assign", to=str(to))

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/to"]
    assert casework.fresh(case).assigned_to is None


# Reviewing


def test_a_note_is_sealed_and_read_by_officers(api: Api, mine: Case) -> None:
    assert act(api, mine, "note", text="Compared with the register.").status == 200

    event = CaseEvent.objects.get(kind="NOTED")
    assert cases.text_of(event) == "Compared with the register."
    assert "register" not in str(list(AuditRow.objects.values_list("evidence", flat=True)))


def test_a_required_action_is_ticked(api: Api, mine: Case) -> None:
    act(api, mine, "check", code="NAME")

    items = {one["code"]: one for one in api.get(f"{PATH}/{mine.pk}").body["requirements"]}
    assert (items["NAME"]["done"], items["FACE"]["done"]) == (True, False)


def test_the_person_is_asked(api: Api, mine: Case) -> None:
    answer = act(api, mine, "ask", needs=["SELFIE", "ANSWER"], text="Without sunglasses, please.")

    assert (answer.body["state"], answer.body["needs"]) == ("INFO_REQUESTED", ["SELFIE", "ANSWER"])
    stands = cases.standing(user=mine.application.user, now=timezone.now())
    assert stands is not None
    assert stands.question == "Without sunglasses, please."


@pytest.mark.parametrize(
    ("what", "body", "wrong"),
    [
        ("ask", {"needs": [], "text": "x"}, ["#/needs"]),
        ("ask", {"needs": ["GOLD"], "text": "x"}, ["#/needs/0"]),
        ("ask", {"needs": "SELFIE", "text": " "}, ["#/needs", "#/text"]),
        ("note", {"text": "x" * 2001}, ["#/text"]),
        ("note", {"text": 7}, ["#/text"]),
        ("note", {"text": "nul \0"}, ["#/text"]),
        ("note", {"text": "half \ud800"}, ["#/text"]),
        ("note", {"text": "x", "version": 2**40}, ["#/version"]),
        ("check", {"code": "IDENTITY"}, ["#/code"]),
        ("escalate", {"group": "Nobody", "text": "x"}, ["#/group"]),
        ("approve", {"outcome": "OTHER", "reason": "x"}, ["#/outcome"]),
        ("reject", {"outcome": "VERIFIED", "reason": "x", "text": "x"}, ["#/outcome"]),
        ("reject", {"outcome": "OTHER", "reason": "", "text": ""}, ["#/reason", "#/text"]),
        ("take", {"colour": "red"}, ["#/colour"]),
    ],
)
def test_what_makes_no_sense_is_named_and_changes_nothing(
    api: Api, mine: Case, what: str, body: dict[str, Any], wrong: list[str]
) -> None:
    answer = act(api, mine, what, key="k", **body)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == wrong
    assert casework.fresh(mine).version == mine.version


def test_a_case_is_escalated_to_a_group(api: Api, mine: Case) -> None:
    team = casework.team()
    assert team.name in api.get(f"{PATH}/officers").body["groups"]

    answer = act(api, mine, "escalate", group=team.name, text="Beyond me.")

    assert (answer.body["state"], answer.body["group"]) == ("ESCALATED", team.name)
    told = assert_problem(act(api, mine, "take"), 409, "case_refused")
    assert told["reason"] == "other_group"


# Deciding


def test_an_approval_is_proposed_once_and_a_second_person_takes_it(
    api: Api, officer: User, mine: Case
) -> None:
    ready = casework.all_done(mine, officer)
    body = {"version": ready.version, "outcome": "VERIFIED", "reason": "All compared."}

    first = api.post(f"{PATH}/{mine.pk}/approve", body, key="one")
    again = api.post(f"{PATH}/{mine.pk}/approve", body, key="one")

    assert (first.status, first.body["case"]["state"]) == (201, "AWAITING_SECOND")
    assert again.body == first.body
    proposal = Proposal.objects.get()
    assert first.body["proposal_id"] == str(proposal.pk)
    assert first.headers["Location"] == f"/api/v1/admin/proposals/{proposal.pk}"
    second = api_of(casework.officer(*casework.WORKS, "compliance.view_proposal"))
    decided = second.post(f"{first.headers['Location']}/approve", {}, key=None)
    assert (decided.status, casework.fresh(mine).state) == (200, "APPROVED")


def test_an_approval_waits_for_the_required_actions(api: Api, mine: Case) -> None:
    answer = act(api, mine, "approve", key="k", outcome="VERIFIED", reason="Hurry.")

    assert assert_problem(answer, 409, "case_refused")["reason"] == "actions_open"
    assert not Proposal.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert casework.fresh(mine).state == "UNDER_REVIEW"


def test_a_decision_on_an_older_version_is_refused(api: Api, officer: User, mine: Case) -> None:
    old = mine.version
    casework.all_done(mine, officer)

    answer = act(api, mine, "approve", key="k", version=old, outcome="VERIFIED", reason="x")

    assert assert_problem(answer, 409, "case_refused")["reason"] == "stale"
    assert not Proposal.objects.exists()


def test_a_rejection_keeps_its_text_out_of_the_stored_answer(
    api: Api, officer: User, mine: Case
) -> None:
    answer = act(
        api,
        mine,
        "reject",
        key="k",
        outcome="EXPIRED",
        reason="Ran out.",
        text="Your passport ran out in May.",
    )

    assert (answer.status, answer.body["case"]["state"]) == (201, "AWAITING_SECOND")
    kept = IdempotencyKey.objects.get().body
    assert "passport ran out" not in kept
    assert mine.application.user.email not in kept
    assert set(re.findall(r"[\w.]+@[\w.]+", kept)) == {officer.email}


def test_a_decision_needs_a_key(api: Api, mine: Case) -> None:
    answer = act(api, mine, "reject", outcome="OTHER", reason="x", text="x")

    assert_problem(answer, 400, "idempotency_key_missing")


# Documents


def test_a_document_is_accepted_and_another_one_is_not(api: Api, mine: Case) -> None:
    passport, selfie = (
        mine.application.documents.get(kind=kind) for kind in ("passport", "selfie")
    )

    accepted = act(api, mine, f"documents/{passport.pk}/accept")
    rejected = act(
        api, mine, f"documents/{selfie.pk}/reject", reason="unreadable", text="Too dark."
    )

    assert (accepted.status, rejected.status) == (200, 200)
    shown = {one["kind"]: one for one in api.get(f"{PATH}/{mine.pk}").body["documents"]}
    assert shown["passport"]["state"] == "ACCEPTED"
    assert (shown["selfie"]["state"], shown["selfie"]["reason"]) == ("REJECTED", "unreadable")
    assert shown["selfie"]["note"] == "Too dark."


def test_a_document_is_judged_only_by_who_reviews_the_case(api: Api) -> None:
    theirs = casework.taken(casework.officer())
    document = theirs.application.documents.first()
    assert document is not None

    answer = act(api, theirs, f"documents/{document.pk}/accept")

    assert assert_problem(answer, 409, "case_refused")["reason"] == "locked"
    assert not Document.objects.exclude(state="PENDING").exists()


def test_a_document_of_somebody_else_is_not_of_this_case(api: Api, mine: Case) -> None:
    other = casework.applied().application.documents.first()
    assert other is not None

    answer = act(api, mine, f"documents/{other.pk}/accept")

    assert assert_problem(answer, 409, "case_refused")["reason"] == "no_such_document"
    assert not Document.objects.exclude(state="PENDING").exists()


def test_another_reason_needs_a_text(api: Api, mine: Case) -> None:
    document = mine.application.documents.first()
    assert document is not None

    answer = act(api, mine, f"documents/{document.pk}/reject", reason="other")

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == ["#/reason"]


def test_who_may_not_judge_documents_does_not(mine: Case) -> None:
    worker = api_of(casework.officer("kyc.view_case", "kyc.work_case"))
    document = mine.application.documents.first()
    assert document is not None

    answer = act(worker, mine, f"documents/{document.pk}/accept")

    assert_problem(answer, 403, "forbidden")
