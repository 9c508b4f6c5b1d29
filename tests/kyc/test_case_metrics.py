"""Metrics of the case queue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agora import metrics
from kyc import cases
from kyc.models import Case
from tests.kyc import casework
from tests.kyc.casework import officer

pytestmark = pytest.mark.django_db


def figures() -> dict[str, float]:
    """Every figure that is told now, by its name with labels."""
    lines = metrics.exposition().decode().splitlines()
    told = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in told}


def test_an_empty_queue_counts_nothing() -> None:
    told = figures()

    assert told['agora_cases{state="PENDING"}'] == 0
    assert told["agora_case_first_looks"] == 0
    assert 'agora_case_first_look_seconds{quantile="0.5"}' not in told


def test_cases_are_counted_by_state_with_the_oldest_and_the_late() -> None:
    now = timezone.now()
    casework.applied(now=now - timedelta(hours=30))
    casework.applied(now=now)

    told = figures()

    assert told['agora_cases{state="PENDING"}'] == 2
    assert told['agora_cases_overdue{state="PENDING"}'] == 1
    assert 30 * 3600 <= told['agora_cases_oldest_seconds{state="PENDING"}'] < 30 * 3600 + 60


def test_what_waits_for_the_person_is_never_late() -> None:
    now = timezone.now()
    mine = officer()
    case = casework.taken(mine, now=now)
    cases.ask(
        case_id=case.pk, officer=mine, needs=["ANSWER"], text="Why?", version=case.version, now=now
    )
    Case.objects.filter(pk=case.pk).update(due_at=now - timedelta(days=9))

    assert figures()['agora_cases_overdue{state="INFO_REQUESTED"}'] == 0


def test_the_time_to_the_first_look_counts_from_the_opening() -> None:
    now = timezone.now()
    casework.applied(now=now - timedelta(hours=2))
    cases.take_next(officer=officer(), now=now)

    told = figures()

    assert told["agora_case_first_looks"] == 1
    assert told['agora_case_first_look_seconds{quantile="0.5"}'] == 7200


def test_a_case_that_nobody_looked_at_counts_with_the_age_it_has() -> None:
    now = timezone.now()
    casework.applied(now=now - timedelta(days=9))
    casework.applied(now=now - timedelta(hours=2))

    told = figures()

    assert told["agora_cases_unseen"] == 2
    assert told['agora_case_first_look_seconds{quantile="0.95"}'] > 8 * 24 * 3600
    assert told["agora_case_first_looks"] == 0


def test_a_case_that_ended_before_anybody_looked_counts_no_more() -> None:
    case = casework.applied()

    cases.end_with_account(user=case.application.user, now=timezone.now())

    told = figures()

    assert told["agora_cases_unseen"] == 0
    assert 'agora_case_first_look_seconds{quantile="0.5"}' not in told
