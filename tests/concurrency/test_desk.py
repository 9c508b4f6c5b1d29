"""Forms sent twice, sales that compete, and workers that look at one order at the same moment."""

from decimal import Decimal

import pytest
from django.utils import timezone

from agora.sandbox.client import SandboxControl
from copytrade.models import Fill, MasterOrder, MasterPosition, Strategy
from copytrade.replication import master_orders, polling
from copytrade.services import desk
from copytrade.services.ticket import DeskRefused
from tests.copytrade.deskwork import at_exchange, place, published, signals
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
AT_ONCE = 8


def _placed(strategy: Strategy, *, key: str | None, **changes: object) -> MasterOrder:
    return desk.place(
        strategy=Strategy.objects.get(pk=strategy.pk),
        by=strategy.master,
        **{
            "side": "BUY",
            "type": "MARKET",
            "symbol": "BTC/USDT",
            "quantity": D("0.01"),
            "price": None,
            "source": "page",
            "placement_key": key,
            "now": timezone.now(),
            **changes,
        },  # type: ignore[arg-type]
    )


def test_one_form_sent_many_times_is_one_order_for_all(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)

    answers = at_once(AT_ONCE, lambda _: _placed(strategy, key="page:1"))

    order = MasterOrder.objects.get()
    assert [getattr(answer, "pk", answer) for answer in answers] == [order.pk] * AT_ONCE


def test_of_sales_that_compete_for_one_position_one_is_placed(sandbox: SandboxControl) -> None:
    _master, strategy = published(sandbox)

    answers = at_once(
        AT_ONCE, lambda _: _placed(strategy, key=None, side="SELL", quantity=D("0.4"))
    )

    assert MasterOrder.objects.count() == 1
    refused = [answer for answer in answers if isinstance(answer, DeskRefused)]
    assert {refusal.code for refusal in refused} == {"more_than_held"}
    assert len(refused) == AT_ONCE - 1


@pytest.mark.parametrize("attempt", range(4))
def test_an_order_is_either_cancelled_unsent_or_sent(sandbox: SandboxControl, attempt: int) -> None:
    master, strategy = published(sandbox)
    order = place(strategy)

    def act(number: int) -> object:
        now = timezone.now()
        if number:
            return master_orders.advance(order_id=order.pk, now=now)
        return desk.cancel(strategy=strategy, by=strategy.master, order_id=order.pk, now=now)

    at_once(2, act)

    order.refresh_from_db()
    sent = sandbox.binance.orders(master.label)
    assert (order.state, len(sent)) in [("CANCELLED", 0), ("FILLED", 1)]
    assert len(signals(strategy)) == len(sent)


@pytest.mark.parametrize("attempt", range(4))
def test_poll_and_sending_that_see_one_order_tell_it_once(
    sandbox: SandboxControl, attempt: int
) -> None:
    master, strategy = published(sandbox)
    order = place(strategy)
    at_exchange(master.account, side="SELL", quantity="0.1")
    Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())

    def act(number: int) -> object:
        now = timezone.now()
        if number:
            return polling.poll(strategy_id=strategy.pk, now=now)
        return master_orders.advance(order_id=order.pk, now=now)

    at_once(2, act)
    Strategy.objects.filter(pk=strategy.pk).update(next_attempt_at=timezone.now())
    polling.poll(strategy_id=strategy.pk, now=timezone.now())

    assert sorted(signals(strategy)) == [
        ("CLOSE", "MARKET", D("0.1")),
        ("OPEN", "MARKET", D("0.01")),
    ]
    assert Fill.objects.count() == 2
    assert MasterPosition.objects.get(symbol="BTC/USDT").quantity == D("0.5") - D("0.1") + D(
        "0.00999"
    )
