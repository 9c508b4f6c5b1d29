"""A tier's limit that two people lower holds also for who is approved at the same moment."""

import threading
import time
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from compliance import four_eyes
from compliance.four_eyes import Refused
from kyc.limit_decisions import propose_person_limit, propose_tier_limit
from kyc.models import Application, DailyLimit, Tier
from kyc.services import approve_automatically
from tests.people import new_officer, onboarded
from tests.threads import at_once, until_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_is_approved_while_the_limit_is_lowered_gets_the_lower_one() -> None:
    Tier.objects.get_or_create(number=1, defaults={"daily_limit_usd": Decimal(1000)})
    application = onboarded().kyc_application
    DailyLimit.objects.all().delete()
    Application.objects.update(status="PENDING", decided_at=None, decided_by="")
    proposal = propose_tier_limit(
        number=1,
        daily_limit_usd="500",
        reason="Risk.",
        maker=new_officer("change_tier"),
        now=timezone.now(),
    )
    approved = threading.Event()

    def approving() -> None:
        with transaction.atomic():
            approve_automatically(Application.objects.get(pk=application.pk), now=timezone.now())
            approved.set()
            time.sleep(0.5)
        connection.close()

    thread = threading.Thread(target=approving)
    thread.start()
    assert approved.wait(10)
    four_eyes.approve(
        proposal_id=proposal.pk, checker=new_officer("decide_proposal"), now=timezone.now()
    )
    thread.join()

    assert DailyLimit.objects.get(application=application).limit_usd == 500


def test_a_limit_of_ones_own_is_not_above_a_tier_that_is_lowered_at_the_same_moment() -> None:
    Tier.objects.get_or_create(number=1, defaults={"daily_limit_usd": Decimal(1000)})
    application = onboarded().kyc_application
    DailyLimit.objects.filter(pk=application.pk).update(limit_usd=300, is_personal=True)
    person = propose_person_limit(
        application=application,
        daily_limit_usd="900",
        reason="Asked for it.",
        maker=new_officer("change_dailylimit"),
        now=timezone.now(),
    )
    tier = propose_tier_limit(
        number=1,
        daily_limit_usd="500",
        reason="Risk.",
        maker=new_officer("change_tier"),
        now=timezone.now(),
    )
    checkers = [new_officer("decide_proposal") for _ in range(2)]
    lowered, somebody_waits = threading.Event(), threading.Event()

    def act(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                four_eyes.approve(proposal_id=tier.pk, checker=checkers[0], now=timezone.now())
                lowered.set()
                somebody_waits.wait(timeout=20)
        elif number == 1:
            lowered.wait(timeout=20)
            four_eyes.approve(proposal_id=person.pk, checker=checkers[1], now=timezone.now())
        else:
            lowered.wait(timeout=20)
            until_somebody_waits()
            somebody_waits.set()

    answers = at_once(3, act)

    refusals = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refusals == ["above_tier"]
    limit = DailyLimit.objects.get(pk=application.pk)
    assert limit.limit_usd == 300
    assert Tier.objects.get(pk=1).daily_limit_usd == 500
