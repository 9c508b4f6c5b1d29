"""Processes die in the middle of rotating keys, of erasing somebody, of putting a copy together."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.keys import key_for
from accounts.models import User
from agora.lib import work
from agora.lib.crypto import Undecryptable
from compliance import audit
from compliance.models import AuditRow, DataExport, DataExportPart, ErasureRequest
from compliance.personal_data import erasure, exports, rotation
from copytrade.exchange.credentials import credentials_of
from copytrade.models import ExchangeAccount
from kyc.models import Consent
from tests.copying import new_account
from tests.faults.worker import Worker, let_the_lease_run_out, wait_until
from tests.people import new_user, onboarded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300), pytest.mark.fault]
ROOT = Path(__file__).resolve().parents[2]
OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Worker]:
    made = Worker(folder=tmp_path_factory.mktemp("worker"), concurrency=1)
    made.start()
    yield made
    made.kill()


def arm(folder: Path, point: str, key: object) -> None:
    (folder / f"{point}@{key}").write_text("kill")


def rotate(folder: Path) -> tuple[int, str]:
    """The command in a process of its own: exit code, or minus the signal that ended it, and errors."""
    environ = {**os.environ, "FIELD_KEYS": f"{NEW},{OLD}", "FAILPOINTS_DIR": str(folder)}
    environ.pop("FIELD_KEYS_FILE", None)  # a file wins over the value
    command = [sys.executable, "manage.py", "rotate_keys", "--batch=2", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, check=False, timeout=120, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("mark", ["keys.rotate.before_commit", "keys.rotate.after_batch"])
def test_a_killed_rotation_spoils_nothing_and_the_next_one_ends_it(
    mark: str, tmp_path: Path, settings: Settings
) -> None:
    settings.FIELD_KEYS = OLD
    accounts = [new_account(user=new_user()) for _ in range(5)]
    secrets = {account.pk: credentials_of(account).secret for account in accounts}
    keys = {account.user_id: key_for(account.user_id) for account in accounts}
    settings.FIELD_KEYS = f"{NEW},{OLD}"
    for column in ("accounts_personkey.sealed", "copytrade_exchangeaccount.secret"):
        arm(tmp_path, mark, column)
        assert rotate(tmp_path)[0] == -signal.SIGKILL
        # In between everything can be read, whichever key it is under by now.
        for account in ExchangeAccount.objects.all():
            assert credentials_of(account).secret == secrets[account.pk]
            assert key_for(account.user_id) == keys[account.user_id]
    assert not rotation.report().is_done

    assert rotate(tmp_path) == (0, "")

    settings.FIELD_KEYS = NEW
    for account in ExchangeAccount.objects.all():
        assert credentials_of(account).secret == secrets[account.pk]
        assert key_for(account.user_id) == keys[account.user_id]


def asked_for(user: User) -> ErasureRequest:
    request = erasure.request(user=user, actor=audit.actor_of(user), now=timezone.now())
    ErasureRequest.objects.filter(pk=request.pk).update(execute_after=EARLY, next_attempt_at=EARLY)
    return request


def until(request: ErasureRequest, state: str) -> None:
    """Do beat's part until the request is there."""

    def arrived() -> bool:
        for pk in work.due_ids(ErasureRequest, limit=10):
            work.nudge(erasure.CARRY_OUT_TASK, pk=pk)
        request.refresh_from_db()
        return request.state == state

    wait_until(arrived, limit=90, what=f"{state}: {request.state} {request.last_error}")


@pytest.mark.parametrize("mark", ["erasure.before_commit", "erasure.after_commit"])
def test_an_erasure_is_carried_out_once_though_its_worker_dies(worker: Worker, mark: str) -> None:
    person = onboarded()
    request = asked_for(person)
    arm(worker.points, mark, request.pk)

    until(request, ErasureRequest.State.CLOSED)
    wait_until(lambda: worker.armed() == [], limit=60, what="the mark was reached")

    person.refresh_from_db()
    assert not person.is_active
    assert Consent.objects.filter(user=person, withdrawn_at=None).count() == 0
    assert AuditRow.objects.filter(action="erasure.closed").count() == 1


def test_forgetting_is_whole_or_not_at_all(worker: Worker) -> None:
    person = onboarded()
    request = asked_for(person)
    until(request, ErasureRequest.State.CLOSED)
    arm(worker.points, "erasure.before_commit", request.pk)
    ErasureRequest.objects.filter(pk=request.pk).update(keep_until=EARLY, next_attempt_at=EARLY)

    until(request, ErasureRequest.State.ERASED)

    assert worker.armed() == []
    with pytest.raises(Undecryptable):
        key_for(person.pk)
    assert AuditRow.objects.filter(action="erasure.erased").count() == 1


def test_a_copy_is_whole_though_its_worker_dies(worker: Worker) -> None:
    person = onboarded()
    export = DataExport(user_id=person.pk, requested_by="system:test", requested_at=timezone.now())
    arm(worker.points, "export.before_commit", export.pk)
    export.next_attempt_at = EARLY
    export.save(force_insert=True)

    work.nudge(exports.BUILD_TASK, pk=export.pk)
    wait_until(lambda: worker.armed() == [], limit=60, what="the mark was reached")
    let_the_lease_run_out(export)

    def ready() -> bool:
        for pk in work.due_ids(DataExport, limit=10):
            work.nudge(exports.BUILD_TASK, pk=pk)
        export.refresh_from_db()
        return export.state == DataExport.State.READY

    wait_until(ready, limit=60, what="the copy is ready")

    assert DataExportPart.objects.filter(export=export).count() == 1
    data = b"".join(exports.download(export=export, actor="system:test", now=timezone.now()))
    assert len(data) == export.size
