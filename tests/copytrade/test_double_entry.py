"""Whatever is traded, booked and taken back: every asset sums to zero, and balances are the trades."""

import uuid
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copytrade.exchange.types import Trade
from copytrade.ledger.booking import Booking, book, book_external, reverse
from copytrade.models import CopyPosition, Fill, LedgerEntry, Subscription
from copytrade.selectors.proof import wallet_balances
from tests.copying import new_subscription

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AMOUNTS = st.decimals("0.00000001", "1000", places=8)
TRADES = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["BTC/USDT", "ETH/USDT"]),
    AMOUNTS,  # quantity
    AMOUNTS,  # price
    st.sampled_from(["USDT", "base", "BNB", "none"]),
    st.booleans(),  # told twice
)


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


class _Undo(Exception):
    """Each example begins with empty books."""


def a_trade(number: int, drawn: tuple[Any, ...]) -> Trade:
    side, symbol, quantity, price, fee_in, _twice = drawn
    base = symbol.partition("/")[0]
    return Trade(
        id=str(number),
        order_id=str(number),
        symbol=symbol,
        side=side,
        price=price,
        quantity=quantity,
        quote_quantity=quantity * price,
        fee=Decimal(0) if fee_in == "none" else quantity / 1000,
        fee_asset={"base": base, "none": "USDT"}.get(fee_in, fee_in),
        at=NOON + timedelta(seconds=number),
        maker=False,
    )


def sums_over_books() -> dict[str, Decimal]:
    """What each asset comes to over all books: what one receives another gives."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    books: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in LedgerEntry.objects.all():
        books[entry.debit, entry.asset] += entry.amount
        books[entry.credit, entry.asset] -= entry.amount
    for (_book, asset), amount in books.items():
        found[asset] += amount
    return found


def folded(trades: list[Trade]) -> dict[str, Decimal]:
    """What trades alone make of empty balances."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    for trade in trades:
        base, quote = trade.symbol.split("/")
        sign = 1 if trade.side == "BUY" else -1
        held[base] += sign * trade.quantity
        held[quote] -= sign * trade.quote_quantity
        held[trade.fee_asset] -= trade.fee
    return held


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=st.lists(TRADES, min_size=1, max_size=8), deposit=AMOUNTS, batch=st.booleans())
def test_books_balance_and_fold_to_the_trades(
    subscription: Subscription, drawn: list[tuple[Any, ...]], deposit: Decimal, batch: bool
) -> None:
    trades = [a_trade(number, one) for number, one in enumerate(drawn, start=1)]
    try:
        with transaction.atomic():
            opening = wallet_balances(subscription.account_id)
            _book(subscription, trades, drawn, batch=batch)
            outside = book_external(
                account=subscription.account,
                asset="USDT",
                amount=deposit,
                note="",
                at=NOON,
                now=NOON,
            )
            reverse(entry=outside, note="was none", now=NOON)

            assert set(sums_over_books().values()) == {Decimal(0)}
            assert Fill.objects.count() == len(trades)
            expected = folded(trades)
            for asset, held in opening.items():
                expected[asset] += held
            held_now = wallet_balances(subscription.account_id)
            assert held_now == {asset: units for asset, units in expected.items() if units}
            _assert_positions(subscription, trades)
            raise _Undo
    except _Undo:
        pass


def _book(
    subscription: Subscription,
    trades: list[Trade],
    drawn: list[tuple[Any, ...]],
    *,
    batch: bool,
) -> None:
    def booking(trade: Trade) -> Booking:
        return Booking(subscription.account_id, trade, subscription_id=subscription.pk)

    if batch:
        book([booking(trade) for trade in trades], now=NOON)
    for trade, one in zip(trades, drawn, strict=True):
        if not batch or one[5]:
            book([booking(trade)], now=NOON)


def _assert_positions(subscription: Subscription, trades: list[Trade]) -> None:
    """A position holds what its pair's trades came to, less fees in its own asset."""
    for position in CopyPosition.objects.filter(subscription=subscription):
        of_pair = [trade for trade in trades if trade.symbol == position.symbol]
        base = position.symbol.partition("/")[0]
        bought = sum(
            ((t.quantity if t.side == "BUY" else -t.quantity) for t in of_pair), Decimal(0)
        )
        fees = sum((t.fee for t in of_pair if t.fee_asset == base), Decimal(0))
        assert position.quantity == bought - fees


def test_an_entry_without_two_books_is_refused_by_the_database(subscription: Subscription) -> None:
    for changes in ({"debit": "wallet", "credit": "wallet"}, {"amount": 0}, {"amount": -1}):
        values: dict[str, Any] = {
            "account": subscription.account,
            "kind": "external",
            "source": str(uuid.uuid4()),
            "debit": "wallet",
            "credit": "external",
            "asset": "BTC",
            "amount": 1,
            "at": NOON,
            "booked_at": NOON,
        }
        with pytest.raises(IntegrityError), transaction.atomic():
            LedgerEntry.objects.create(**{**values, **changes})


def test_an_entry_is_taken_back_once(subscription: Subscription) -> None:
    entry = book_external(
        account=subscription.account, asset="BTC", amount=Decimal(1), note="", at=NOON, now=NOON
    )
    reverse(entry=entry, note="", now=NOON)

    with pytest.raises(IntegrityError), transaction.atomic():
        reverse(entry=entry, note="", now=NOON)
