"""A person who was asked for something and does not answer: reminded once, then back to officers."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from kyc.cases import news
from kyc.cases.record import due, hold, move, store, write
from kyc.models import Case, CaseEvent
from kyc.states import State

MOST_AT_ONCE = 500


def sweep(*, now: datetime) -> None:
    """Remind whom KYC_REMIND_DAYS ago something was asked of, and put back what waited too long.

    After KYC_NO_ANSWER_DAYS the case is its officer's again, marked as unanswered and due anew. Each
    case is one transaction that holds its row; repeats change nothing.
    """
    silent = Q(asked_at__lte=now - timedelta(days=settings.KYC_NO_ANSWER_DAYS))
    late = Q(asked_at__lte=now - timedelta(days=settings.KYC_REMIND_DAYS), reminded_at=None)
    for condition, act in ((silent, _give_up), (late, _remind)):
        waiting = Case.objects.filter(condition, state=State.INFO_REQUESTED)
        for case_id in list(
            waiting.order_by("asked_at").values_list("pk", flat=True)[:MOST_AT_ONCE]
        ):
            _act(case_id, condition, act, now)


def _act(
    case_id: uuid.UUID, condition: Q, act: Callable[[Case, datetime], None], now: datetime
) -> None:
    with transaction.atomic():
        case = hold(case_id)
        # It may have been answered, or asked anew, a moment ago.
        if Case.objects.filter(condition, pk=case_id, state=State.INFO_REQUESTED).exists():
            act(case, now)
            store(case)


def _remind(case: Case, now: datetime) -> None:
    case.reminded_at = now
    write(case, CaseEvent.Kind.REMINDED, by=None, now=now, needs=case.needs)
    news.reminded(case, now=now)


def _give_up(case: Case, now: datetime) -> None:
    move(case, State.PENDING)
    case.is_unanswered = True
    case.queued_at, case.due_at = now, due(now)
    write(case, CaseEvent.Kind.UNANSWERED, by=None, now=now, needs=case.needs)
