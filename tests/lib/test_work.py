"""The row is the job: leased once, written only by its holder, tried again, never dropped."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from agora.lib import work
from agora.lib.work import Lease, LeaseLost
from compliance.models import ReserveSnapshot

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(hours=1)


def a_job(**columns: Any) -> ReserveSnapshot:
    now = timezone.now()
    return ReserveSnapshot.objects.create(
        requested_by="system:test",
        requested_at=now,
        **{"next_attempt_at": now - LONG_AGO, **columns},
    )


def leased(job: ReserveSnapshot) -> Lease[ReserveSnapshot]:
    lease = work.claim(ReserveSnapshot, pk=job.pk)
    assert lease is not None
    return lease


def columns_of(job: ReserveSnapshot) -> dict[str, Any]:
    return dict(ReserveSnapshot.objects.values().get(pk=job.pk))


def let_lease_run_out(job: ReserveSnapshot) -> None:
    ReserveSnapshot.objects.filter(pk=job.pk).update(lease_until=timezone.now() - LONG_AGO)


def test_a_due_row_is_leased_for_the_stated_time(settings: Settings) -> None:
    settings.WORK_LEASE_SECONDS = 100
    lease = leased(a_job())

    held = ReserveSnapshot.objects.get(pk=lease.row.pk)
    assert (held.lease_token, held.attempts) == (lease.token, 1)
    assert held.lease_until is not None
    assert 90 < (held.lease_until - timezone.now()).total_seconds() <= 100


def test_a_leased_row_is_not_leased_again() -> None:
    job = a_job()
    leased(job)

    assert work.claim(ReserveSnapshot, pk=job.pk) is None


@pytest.mark.parametrize("due", [None, timedelta(minutes=5)])
def test_a_row_that_is_not_due_is_left_alone(due: timedelta | None) -> None:
    job = a_job(next_attempt_at=due and timezone.now() + due)
    before = columns_of(job)

    assert work.claim(ReserveSnapshot, pk=job.pk) is None
    assert columns_of(job) == before


def test_a_row_whose_lease_ran_out_is_leased_by_the_next_worker() -> None:
    job = a_job()
    first = leased(job)
    let_lease_run_out(job)

    assert leased(job).token != first.token


def test_a_worker_that_lost_its_lease_changes_nothing() -> None:
    job = a_job()
    late = leased(job)
    let_lease_run_out(job)
    leased(job)
    before = columns_of(job)

    for write in (
        lambda: late.write(figures={"late": True}),
        lambda: late.release(again_at=None, figures={"late": True}),
        lambda: work.park(late, error="late"),
        lambda: work.retry_later(late, error="late", wait=None, now=timezone.now()),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert columns_of(job) == before


def test_a_released_row_cannot_be_written_any_more() -> None:
    lease = leased(a_job())
    lease.release(again_at=None)

    with pytest.raises(LeaseLost):
        lease.write(figures={"late": True})


def test_release_ends_the_step_and_forgets_its_tries() -> None:
    job = a_job(attempts=7, last_error="before", asked_at=timezone.now(), missed_lookups=1)
    again_at = timezone.now() + timedelta(minutes=5)

    leased(job).release(again_at=again_at, figures={"done": True})

    row = ReserveSnapshot.objects.get(pk=job.pk)
    assert (row.next_attempt_at, row.figures) == (again_at, {"done": True})
    assert (row.lease_token, row.lease_until, row.asked_at) == (None, None, None)
    assert (row.attempts, row.missed_lookups, row.last_error) == (0, 0, "")


def test_the_sweep_finds_due_and_abandoned_rows_only() -> None:
    due, held, abandoned = a_job(), a_job(), a_job()
    a_job(next_attempt_at=None)
    leased(held)
    leased(abandoned)
    let_lease_run_out(abandoned)

    assert set(work.due_ids(ReserveSnapshot, limit=10)) == {due.pk, abandoned.pk}


@given(attempts=st.integers(min_value=0, max_value=1000))
def test_backoff_doubles_up_to_its_cap_with_jitter_on_the_half(attempts: int) -> None:
    from django.conf import settings

    full = min(
        settings.WORK_BACKOFF_SECONDS * 2 ** min(attempts, 20), settings.WORK_BACKOFF_MAX_SECONDS
    )

    assert full / 2 <= work.backoff(attempts=attempts).total_seconds() <= full


def test_a_failed_try_gives_the_row_back_for_later() -> None:
    job, now = a_job(), timezone.now()

    goes_on = work.retry_later(leased(job), error="away", wait=timedelta(seconds=9), now=now)

    row = ReserveSnapshot.objects.get(pk=job.pk)
    assert goes_on
    assert row.next_attempt_at == now + timedelta(seconds=9)
    assert (row.lease_token, row.attention, row.last_error, row.attempts) == (
        None,
        False,
        "away",
        1,
    )


def test_the_last_allowed_try_ends_in_attention_and_is_never_due_again(settings: Settings) -> None:
    settings.WORK_MAX_ATTEMPTS = 3
    job, now = a_job(), timezone.now()
    for left in (2, 1, 0):
        goes_on = work.retry_later(leased(job), error="away", wait=-LONG_AGO, now=now)
        assert goes_on == (left > 0)

    row = ReserveSnapshot.objects.get(pk=job.pk)
    assert (row.attention, row.next_attempt_at, row.last_error) == (True, None, "away")
    assert work.due_ids(ReserveSnapshot, limit=10) == []


def test_a_parked_row_waits_for_a_person() -> None:
    job = a_job()

    work.park(leased(job), error="x" * 5000)

    row = ReserveSnapshot.objects.get(pk=job.pk)
    assert (row.attention, row.next_attempt_at, row.lease_token) == (True, None, None)
    assert row.last_error == "x" * 2000


def test_leases_are_timed_by_the_database_not_by_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    skewed: datetime = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: skewed)
    job = a_job(next_attempt_at=skewed - timedelta(hours=1))

    assert work.claim(ReserveSnapshot, pk=job.pk) is None


def test_a_row_whose_tries_end_without_an_answer_is_worn_out(settings: Settings) -> None:
    settings.WORK_MAX_ATTEMPTS = 2
    job, told = a_job(), []
    for _ in range(3):
        told.append(work.worn_out(leased(job).row))
        let_lease_run_out(job)

    assert told == [False, False, True]
