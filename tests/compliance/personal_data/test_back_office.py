"""Officers see copies and erasures, and ask for them on somebody's behalf; nobody else does."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from compliance import audit
from compliance.models import AuditRow, DataExport, ErasureRequest
from compliance.personal_data import erasure, exports
from tests.copying import new_account
from tests.people import new_officer, onboarded

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DIALOG = {"_form_submitted": "True"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    return onboarded(now=NOW)


@pytest.fixture
def officer() -> User:
    return new_officer(
        "view_dataexport", "request_dataexport", "view_erasurerequest", "request_erasure"
    )


@pytest.fixture
def looker() -> User:
    """Somebody who may only look."""
    return new_officer("view_dataexport", "view_erasurerequest")


def act(user: User, name: str, *args: object, **form: str) -> str:
    """Submit a dialog; what the page then tells, or the status."""
    browser = Client()
    browser.force_login(user)
    answer = browser.post(reverse(f"admin:compliance_{name}", args=args), {**DIALOG, **form})
    if "HX-Redirect" not in answer.headers:
        return str(answer.status_code)
    page = browser.get(answer.headers["HX-Redirect"])
    return " ".join(str(message) for message in page.context["messages"])


def test_a_copy_is_asked_for_on_somebodys_behalf(person: User, officer: User) -> None:
    told = act(officer, "dataexport_request_copy", user_id=str(person.pk))

    assert "being put together" in told
    export = DataExport.objects.get()
    assert (export.user_id, export.requested_by) == (person.pk, audit.actor_of(officer))
    assert AuditRow.objects.get(action="data_export.requested").actor == audit.actor_of(officer)


def test_an_erasure_is_asked_for_and_undone_on_somebodys_behalf(
    person: User, officer: User
) -> None:
    assert "Asked for." in act(officer, "erasurerequest_request_for", user_id=str(person.pk))
    request = ErasureRequest.objects.get()

    assert act(officer, "erasurerequest_undo", request.pk, reason="") == "200"  # it asks again
    told = act(officer, "erasurerequest_undo", request.pk, reason="They wrote to us.")
    assert "The account stays." in told
    request.refresh_from_db()
    assert request.state == ErasureRequest.State.WITHDRAWN


def test_what_has_to_be_wound_up_first_is_told_to_the_officer(person: User, officer: User) -> None:
    new_account(user=person)

    browser = Client()
    browser.force_login(officer)
    form = {**DIALOG, "user_id": str(person.pk)}
    answer = browser.post(reverse("admin:compliance_erasurerequest_request_for"), form)

    assert "key of an exchange account" in answer.text
    assert str(person.pk) in answer.text
    assert not ErasureRequest.objects.exists()


def test_who_may_only_look_asks_for_nothing(person: User, looker: User) -> None:
    for name in ("dataexport_request_copy", "erasurerequest_request_for"):
        assert act(looker, name, user_id=str(person.pk)) == "403"
    assert not DataExport.objects.exists()
    assert not ErasureRequest.objects.exists()


def test_lists_and_pages_show_ids_and_nothing_personal(person: User, looker: User) -> None:
    export = exports.request(user=person, actor="system:test", now=NOW)
    request = erasure.request(user=person, actor="system:test", now=NOW)
    browser = Client()
    browser.force_login(looker)

    for name, row in (("dataexport", export), ("erasurerequest", request)):
        for page in (
            browser.get(reverse(f"admin:compliance_{name}_changelist")),
            browser.get(reverse(f"admin:compliance_{name}_change", args=[row.pk])),
        ):
            assert page.status_code == 200
            assert str(person.pk) in page.text
            assert person.email not in page.text


def test_logs_of_a_copy_and_an_erasure_name_nobody(
    person: User, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    export = exports.request(user=person, actor="system:test", now=now)
    exports.step(export_id=export.pk, now=now)
    request = erasure.request(user=person, actor="system:test", now=now)
    ErasureRequest.objects.update(execute_after=NOW, next_attempt_at=NOW)
    erasure.step(request_id=request.pk, now=now)
    request.refresh_from_db()
    assert request.state == ErasureRequest.State.CLOSED

    written = caplog.text + "".join(capsys.readouterr())
    for personal in (person.email, "Person of a Test", person.wallet.address):
        assert personal not in written
