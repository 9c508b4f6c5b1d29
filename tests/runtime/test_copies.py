"""What the demo tells of a copied order, and that it trusts the exchange's books, not Agora's."""

from decimal import Decimal

import pytest

from agora.runtime import telling
from agora.runtime.copies import report
from agora.sandbox.client import SandboxControl
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.models import CopyOrder, ExchangeAccount, Signal, Strategy
from tests.copying import mark, new_follower, new_master, new_strategy, new_subscription
from tests.copytrade.replicating import master_order, settle, signal
from tests.trading_at import done, order

pytestmark = pytest.mark.django_db(transaction=True)


def act(sandbox: SandboxControl, *, followers: int = 2) -> Signal:
    """A master bought 0.01 BTC at the exchange, and all but a paused follower copied it."""
    sandbox.binance.price("BTCUSDT", "50000")
    mark()
    master = new_master(control=sandbox)
    strategy: Strategy = new_strategy(master=master)
    for _ in range(followers):
        new_subscription(strategy=strategy, follower=new_follower(control=sandbox))
    new_subscription(strategy=strategy, follower=new_follower(control=sandbox), state="PAUSED")
    client_order_id = traded(strategy.account)
    bought = master_order(strategy, client_order_id=client_order_id, filled=Decimal("0.01"))
    return signal(strategy, order=bought)


def traded(account: ExchangeAccount) -> str:
    """Buy 0.01 BTC at the exchange, past Agora; the client order id."""
    return done(runner.venue().place(credentials_of(account), order())).client_order_id


def test_every_copy_is_told_with_its_outcome_and_the_books_agree(sandbox: SandboxControl) -> None:
    published = act(sandbox)
    settle(published)

    told = report(published.pk, control=sandbox, limit=5)

    assert told["waiting"] == told["differences"] == []
    *copied, last, total = [line for line in telling.copies(told) if line]
    assert len(copied) == 2
    assert all("✓" in line and "BTC at 500" in line and line.endswith(" ms") for line in copied)
    assert "not copied" in last
    assert last.endswith("The subscription was paused, so that only closes were copied.")
    assert total.startswith("  Copied 2, not copied 1; accepted at the exchange ")
    assert "2 of 3 copies were made" in told["explained"]


def test_a_copy_without_an_outcome_is_named(sandbox: SandboxControl) -> None:
    published = act(sandbox, followers=1)

    told = report(published.pk, control=sandbox, limit=0.1)

    planned = CopyOrder.objects.get(signal=published, state="PLANNED")
    assert told["waiting"] == [planned.subscription.follower.email]


def test_a_fill_that_only_agora_knows_of_is_a_difference(sandbox: SandboxControl) -> None:
    published = act(sandbox, followers=1)
    settle(published)
    CopyOrder.objects.filter(signal=published, state="FILLED").update(filled=Decimal("0.5"))

    (difference,) = report(published.pk, control=sandbox, limit=5)["differences"]

    assert "filled 0.5 by Agora's books" in difference


def test_an_order_that_only_the_exchange_knows_of_is_a_difference(sandbox: SandboxControl) -> None:
    published = act(sandbox, followers=1)
    settle(published)
    leg = CopyOrder.objects.get(signal=published, state="FILLED")
    stray = traded(leg.account)

    differences = report(published.pk, control=sandbox, limit=5)["differences"]

    assert differences == [f"{leg.account.label}: Agora knows nothing of order {stray}."]
