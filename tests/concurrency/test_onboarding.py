"""One tax id and one wallet belong to one account, also when two people try at the same moment."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Wallet
from compliance.models import AuditRow
from kyc.models import Application
from kyc.services import OnboardingError, onboard
from tests.people import a_cpf, an_address, new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, FIRST = 8, 72_000_000


@pytest.mark.parametrize(("shared", "field"), [("tax_id", "tax_id"), ("wallet", "wallet_address")])
def test_exactly_one_of_many_wins(shared: str, field: str) -> None:
    users = [new_user() for _ in range(PEOPLE)]

    def submit(number: int) -> Application:
        own = FIRST + 1 + number
        values: dict[str, Any] = {"tax_id": a_cpf(own), "wallet_address": an_address(own)}
        if shared == "tax_id":
            values["tax_id"] = a_cpf(FIRST)
        else:
            values["wallet_address"] = an_address(FIRST)
        return onboard(
            user=users[number],
            full_name="Ana Souza",
            country="BR",
            consent=True,
            now=timezone.now(),
            **values,
        )

    answers = at_once(PEOPLE, submit)

    losers = [answer for answer in answers if isinstance(answer, OnboardingError)]
    assert [set(loser.errors) for loser in losers] == [{field}] * (PEOPLE - 1)
    assert Application.objects.count() == Wallet.objects.count() == 1
    assert AuditRow.objects.count() == 3


def test_one_person_who_sends_the_form_many_times_is_onboarded_once() -> None:
    user = new_user()

    answers = at_once(
        PEOPLE,
        lambda _: onboard(
            user=user,
            full_name="Ana Souza",
            country="BR",
            tax_id=a_cpf(FIRST),
            wallet_address=an_address(FIRST),
            consent=True,
            now=timezone.now(),
        ),
    )

    assert sum(isinstance(answer, Application) for answer in answers) == 1
    assert all(isinstance(answer, Application | OnboardingError) for answer in answers)
    assert Application.objects.count() == Wallet.objects.count() == 1
