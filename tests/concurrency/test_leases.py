"""Many workers reach for the same rows: each row is held by exactly one."""

import uuid

import pytest
from django.utils import timezone

from agora.lib import work
from agora.lib.work import Lease
from compliance.models import ReserveSnapshot
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 16


def some_jobs(count: int) -> set[uuid.UUID]:
    now = timezone.now()
    return {
        ReserveSnapshot.objects.create(
            requested_by="system:test", requested_at=now, next_attempt_at=now
        ).pk
        for _ in range(count)
    }


def test_one_row_goes_to_one_worker() -> None:
    (job,) = some_jobs(1)

    leases = at_once(WORKERS, lambda _: work.claim(ReserveSnapshot, pk=job))

    held = [lease for lease in leases if isinstance(lease, Lease)]
    assert len(held) == 1
    assert leases.count(None) == WORKERS - 1
    assert ReserveSnapshot.objects.get().lease_token == held[0].token


def test_many_rows_are_shared_out_without_a_row_twice() -> None:
    jobs = some_jobs(4 * WORKERS)

    taken = at_once(WORKERS, lambda _: [work.claim(ReserveSnapshot, pk=job) for job in jobs])

    held = [
        lease.row.pk for leases in taken if isinstance(leases, list) for lease in leases if lease
    ]
    assert sorted(held) == sorted(jobs)


def test_only_the_holder_of_the_lease_can_finish() -> None:
    (job,) = some_jobs(1)
    late = work.claim(ReserveSnapshot, pk=job)
    ReserveSnapshot.objects.update(lease_until=timezone.now())
    holder = work.claim(ReserveSnapshot, pk=job)
    assert late is not None
    assert holder is not None
    leases = [late, holder] * (WORKERS // 2)

    results = at_once(
        WORKERS, lambda n: leases[n].release(again_at=None, figures={"by": str(leases[n].token)})
    )

    assert results.count(None) == 1
    assert ReserveSnapshot.objects.get().figures == {"by": str(holder.token)}
