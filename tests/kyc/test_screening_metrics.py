"""Metrics of screening: whether lists are fresh, everybody was looked up, and matches were settled."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from kyc import screening
from kyc.models import ScreeningList, ScreeningMatch, ScreeningRun
from kyc.screening import everybody, lists
from tests.kyc.test_case_metrics import figures
from tests.kyc.test_screening import apply, reviewer, row, written

pytestmark = pytest.mark.django_db
HOUR = 3600


def test_without_a_list_and_a_run_the_absence_shows() -> None:
    told = figures()
    assert told.get("agora_screening_lists") == 0
    assert told.get("agora_screening_last_run_age_seconds") is None
    assert told.get("agora_screening_run_oldest_seconds") == 0
    assert told.get("agora_screening_failed") == 0
    assert told.get('agora_screening_matches_open{kind="sanctions"}') == 0


def test_a_list_gets_older_and_a_run_that_is_not_finished_too(tmp_path: Path) -> None:
    path = written(tmp_path, row("x-1", "Zoltan Invented"), row("x-2", "Another Invented"))
    now = timezone.now()
    lists.load(path=path, name="default", actor="system:test", now=now - timedelta(hours=50))

    assert ScreeningList.objects.get().entries_count == 2
    told = figures()
    assert told.get("agora_screening_lists") == 1
    assert told.get('agora_screening_list_persons{list="default"}') == 2
    for name in (
        'agora_screening_list_age_seconds{list="default"}',
        "agora_screening_run_oldest_seconds",
    ):
        age = told.get(name)
        assert age is not None
        assert 50 * HOUR <= age < 50 * HOUR + 60


def test_a_finished_run_counts_from_its_end_and_tells_whom_it_missed(tmp_path: Path) -> None:
    path = written(tmp_path, row("x-1", "Zoltan Invented"))
    lists.load(path=path, name="default", actor="system:test", now=timezone.now())
    run = ScreeningRun.objects.get()
    ScreeningRun.objects.filter(pk=run.pk).update(failed=2)
    everybody.work_on(run_id=run.pk)

    told = figures()
    age = told.get("agora_screening_last_run_age_seconds")
    assert age is not None
    assert age < 60
    assert told.get("agora_screening_run_oldest_seconds") == 0
    assert told.get("agora_screening_failed") == 2


def test_matches_count_until_they_are_decided(tmp_path: Path) -> None:
    path = written(
        tmp_path, row("x-1", "Zoltan Invented", sanctions="a list"), row("x-2", "Zoltan Inventet")
    )
    lists.load(path=path, name="default", actor="system:test", now=timezone.now())
    application = apply("Zoltan Invented")
    earlier = timezone.now() - timedelta(hours=30)
    ScreeningMatch.objects.filter(is_sanctioned=True).update(found_at=earlier)

    told = figures()
    assert told.get('agora_screening_matches_open{kind="sanctions"}') == 1
    assert told.get('agora_screening_matches_open{kind="pep"}') == 1
    age = told.get('agora_screening_match_oldest_seconds{kind="sanctions"}')
    assert age is not None
    assert 30 * HOUR <= age < 30 * HOUR + 60
    screening.dismiss(
        match_id=screening.open_matches(application).get(is_sanctioned=True).pk,
        officer=reviewer(),
        reason="Born elsewhere.",
        now=timezone.now(),
    )
    told = figures()
    assert told.get('agora_screening_matches_open{kind="sanctions"}') == 0
