"""Ledger against exchange: trades by hand are booked, anything else is shown and left to a person."""

import threading
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from accounts.models import Notice, User
from agora.lib import work
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import NewOrder, OrderReport
from copytrade.ledger.booking import book_external
from copytrade.models import (
    CopyPosition,
    ExchangeAccount,
    Fill,
    LedgerEntry,
    LedgerProof,
    MasterPosition,
)
from copytrade.selectors.proof import proof_of, wallet_balances
from copytrade.services.proof import ProofRefused, book_difference, correct, prove
from copytrade.tasks.ledger import prove_accounts
from tests.copying import Trader, mark, new_follower, new_master, new_strategy, new_subscription
from tests.copytrade.booking import a_leg, a_signal
from tests.copytrade.replicating import settle, signal
from tests.people import new_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _price(sandbox: SandboxControl) -> None:
    sandbox.binance.price("BTCUSDT", "50000")
    mark("BTC/USDT", "50000")


@pytest.fixture
def follower(sandbox: SandboxControl) -> Trader:
    return new_follower(control=sandbox)


def by_hand(
    trader: Trader, *, side: str = "BUY", quantity: str = "0.001", symbol: str = "BTC/USDT"
) -> OrderReport:
    """The person trades at the exchange, past Agora."""
    order = NewOrder(
        client_order_id=f"hand{uuid.uuid4().hex[:20]}",
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        type="MARKET",
        quantity=Decimal(quantity),
        signed_at=timezone.now(),
    )
    venue = runner.venue()
    return runner.run(venue.place(credentials_of(trader.account), order), timeout=10)


def compare(trader: Trader) -> dict[str, Decimal]:
    return prove(account_id=trader.account.pk, now=timezone.now()).differences


def officer() -> User:
    user = new_user(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="add_ledgerentry"))
    return User.objects.get(pk=user.pk)


def test_copied_trades_leave_no_difference(sandbox: SandboxControl, follower: Trader) -> None:
    strategy = new_strategy()
    new_subscription(strategy=strategy, follower=follower, sizing="multiplier")
    settle(signal(strategy, quantity="0.01"))
    settle(signal(strategy, kind="CLOSE", quantity="0.004", before="0.01"))

    assert compare(follower) == {}
    rows = {row.asset: row for row in LedgerProof.objects.filter(account=follower.account)}
    told = sandbox.binance.balances(follower.label)
    assert rows["USDT"].exchange == rows["USDT"].ledger
    assert str(rows["BTC"].exchange.normalize()) in str(told)
    follower.account.refresh_from_db()
    assert follower.account.proved_at is not None


def test_a_trade_by_hand_is_booked_and_belongs_to_no_copy(
    sandbox: SandboxControl, follower: Trader
) -> None:
    subscription = new_subscription(follower=follower)
    by_hand(follower)

    proved = prove(account_id=follower.account.pk, now=timezone.now())

    assert (proved.differences, proved.booked) == ({}, Fill.objects.count())
    fill = Fill.objects.first()
    assert fill is not None
    assert (fill.subscription, fill.copy_order, fill.strategy) == (None, None, None)
    assert not CopyPosition.objects.filter(subscription=subscription).exists()


def test_two_pairs_traded_by_hand_are_both_found(sandbox: SandboxControl, follower: Trader) -> None:
    by_hand(follower)
    by_hand(follower, symbol="ETH/USDT", quantity="0.01")
    by_hand(follower, side="SELL", quantity="0.0005")

    assert compare(follower) == {}
    assert set(Fill.objects.values_list("symbol", "side")) == {
        ("BTC/USDT", "BUY"), ("BTC/USDT", "SELL"), ("ETH/USDT", "BUY"),
    }  # fmt: skip


def test_a_trade_by_hand_between_copied_ones_is_found(
    sandbox: SandboxControl, follower: Trader
) -> None:
    strategy = new_strategy()
    new_subscription(strategy=strategy, follower=follower, sizing="multiplier")
    by_hand(follower)
    settle(signal(strategy, quantity="0.01"))  # booked, with a higher trade id

    assert compare(follower) == {}
    owners = [fill.subscription_id for fill in Fill.objects.all()]
    assert None in owners
    assert any(owners)


