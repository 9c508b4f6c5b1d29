"""A copy or an erasure that failed too often waits for a person, and goes on when it is tried again."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as current
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from agora.lib.work import Lease
from compliance import audit, tasks
from compliance.models import AuditRow, DataExport, ErasureRequest
from compliance.personal_data import archive, erasure, exports
from compliance.personal_data.exports import ExportRefused
from compliance.personal_data.topics import TOPICS
from kyc import documents
from tests.document_files import picture, sent
from tests.people import new_officer, willing

PERMISSION = {"dataexport": "request_dataexport", "erasurerequest": "request_erasure"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    return willing()


@pytest.fixture
def stuck(person: User, settings: Settings, tmp_path: Path) -> DataExport:
    """A copy that waits for a person, because the storage of documents was away; it is back now."""
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    documents.store(user=person, kind="passport", file=sent(picture()), now=timezone.now())
    settings.WORK_MAX_ATTEMPTS = 1
    export = exports.request(user=person, actor="system:test", now=timezone.now())
    settings.DOCUMENTS_DIR = _a_file(tmp_path)
    exports.step(export_id=export.pk, now=timezone.now())
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    export.refresh_from_db()
    assert (export.attention, export.next_attempt_at) == (True, None)
    return export


def _a_file(folder: Path) -> Path:
    """No folder, so that nothing can be read in it."""
    path = folder / "away"
    path.touch()
    return path


def parked_erasure(person: User) -> ErasureRequest:
    request = erasure.request(user=person, actor="system:test", now=timezone.now())
    ErasureRequest.objects.update(attention=True, next_attempt_at=None, attempts=20)
    return request


def finished(export: DataExport) -> DataExport:
    exports.step(export_id=export.pk, now=timezone.now())
    export.refresh_from_db()
    return export


def actions(prefix: str) -> list[tuple[str, str]]:
    rows = AuditRow.objects.filter(action__startswith=prefix).order_by("id")
    return list(rows.values_list("action", "actor"))


def test_a_person_who_asks_again_sets_their_waiting_copy_going(
    person: User, stuck: DataExport
) -> None:
    actor = audit.actor_of(person)

    again = exports.request(user=person, actor=actor, now=timezone.now())

    assert again == stuck
    assert ("data_export.tried_again", actor) in actions("data_export.")
    assert finished(stuck).state == DataExport.State.READY


def test_a_copy_under_way_is_not_set_going_twice(person: User) -> None:
    export = exports.request(user=person, actor="system:test", now=timezone.now())

    assert not exports.try_again(waiting=export, actor="system:test", now=timezone.now())
    with pytest.raises(ExportRefused, match="asked_before"):
        exports.request(user=person, actor="system:test", now=timezone.now())


def test_the_page_says_that_a_copy_is_delayed(
    person: User, stuck: DataExport, client: Client
) -> None:
    client.force_login(person)

    assert "Delayed" in client.get(reverse("privacy")).text


@pytest.mark.parametrize("model", ["dataexport", "erasurerequest"])
def test_an_officer_tries_again_what_needs_attention(
    person: User, stuck: DataExport, model: str, client: Client
) -> None:
    row = stuck if model == "dataexport" else parked_erasure(person)
    client.force_login(new_officer(f"view_{model}", PERMISSION[model]))

    answer = client.post(
        reverse(f"admin:compliance_{model}_changelist"),
        {"action": "try_again", "_selected_action": [str(row.pk)]},
        follow=True,
    )

    assert "1 request is due again." in [str(told) for told in answer.context["messages"]]
    row.refresh_from_db()
    assert (row.attention, row.attempts) == (False, 0)
    assert row.next_attempt_at is not None


def test_an_erasure_that_is_tried_again_keeps_its_days(person: User) -> None:
    request = parked_erasure(person)

    erasure.try_again(waiting=request, actor="user:x", now=timezone.now())
    erasure.step(request_id=request.pk, now=timezone.now())

    again = ErasureRequest.objects.get()
    assert (again.execute_after, again.next_attempt_at) == (request.execute_after,) * 2
    assert ("erasure.tried_again", "user:x") in actions("erasure.")


def test_the_command_tries_again_for_one_person(person: User, stuck: DataExport) -> None:
    call_command("personal_data", "retry", str(person.pk))

    assert finished(stuck).state == DataExport.State.READY
    with pytest.raises(CommandError, match="Nothing of this person") as refused:
        call_command("personal_data", "retry", str(person.pk))
    assert refused.value.returncode == 1


@pytest.mark.parametrize("model", [DataExport, ErasureRequest])
def test_work_that_always_kills_its_worker_waits_for_a_person(
    person: User, model: type[DataExport | ErasureRequest]
) -> None:
    now = timezone.now()
    exports.request(user=person, actor="system:test", now=now)
    erasure.request(user=person, actor="system:test", now=now)
    model._default_manager.update(next_attempt_at=now, attempts=current.WORK_MAX_ATTEMPTS)
    row = model._default_manager.get()

    if isinstance(row, DataExport):
        exports.step(export_id=row.pk, now=now)
    else:
        erasure.step(request_id=row.pk, now=now)

    row.refresh_from_db()
    assert (row.state, row.attention, row.next_attempt_at) == ("REQUESTED", True, None)
    assert row.last_error == "Its worker died too often."


def test_a_copy_may_take_longer_than_other_tasks() -> None:
    limit = tasks.build_data_export.time_limit

    assert limit is not None
    assert limit > current.CELERY_TASK_TIME_LIMIT


def test_a_large_table_does_not_outlast_the_lease(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_ROWS_AT_ONCE", 1)
    export = exports.request(user=person, actor="system:test", now=timezone.now())
    rows = sum(topic.model._base_manager.filter(topic.rows(person.pk)).count() for topic in TOPICS)
    ends: list[datetime | None] = []
    extend = Lease.extend

    def noted(lease: Lease[DataExport], *, at_least: timedelta) -> None:
        extend(lease, at_least=at_least)
        ends.append(DataExport.objects.values_list("lease_until", flat=True).get(pk=export.pk))

    monkeypatch.setattr(Lease, "extend", noted)

    assert finished(export).state == DataExport.State.READY
    assert len(ends) >= rows
    assert ends == sorted(filter(None, ends))
