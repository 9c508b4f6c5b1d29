"""Of many forms sent at once with one name, or for one account, one becomes a strategy."""

import uuid

import pytest
from django.utils import timezone

from copytrade.models import Strategy
from copytrade.services.strategies import StrategyRefused, create_strategy, pause_strategy
from copytrade.services.strategies import delete_strategy as delete
from tests.copying import new_account, new_master, new_strategy
from tests.copytrade.test_strategies import TERMS
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 8


@pytest.mark.parametrize("of", ["name", "account"])
def test_a_name_and_an_account_are_given_once(of: str) -> None:
    master = new_master()
    accounts = [master.account, *(new_account(user=master.user) for _each in range(MANY - 1))]

    def publish(number: int) -> uuid.UUID:
        account = master.account if of == "account" else accounts[number]
        name = "Calm Swing" if number % 2 else "calm swing"
        terms = TERMS if of == "account" else TERMS.__class__(**{**vars(TERMS), "name": name})
        made = create_strategy(
            master=master.user, account_id=account.pk, terms=terms, now=timezone.now()
        )
        return made.pk

    answers = at_once(MANY, publish)

    made = [answer for answer in answers if isinstance(answer, uuid.UUID)]
    refused = [answer.code for answer in answers if isinstance(answer, StrategyRefused)]
    assert made == [Strategy.objects.get().pk]
    assert len(refused) == MANY - 1
    assert set(refused) <= {"name_taken", "account_taken"}


def test_of_a_pause_and_the_end_the_end_stays() -> None:
    strategy = new_strategy()

    def act(number: int) -> str:
        perform = delete if number % 2 else pause_strategy
        return str(
            perform(master=strategy.master, strategy_id=strategy.pk, now=timezone.now()).state
        )

    answers = at_once(MANY, act)

    assert answers.count("DELETED") == MANY // 2
    assert not [
        a for a in answers if isinstance(a, Exception) and not isinstance(a, StrategyRefused)
    ]
    strategy.refresh_from_db()
    assert strategy.state == "DELETED"
