"""Workers die in the middle of looking everybody up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from agora.lib import work
from kyc.models import Application, Screening, ScreeningRun
from kyc.screening import lists, runs
from tests.faults.worker import Worker, let_the_lease_run_out, wait_until
from tests.kyc.test_screening import row, written
from tests.people import onboarded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300), pytest.mark.fault]
MARK = "screening.everybody.before_person"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker(folder=tmp_path, concurrency=1)
    made.start()
    yield made
    made.kill()


def test_a_run_comes_to_its_end_past_somebody_who_kills_each_worker(
    worker: Worker, tmp_path: Path
) -> None:
    people = sorted(Application.objects.get(user=onboarded()).pk for _ in range(4))
    deadly = people[2]
    armed = worker.points / f"{MARK}@{deadly}"
    armed.write_text("kill")
    path = written(tmp_path, row("x-1", "Zoltan Invented"))
    lists.load(path=path, name="default", actor="system:test", now=timezone.now())
    run = ScreeningRun.objects.get()

    deaths = 0
    while True:
        wait_until(
            lambda: not worker.armed() or _is_finished(run),
            limit=60,
            what=f"a worker died or the run ended\n{worker.log()}",
        )
        if worker.armed():
            break
        deaths += 1
        assert deaths < 10
        armed.write_text("kill")
        let_the_lease_run_out(run)
        work.nudge(runs.RUN_TASK, pk=run.pk)

    run.refresh_from_db()
    assert deaths >= 3
    assert (run.persons, run.failed, run.attention) == (3, 1, True)
    assert set(Screening.objects.filter(loads__len=1).values_list("application", flat=True)) == {
        person for person in people if person != deadly
    }


def _is_finished(run: ScreeningRun) -> bool:
    return ScreeningRun.objects.filter(pk=run.pk, finished_at__isnull=False).exists()