def test_a_deposit_is_shown_and_nothing_is_booked_or_sold(
    sandbox: SandboxControl, follower: Trader
) -> None:
    sandbox.binance.deposit(follower.label, asset="ETH", amount="2")
    entries, orders = LedgerEntry.objects.count(), sandbox.binance.orders(follower.label)

    assert compare(follower) == {"ETH": Decimal(2)}
    assert compare(follower) == {"ETH": Decimal(2)}

    assert LedgerEntry.objects.count() == entries
    assert sandbox.binance.orders(follower.label) == orders
    (notice,) = Notice.objects.filter(user=follower.user, kind="ledger-difference")
    assert "+2" in notice.text
    assert [r.asset for r in proof_of(follower.account).differences] == ["ETH"]


def test_a_person_says_what_it_was_and_it_is_booked_once(
    sandbox: SandboxControl, follower: Trader
) -> None:
    sandbox.binance.withdraw(follower.label, asset="USDT", amount="250.5")
    compare(follower)
    told: dict[str, Any] = {
        "account_id": follower.account.pk,
        "asset": "USDT",
        "note": "to my  bank",
    }

    entry = book_difference(**told, by=follower.user, now=timezone.now())

    assert (entry.credit, entry.debit, entry.amount) == ("wallet", "external", Decimal("250.5"))
    assert entry.note == "to my bank"
    assert proof_of(follower.account).differences == []
    with pytest.raises(ProofRefused) as refused:
        book_difference(**told, by=follower.user, now=timezone.now())
    assert refused.value.code == "outdated"
    assert compare(follower) == {}
    assert AuditRow.objects.filter(action="ledger.booked_difference").count() == 1


def test_what_changed_since_is_not_booked(sandbox: SandboxControl, follower: Trader) -> None:
    sandbox.binance.deposit(follower.label, asset="USDT", amount="7")
    compare(follower)
    now = timezone.now()
    book_external(
        account=follower.account, asset="USDT", amount=Decimal(1), note="", at=now, now=now
    )
    entries = LedgerEntry.objects.count()

    with pytest.raises(ProofRefused) as refused:
        book_difference(
            account_id=follower.account.pk, asset="USDT", note="x", by=follower.user, now=now
        )
    assert (refused.value.code, LedgerEntry.objects.count()) == ("outdated", entries)


@pytest.mark.parametrize(
    ("asset", "note", "code"),
    [("BTC", "x", "no_difference"), ("XYZ", "x", "no_difference"), ("ETH", " \n ", "note_missing")],
)
def test_only_a_difference_is_booked_and_only_with_a_word(
    sandbox: SandboxControl, follower: Trader, asset: str, note: str, code: str
) -> None:
    sandbox.binance.deposit(follower.label, asset="ETH", amount="2")
    compare(follower)
    entries = LedgerEntry.objects.count()

    with pytest.raises(ProofRefused) as refused:
        book_difference(
            account_id=follower.account.pk,
            asset=asset,
            note=note,
            by=follower.user,
            now=timezone.now(),
        )
    assert (refused.value.code, LedgerEntry.objects.count()) == (code, entries)


def test_strangers_book_nothing_and_officers_may(sandbox: SandboxControl, follower: Trader) -> None:
    sandbox.binance.deposit(follower.label, asset="ETH", amount="2")
    compare(follower)
    told: dict[str, Any] = {
        "account_id": follower.account.pk,
        "asset": "ETH",
        "note": "seen at the exchange",
    }

    with pytest.raises(ExchangeAccount.DoesNotExist):
        book_difference(**told, by=new_user(), now=timezone.now())
    assert book_difference(**told, by=officer(), now=timezone.now()).amount == 2


def test_a_wrong_booking_is_taken_back_by_its_opposite(
    sandbox: SandboxControl, follower: Trader
) -> None:
    sandbox.binance.deposit(follower.label, asset="ETH", amount="2")
    compare(follower)
    now = timezone.now()
    entry = book_difference(
        account_id=follower.account.pk, asset="ETH", note="deposit", by=follower.user, now=now
    )
    before = wallet_balances(follower.account.pk)["ETH"]

    opposite = correct(entry_id=entry.pk, note="was none", by=follower.user, now=now)

    assert (opposite.kind, opposite.reverses) == ("reversal", entry)
    assert wallet_balances(follower.account.pk).get("ETH", 0) == before - 2
    assert LedgerEntry.objects.filter(pk=entry.pk).exists()
    for who in (follower.user, officer()):
        with pytest.raises(ProofRefused) as refused:
            correct(entry_id=entry.pk, note="again", by=who, now=now)
        assert refused.value.code == "not_correctable"
    with pytest.raises(LedgerEntry.DoesNotExist):
        correct(entry_id=entry.pk, note="again", by=new_user(), now=now)


