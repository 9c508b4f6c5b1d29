"""A tier's limit that two people lower holds also for who is approved at the same moment."""

import threading
import time
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from compliance import four_eyes
from kyc.limit_decisions import propose_tier_limit
from kyc.models import Application, DailyLimit, Tier
from kyc.services import approve_automatically
from tests.people import new_officer, onboarded

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
