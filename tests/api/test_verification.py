"""Verification over the API: where it stands, handing in, and whose it is."""

import pytest
from django.utils import timezone

from kyc import cases
from kyc.models import Case, Document
from tests.api.conftest import Api, assert_problem
from tests.kyc import casework
from tests.kyc.casework import officer
from tests.people import new_user, onboarded

pytestmark = pytest.mark.django_db


def path(api: Api) -> str:
    assert api.user is not None
    return f"/api/v1/users/{api.user.pk}/verification"


@pytest.fixture
def person() -> Api:
    casework.second_tier()
    return Api(onboarded())


def test_a_person_reads_what_the_next_tier_needs(person: Api) -> None:
    answer = person.get(path(person))

    assert answer.status == 200
    assert answer.body == {
        "user_id": str(person.user and person.user.pk),
        "status": "open",
        "tier": 1,
        "approved": True,
        "target_tier": 2,
        "target_daily_limit_usd": "5000.00",
        "needs": ["IDENTITY", "ADDRESS", "SELFIE"],
        "missing": ["IDENTITY", "ADDRESS", "SELFIE"],
        "may_hand_in": True,
        "question": "",
        "result": "",
        "explanation": "",
        "apply_from": None,
    }


def test_handing_in_opens_a_case(person: Api) -> None:
    assert person.user is not None
    casework.with_documents(person.user)

    answer = person.post(path(person), {})

    assert (answer.status, answer.body["status"]) == (201, "in_review")
    assert Case.objects.get().application.user == person.user


def test_the_same_request_again_changes_nothing(person: Api) -> None:
    assert person.user is not None
    casework.with_documents(person.user)

    first = person.post(path(person), {}, key="a" * 36)
    second = person.post(path(person), {}, key="a" * 36)

    assert (first.status, second.body) == (201, first.body)
    assert Case.objects.count() == 1


def test_handing_in_too_early_says_why(person: Api) -> None:
    answer = person.post(path(person), {})

    assert_problem(answer, 409, "verification_refused")
    assert answer.body["reason"] == "documents_missing"
    assert not Case.objects.exists()


def test_a_question_is_answered(person: Api) -> None:
    case = _asked(person)

    told = person.get(path(person)).body
    assert (told["status"], told["question"]) == ("needs_you", "Where do you live?")
    empty = person.post(path(person), {"answer": "  "})
    answered = person.post(path(person), {"answer": "In Recife."})

    assert_problem(empty, 422, "invalid")
    assert empty.body["errors"][0]["pointer"] == "#/answer"
    assert answered.body["status"] == "in_review"
    assert cases.text_of(case.events.get(kind="ANSWERED")) == "In Recife."


def _asked(person: Api) -> Case:
    assert person.user is not None
    casework.with_documents(person.user)
    case = cases.hand_in(user=person.user, now=timezone.now())
    mine = officer()
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    return cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ANSWER"],
        text="Where do you live?",
        version=case.version,
        now=timezone.now(),
    )


def test_a_stranger_finds_nothing(person: Api) -> None:
    stranger = Api(onboarded())

    assert_problem(stranger.get(path(person)), 404, "not_found")
    assert_problem(stranger.post(path(person), {}), 404, "not_found")


def test_before_onboarding_there_is_nothing() -> None:
    somebody = Api(new_user())

    assert_problem(somebody.get(path(somebody)), 404, "not_found")
    assert_problem(somebody.post(path(somebody), {}), 404, "not_found")


def test_reading_needs_no_more_than_the_scope_to_read(person: Api) -> None:
    assert person.user is not None
    reader = Api(person.user, scopes=("read",))

    assert reader.get(path(reader)).status == 200
    assert_problem(reader.post(path(reader), {}), 403, "insufficient_scope")


def test_unknown_members_are_refused(person: Api) -> None:
    assert_problem(person.post(path(person), {"tier": 2}), 422, "invalid")


def test_a_rejected_document_is_missing_again(person: Api) -> None:
    assert person.user is not None
    casework.with_documents(person.user)
    person.user.kyc_application.documents.filter(kind=Document.Kind.SELFIE).update(
        state="REJECTED", reason="unreadable", decided_at=timezone.now()
    )

    assert person.get(path(person)).body["missing"] == ["SELFIE"]
