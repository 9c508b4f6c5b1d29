"""Consents, looks at documents and erasure of one's own data over the API."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.second_factors import add_authenticator_app
from compliance.models import AuditRow, ErasureRequest
from kyc.consent import VERIFICATION
from kyc.models import Consent, DocumentView
from tests.api.conftest import ALL_SCOPES, Api, assert_problem
from tests.copying import new_account
from tests.kyc import casework
from tests.people import TOTP_SECRET, new_officer, onboarded

pytestmark = pytest.mark.django_db


def path(api: Api, what: str, user_id: object | None = None) -> str:
    assert api.user is not None
    return f"/api/v1/users/{user_id or api.user.pk}/{what}"


@pytest.fixture
def owner() -> Api:
    """Somebody whose token may close the account."""
    user = onboarded()
    add_authenticator_app(user=user, secret=TOTP_SECRET)
    return Api(user, scopes=(*ALL_SCOPES, "security"))


def test_consents_are_listed_with_the_texts_in_force(buyer: Api) -> None:
    body = buyer.get(path(buyer, "consents")).body

    (given,) = body["results"]
    assert (given["document"], given["withdrawn_at"]) == ("account", None)
    assert given["text"].startswith("I ask Agora")
    assert [terms["document"] for terms in body["in_force"]] == ["account", "verification"]


def test_the_text_on_documents_is_agreed_to_once(buyer: Api) -> None:
    asked = {"document": "verification", "version": VERIFICATION.version}

    first, again = (buyer.post(path(buyer, "consents"), asked) for _ in range(2))

    assert first.status == again.status == 201
    assert first.body == again.body
    assert first.body["sha256"] == VERIFICATION.sha256
    assert Consent.objects.filter(text__document="verification").count() == 1
    assert AuditRow.objects.get(action="consent.given").evidence["sha256"] == VERIFICATION.sha256


def test_another_version_than_the_one_in_force_is_not_agreed_to(buyer: Api) -> None:
    asked = {"document": "verification", "version": "1999-01"}

    answer = buyer.post(path(buyer, "consents"), asked)

    assert_problem(answer, 422, "invalid")
    assert answer.body["errors"][0]["pointer"] == "#/version"


def test_looks_of_a_day_are_one_row_and_name_no_officer(buyer: Api) -> None:
    assert buyer.user is not None
    officer, now = new_officer(), timezone.now().replace(hour=12)
    document = casework.document(buyer.user, "passport")
    for page, days in ((1, 0), (2, 0), (1, 0), (1, 1)):
        DocumentView.objects.create(
            document=document,
            page=page,
            viewer=officer,
            purpose="review",
            at=now - timedelta(days=days, minutes=page),
        )

    answer = buyer.get(path(buyer, "document-views"))

    assert [(look["pages"], look["by_officer"]) for look in answer.body["results"]] == [
        (2, True),
        (1, True),
    ]
    assert str(officer.pk).encode() not in answer.raw


def test_an_erasure_is_asked_for_read_and_undone(owner: Api) -> None:
    where = path(owner, "erasure")
    assert owner.get(where).body["state"] == "NONE"

    answer = owner.post(where, {})

    assert answer.status == 202
    assert owner.get(where).body == answer.body
    assert answer.body["state"] == "REQUESTED"
    assert_problem(owner.post(where, {}), 409, "erasure_refused")
    assert owner.call("DELETE", where).body["state"] == "WITHDRAWN"
    problem = owner.call("DELETE", where)
    assert_problem(problem, 409, "erasure_refused")
    assert problem.body["reason"] == "too_late"


def test_tokens_are_given_up_only_by_saying_so(owner: Api) -> None:
    where = path(owner, "erasure")
    assert_problem(owner.post(where, {"gives_up_tokens": "yes"}), 422, "invalid")

    assert owner.post(where, {"gives_up_tokens": True}).status == 202

    assert ErasureRequest.objects.get().gives_up_tokens


def test_what_has_to_be_wound_up_first_is_listed(owner: Api) -> None:
    assert owner.user is not None
    new_account(user=owner.user)

    (obstacle,) = owner.get(path(owner, "erasure")).body["obstacles"]

    assert (obstacle["code"], bool(obstacle["page"])) == ("exchange_accounts", True)
    assert_problem(owner.post(path(owner, "erasure"), {}), 409, "erasure_refused")
    assert not ErasureRequest.objects.exists()


def test_a_token_that_only_trades_closes_no_account(buyer: Api) -> None:
    for method in ("POST", "DELETE"):
        answer = buyer.call(method, path(buyer, "erasure"), {})
        assert_problem(answer, 403, "insufficient_scope")


def test_others_are_not_found(owner: Api, stranger: Api) -> None:
    assert stranger.user is not None
    for user_id in (stranger.user.pk, uuid4()):
        for what in ("consents", "document-views", "erasure"):
            assert_problem(owner.get(path(owner, what, user_id)), 404, "not_found")
        body = {"document": "verification", "version": VERIFICATION.version}
        for method, what, sent in (
            ("POST", "consents", body),
            ("POST", "erasure", {}),
            ("DELETE", "erasure", {}),
        ):
            assert_problem(owner.call(method, path(owner, what, user_id), sent), 404, "not_found")
