"""Copy trading as Prometheus sees it (MET-1)."""

import pytest

from agora.metrics import exposition
from copytrade.models import CopyOrder, ExchangeAccount
from tests.copying import new_strategy, new_subscription
from tests.copytrade.replicating import signal

pytestmark = pytest.mark.django_db


def _value(name: str) -> float:
    lines = exposition().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def test_copies_are_counted_by_state() -> None:
    strategy = new_strategy()
    new_subscription(strategy=strategy)
    new_subscription(strategy=strategy, state="PAUSED")

    signal(strategy)

    assert _value('agora_copies{state="PLANNED"}') == 1
    assert _value('agora_copies{state="SKIPPED"}') == 1
    assert _value('agora_copies_oldest_seconds{state="PLANNED"}') >= 0


def test_copies_that_need_a_person_and_accounts_out_of_use_stand_out() -> None:
    strategy = new_strategy()
    subscription = new_subscription(strategy=strategy)
    signal(strategy)
    CopyOrder.objects.update(attention=True)
    ExchangeAccount.objects.filter(pk=subscription.account_id).update(state="PAUSED")

    assert _value('agora_copies_attention{state="PLANNED"}') == 1
    assert _value('agora_exchange_accounts{state="paused"}') == 1
    assert _value("agora_kill_switches") == 0
