"""Whose trouble a failure is: the account's, which is rested, or the exchange's, which is left alone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agora.lib.outcome import Rejected, Temporary, Unknown
from copytrade import budget
from copytrade.exchange import reasons
from copytrade.models import ExchangeAccount
from copytrade.replication import breaker, outcomes
from copytrade.replication.breaker import PAUSE_AFTER, REST_AFTER, Tally
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import Send
from tests.copying import new_follower
from tests.copytrade.legs import NOW, a_leg, a_report

pytestmark = pytest.mark.django_db


def accounts(count: int) -> list[ExchangeAccount]:
    return [new_follower().account for _ in range(count)]


def a_failure(account: ExchangeAccount, error: Exception) -> Change:
    leg = a_leg(account_id=account.pk, failures=account.failures)
    assert isinstance(error, Unknown | Temporary | Rejected)
    return outcomes.of_failure(leg, object.__new__(Send), error, now=NOW)


def a_success(account: ExchangeAccount) -> Change:
    leg = a_leg(account_id=account.pk, failures=account.failures)
    return outcomes.of_report(leg, a_report(leg, "FILLED", filled="0.01"), now=NOW)


def note(changes: list[Change], *, tally: Tally | None = None) -> None:
    breaker.note(changes, tally=tally or Tally(), now=timezone.now())


def timeout() -> Unknown:
    return Unknown("?", code=reasons.TIMEOUT)


def is_open() -> bool:
    """Whether the exchange may be asked anything now."""
    return budget.take(exchange="binance", weights=[1], urgent=True).granted == 1


def test_an_account_that_fails_again_and_again_is_rested_longer_and_then_paused() -> None:
    (account,) = accounts(1)
    rests = []
    for _ in range(PAUSE_AFTER):
        note([a_failure(account, timeout())])
        account.refresh_from_db()
        rests.append(account.blocked_until)

    assert rests[: REST_AFTER - 1] == [None] * (REST_AFTER - 1)
    lengths = [rest - timezone.now() for rest in rests[REST_AFTER - 1 :] if rest]
    assert lengths == sorted(lengths)
    assert lengths[-1] <= timedelta(seconds=300)
    assert (account.state, account.state_reason) == ("PAUSED", "account_failing")


def test_one_success_forgives_all() -> None:
    (account,) = accounts(1)
    for _ in range(REST_AFTER):
        note([a_failure(account, timeout())])
    account.refresh_from_db()

    note([a_success(account)])

    account.refresh_from_db()
    assert (account.failures, account.blocked_until) == (0, None)


def test_a_refused_key_pauses_the_account_at_once() -> None:
    (account,) = accounts(1)

    note([a_failure(account, Rejected("no", code=reasons.KEY_INVALID))])

    account.refresh_from_db()
    assert (account.state, account.state_reason) == ("PAUSED", "key_invalid")


@pytest.mark.fault
def test_slow_accounts_among_many_quick_ones_are_no_outage() -> None:
    """1,000 followers of which 25 time out, all at the same moment: only these are to blame."""
    slow, tally = accounts(25), Tally(heard=975)

    note([a_failure(account, timeout()) for account in slow], tally=tally)

    assert is_open()
    assert set(ExchangeAccount.objects.values_list("failures", flat=True)) == {1}


@pytest.mark.fault
def test_when_most_fail_it_is_the_exchange_and_no_account_is_blamed() -> None:
    tally = Tally()
    failing = accounts(30)

    for batch in (failing[:10], failing[10:]):
        note([a_failure(account, timeout()) for account in batch], tally=tally)

    assert not is_open()
    blamed = ExchangeAccount.objects.filter(pk__in=[a.pk for a in failing[10:]], failures__gt=0)
    assert not blamed.exists()
