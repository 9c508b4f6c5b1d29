"""Writing what was decided and what came of it: by whoever holds the leg, and each trade once."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copytrade.exchange.types import OrderReport, Trade
from copytrade.ledger.booking import Booking, book
from copytrade.models import CopyOrder, CopyPosition, Fill, LedgerEntry, Subscription
from copytrade.replication import outcomes, recording
from copytrade.replication.claims import Facts, Selection, claim
from copytrade.replication.outcomes import Change
from copytrade.replication.planning import LookUp, Send, decide
from copytrade.replication.recording import Begun, write_decisions, write_outcomes
from tests.copying import new_subscription
from tests.copytrade.legs import NOW, a_report
from tests.copytrade.replicating import signal
from tests.copytrade.rules import a_market, amounts

pytestmark = pytest.mark.django_db
in_one_database = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ZERO = Decimal(0)


def a_planned_leg(**changes: Any) -> CopyOrder:
    subscription = new_subscription(sizing="multiplier", **changes)
    return signal(subscription.strategy).legs.get()


def facts_of(leg: CopyOrder) -> Facts:
    with transaction.atomic():
        return claim(Selection(ids=[leg.pk]), limit=1)[0]


def a_send(facts: Facts) -> Send:
    market = a_market()
    decision = decide(facts, switches=[], markets={market.symbol: market}, now=timezone.now())
    assert isinstance(decision, Send)
    return decision


def begin(leg: CopyOrder) -> Begun:
    """The leg with its intent to send committed."""
    facts = facts_of(leg)
    (begun,) = write_decisions([(facts, a_send(facts))], now=timezone.now())
    return begun


def record(begun: Begun, change: Change) -> list[Change]:
    return write_outcomes([(begun, change)], now=timezone.now())


def filled(begun: Begun, **changes: Any) -> Change:
    report = a_report(begun.leg, "FILLED", filled="0.01")
    return outcomes.of_report(begun.leg, replace(report, **changes), now=timezone.now())


# --- Intents ----------------------------------------------------------------------------------------


def test_an_intent_is_signed_counted_and_leased() -> None:
    leg = a_planned_leg()

    begun = begin(leg)

    leg.refresh_from_db()
    assert isinstance(begun.decision, Send)
    assert (leg.state, leg.sends, leg.attempts) == ("SENDING", 1, 1)
    assert leg.asked_at == begun.decision.order.signed_at
    assert leg.lease_token == begun.token
    assert leg.sent == leg.rounded == Decimal("0.01")


def test_facts_from_before_another_worker_sent_decide_nothing() -> None:
    """A claim reads before it locks; in between another may have sent the leg and recorded it."""
    leg = a_planned_leg()
    before = facts_of(leg)
    begin(leg)

    begun = write_decisions([(before, a_send(before))], now=timezone.now())

    leg.refresh_from_db()
    assert begun == []
    assert (leg.state, leg.sends) == ("SENDING", 1)


# --- Outcomes ---------------------------------------------------------------------------------------


def test_only_the_holder_of_the_lease_writes_the_outcome() -> None:
    leg = a_planned_leg()
    late = begin(leg)
    CopyOrder.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    facts = facts_of(leg)
    (holder,) = write_decisions([(facts, LookUp())], now=timezone.now())

    now = timezone.now()
    kept = record(late, Change(late.leg, "PLANNED", again_at=now))

    leg.refresh_from_db()
    assert kept == []
    assert leg.state == "SENDING"
    assert record(holder, filled(holder)) != []
    leg.refresh_from_db()
    assert leg.state == "FILLED"


def test_trades_told_to_a_late_worker_are_booked_all_the_same_and_once() -> None:
    leg = a_planned_leg()
    late = begin(leg)
    CopyOrder.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    facts = facts_of(leg)
    (holder,) = write_decisions([(facts, LookUp())], now=timezone.now())

    record(late, filled(late))
    record(holder, filled(holder))

    assert Fill.objects.count() == 1
    assert CopyPosition.objects.get().quantity == Decimal("0.01")


@in_one_database
@given(told=st.lists(amounts("0", "0.01", places=5), min_size=1, max_size=6))
def test_filled_never_goes_down_whatever_is_told_in_whatever_order(told: list[Decimal]) -> None:
    leg = a_planned_leg()
    begun = begin(leg)
    most = ZERO
    for quantity in told:
        report = a_report(begun.leg, "PARTIALLY_FILLED", filled=str(quantity), told="0")
        CopyOrder.objects.filter(pk=leg.pk).update(lease_token=begun.token)

        record(begun, outcomes.of_report(begun.leg, report, now=timezone.now()))

        most = max(most, quantity)
        leg.refresh_from_db()
        assert (leg.filled, leg.quote_filled) == (most, most * 50_000)


def test_a_leg_that_has_ended_is_never_changed_again() -> None:
    leg = a_planned_leg()
    begun = begin(leg)
    record(begun, filled(begun))
    leg.refresh_from_db()
    ended = CopyOrder.objects.values().get()

    for change in (
        Change(begun.leg, "PLANNED", again_at=timezone.now()),
        outcomes.of_missing(begun.leg, began=timezone.now(), now=timezone.now()),
        outcomes.of_report(begun.leg, a_report(begun.leg, "CANCELLED"), now=timezone.now()),
    ):
        assert record(begun, change) == []

    assert CopyOrder.objects.values().get() == ended


def test_the_rest_of_a_close_is_asked_for_later_and_later() -> None:
    subscription = new_subscription(sizing="multiplier")
    CopyPosition.objects.create(
        subscription=subscription,
        symbol="BTC/USDT",
        quantity=Decimal("0.01"),
        cost=Decimal(500),
        updated_at=timezone.now(),
    )
    published = signal(subscription.strategy, kind="CLOSE", before="0.01")
    waits = []
    for number in range(4):
        leg = published.legs.get(leg=number)
        CopyOrder.objects.filter(pk=leg.pk).update(next_attempt_at=timezone.now())
        begun = begin(leg)
        now = timezone.now()
        unsold = a_report(begun.leg, "EXPIRED")
        write_outcomes([(begun, outcomes.of_report(begun.leg, unsold, now=now))], now=now)
        rest = published.legs.get(leg=number + 1)
        assert rest.state == "PLANNED"
        assert rest.next_attempt_at is not None
        waits.append((rest.next_attempt_at - now).total_seconds())

    assert waits == [2, 4, 8, 16]
    assert len(set(published.legs.values_list("client_order_id", flat=True))) == 5


def test_what_was_carried_over_comes_back_when_the_open_is_given_up() -> None:
    leg = a_planned_leg()
    CopyOrder.objects.filter(pk=leg.pk).update(sends=1, carried_in=Decimal("0.004"))
    facts = replace(facts_of(leg), expires_at=timezone.now())
    expired = decide(facts, switches=[], markets={}, now=timezone.now())

    write_decisions([(facts, expired)], now=timezone.now())

    assert CopyPosition.objects.get().carried == Decimal("0.004")


# --- Booking ----------------------------------------------------------------------------------------


def a_trade(number: int, side: str, quantity: Decimal, price: Decimal, fee_in: str) -> Trade:
    quote = quantity * price
    fees = {
        "base": ("BTC", quantity / 1000),
        "quote": ("USDT", quote / 1000),
        "BNB": ("BNB", quote),
    }
    asset, fee = fees[fee_in]
    return Trade(
        id=str(number),
        order_id="1",
        symbol="BTC/USDT",
        side="BUY" if side == "BUY" else "SELL",
        price=price,
        quantity=quantity,
        quote_quantity=quote,
        fee=fee,
        fee_asset=asset,
        at=NOW + timedelta(seconds=number),
        maker=False,
    )


histories = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        amounts("0.001", "1", places=5),
        amounts("1", "1000", places=2),
        st.sampled_from(["base", "quote", "BNB"]),
    ),
    min_size=1,
    max_size=8,
).map(lambda rows: [a_trade(n, *row) for n, row in enumerate(rows)])


def tell(subscription: Subscription, batches: Sequence[Sequence[Trade]]) -> None:
    for batch in batches:
        book(
            [
                Booking(
                    account_id=subscription.account_id,
                    trade=trade,
                    subscription_id=subscription.pk,
                )
                for trade in batch
            ],
            now=NOW,
        )


def books_of(subscription: Subscription) -> tuple[list[object], list[object]]:
    """Trades and entries, without what depends on the row."""
    account = subscription.account_id
    fills = Fill.objects.filter(account=account).order_by("trade_id")
    entries = LedgerEntry.objects.filter(account=account).exclude(kind="opening")
    return (
        list(fills.values_list("trade_id", "side", "price", "quantity", "fee", "fee_asset")),
        list(
            entries.order_by("source").values_list("source", "debit", "credit", "asset", "amount")
        ),
    )


def position_of(subscription: Subscription) -> tuple[Decimal, ...]:
    position = CopyPosition.objects.get(subscription=subscription)
    return (position.quantity, position.cost, position.realized, position.fees)


@in_one_database
@given(history=histories, data=st.data())
def test_trades_told_in_any_order_and_often_give_the_same_books(
    history: list[Trade], data: st.DataObject
) -> None:
    told_once, told_often = new_subscription(), new_subscription()
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=8))
    order = data.draw(st.permutations([*history, *repeated]))
    cut = data.draw(st.integers(0, len(order)))

    tell(told_once, [history])
    tell(told_often, [order[:cut], order[cut:], order])

    assert books_of(told_often) == books_of(told_once)
    assert position_of(told_often)[0] == position_of(told_once)[0]
    assert position_of(told_often)[3] == position_of(told_once)[3]


@in_one_database
@given(history=histories, data=st.data())
def test_positions_do_not_depend_on_how_trades_of_one_side_are_batched(
    history: list[Trade], data: st.DataObject
) -> None:
    """Buys and sells in their order; each told alone, all at once, or some twice."""
    alone, together = new_subscription(), new_subscription()
    again = data.draw(st.lists(st.sampled_from(history), max_size=4))

    tell(alone, [[trade] for trade in history])
    tell(together, [[*history, *again], again])

    for one, other in zip(position_of(alone), position_of(together), strict=True):
        assert abs(one - other) < Decimal("1e-9")


@in_one_database
@given(history=histories)
def test_what_all_books_got_is_what_all_books_gave(history: list[Trade]) -> None:
    subscription = new_subscription()

    tell(subscription, [history])

    entries = LedgerEntry.objects.filter(account=subscription.account_id)
    for asset in ("BTC", "USDT", "BNB"):
        of_asset = entries.filter(asset=asset)
        balances = {
            name: (of_asset.filter(debit=name).aggregate(s=Sum("amount"))["s"] or ZERO)
            - (of_asset.filter(credit=name).aggregate(s=Sum("amount"))["s"] or ZERO)
            for name in LedgerEntry.Book.values
        }
        assert sum(balances.values()) == 0
        assert balances["fees"] == sum((t.fee for t in history if t.fee_asset == asset), ZERO)


@in_one_database
@given(history=histories)
def test_the_position_is_what_the_trades_leave_after_fees(history: list[Trade]) -> None:
    subscription = new_subscription()

    tell(subscription, [history])

    left = sum((t.quantity if t.side == "BUY" else -t.quantity for t in history), ZERO)
    left -= sum((t.fee for t in history if t.fee_asset == "BTC"), ZERO)
    assert position_of(subscription)[0] == left


def test_the_same_trade_id_of_two_accounts_or_pairs_is_two_trades() -> None:
    subscriptions = [new_subscription(), new_subscription()]
    trade = a_trade(1, "BUY", Decimal(1), Decimal(10), "quote")

    for subscription in subscriptions:
        tell(subscription, [[trade, replace(trade, symbol="ETH/USDT")]])

    assert Fill.objects.count() == 4


def test_a_report_without_its_trades_books_nothing_and_stays_open() -> None:
    leg = a_planned_leg()
    begun = begin(leg)
    silent: OrderReport = replace(a_report(begun.leg, "FILLED", filled="0.01"), trades=())

    record(begun, outcomes.of_report(begun.leg, silent, now=timezone.now()))

    leg.refresh_from_db()
    assert (leg.state, Fill.objects.count()) == ("WORKING", 0)
    assert recording.next_of([uuid.uuid4()]) == []