def test_a_trade_is_not_taken_back(sandbox: SandboxControl, follower: Trader) -> None:
    by_hand(follower)
    compare(follower)
    entry = LedgerEntry.objects.filter(fill__isnull=False).first()
    assert entry is not None

    with pytest.raises(ProofRefused) as refused:
        correct(entry_id=entry.pk, note="no", by=follower.user, now=timezone.now())
    assert refused.value.code == "not_correctable"


def test_nothing_is_concluded_while_an_order_is_on_the_wire(
    sandbox: SandboxControl, follower: Trader
) -> None:
    subscription = new_subscription(follower=follower)
    leg = a_leg(a_signal(subscription.strategy, subscription=subscription), subscription)
    leg.state, leg.asked_at = "SENDING", timezone.now()
    leg.save()
    by_hand(follower)  # may be that order

    with pytest.raises(ProofRefused) as refused:
        compare(follower)
    assert refused.value.code == "busy"
    assert not Fill.objects.exists()
    assert not LedgerProof.objects.exists()


def test_a_trade_of_an_order_of_ours_is_left_to_whoever_follows_it(
    sandbox: SandboxControl, follower: Trader
) -> None:
    subscription = new_subscription(follower=follower)
    report = by_hand(follower)
    a_leg(
        a_signal(subscription.strategy, subscription=subscription),
        subscription,
        state="WORKING",
        exchange_order_id=report.id,
    )

    with pytest.raises(ProofRefused) as refused:
        compare(follower)
    assert refused.value.code == "busy"
    assert not Fill.objects.exists()


def test_what_a_master_trades_is_left_to_the_poll(sandbox: SandboxControl) -> None:
    master = new_master(control=sandbox)
    strategy = new_strategy(master=master)
    by_hand(master)

    with pytest.raises(ProofRefused) as refused:
        compare(master)
    assert refused.value.code == "busy"
    assert not Fill.objects.exists()
    assert not MasterPosition.objects.filter(strategy=strategy).exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"opened_at": None}, "account_not_open"), ({"state": "PAUSED"}, "account_paused")],
)
def test_an_account_out_of_use_is_not_asked_about(
    follower: Trader, changes: dict[str, object], code: str
) -> None:
    ExchangeAccount.objects.filter(pk=follower.account.pk).update(**changes)

    with pytest.raises(ProofRefused) as refused:
        compare(follower)
    assert refused.value.code == code


def test_an_exchange_that_does_not_answer_is_no_difference(
    sandbox: SandboxControl, follower: Trader
) -> None:
    sandbox.fault("GET /binance/api/v3/account", "status", status=503)

    with pytest.raises(ProofRefused) as refused:
        compare(follower)
    assert refused.value.code == "exchange_failed"
    assert not LedgerProof.objects.exists()


def test_accounts_are_due_once_a_day(follower: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    nudged: list[object] = []
    monkeypatch.setattr(work, "nudge", lambda task, *, pk: nudged.append(pk))
    yesterday = timezone.now() - timedelta(hours=25)
    ExchangeAccount.objects.filter(pk=follower.account.pk).update(opened_at=yesterday)

    prove_accounts()
    ExchangeAccount.objects.filter(pk=follower.account.pk).update(proved_at=timezone.now())
    prove_accounts()
    assert nudged == [follower.account.pk]


@pytest.mark.django_db(transaction=True)
def test_a_booking_in_between_is_no_difference(sandbox: SandboxControl) -> None:
    follower = new_follower(control=sandbox)
    sandbox.binance.deposit(follower.label, asset="USDT", amount="5")
    sandbox.fault("GET /binance/api/v3/account", "delay", delay=1.0, count=1)
    begun = threading.Event()

    def book_meanwhile() -> None:
        begun.wait(5)
        now = timezone.now()
        book_external(
            account=follower.account, asset="USDT", amount=Decimal(5), note="", at=now, now=now
        )
        connection.close()

    thread = threading.Thread(target=book_meanwhile)
    thread.start()
    timer = threading.Timer(0.3, begun.set)
    timer.start()
    differences = compare(follower)
    thread.join()
    assert differences == {}
