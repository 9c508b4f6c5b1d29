"""Trades, comparisons, explanations, limits and the red button, in a real browser: axe finds nothing."""

import csv
import io
import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import ViewportSize

from copytrade.models import CopyOrder, KillSwitch, LedgerProof, RiskLimits, Signal, Subscription
from copytrade.replication import risk
from copytrade.services import kill
from tests.browser.conftest import Visitors
from tests.browser.test_accessible import VIEWS, assert_clean, inspect
from tests.copying import hold, mark, new_follower, new_strategy, new_subscription
from tests.copytrade.booking import a_leg, a_signal, copied
from tests.people import onboarded


def a_follower() -> tuple[Subscription, Signal, CopyOrder]:
    """Copies two strategies: one copy was made smaller and lost too much, one was not made."""
    trader = new_follower(user=onboarded())
    first = new_subscription(
        strategy=new_strategy(name="Slow and steady swing of majors"), follower=trader
    )
    now = timezone.now()
    signal = a_signal(first.strategy, subscription=first, cause="master", at=now)
    leg = a_leg(
        signal,
        first,
        state="CANCELLED",
        reason="partly_filled",
        ideal=Decimal("0.01234567"),
        clamped=Decimal("0.012"),
        rounded=Decimal("0.012"),
        sent=Decimal("0.012"),
        filled=Decimal("0.008"),
        quote_filled=Decimal("400.4"),
        accepted_at=now + timedelta(milliseconds=184),
    )
    copied(first, leg=leg, quantity="0.008", price="50050", fee="0.4004")
    for number in range(55):
        copied(first, side="SELL" if number % 3 else "BUY", quantity="0.0001", price="49000.5")
    other = new_subscription(strategy=new_strategy(name="Scalper"), follower=trader)
    skipped = a_leg(
        a_signal(other.strategy, subscription=other), other, state="SKIPPED", reason="below_minimum"
    )
    hold(other, symbol="ETH/USDT", quantity="0.1", price="3000")
    mark("ETH/USDT", "2500")
    mark("BTC/USDT", "50000")
    RiskLimits.objects.create(subscription=other, daily_loss=Decimal(50), updated_at=now)
    RiskLimits.objects.create(user=trader.user, daily_loss=Decimal(200), updated_at=now)
    risk.watch(now=now)
    LedgerProof.objects.create(
        account=trader.account,
        run=uuid.uuid4(),
        at=now,
        asset="ETH",
        ledger=Decimal(1),
        exchange=Decimal("3.25"),
        difference=Decimal("2.25"),
    )
    return first, signal, skipped


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_of_the_ledger(visitors: Visitors, viewport: ViewportSize) -> None:
    subscription, signal, skipped = a_follower()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(subscription.follower)
    account, leg = subscription.account_id, signal.legs.get()
    paths = [
        "/copy/trades/",
        "/copy/trades/?side=SELL&symbol=SOL%2FUSDT",
        "/copy/trades/?side=HOLD",
        "/copy/proof/",
        f"/copy/proof/{account}/ETH/",
        f"/copy/signals/{signal.pk}/",
        f"/copy/legs/{leg.pk}/",
        f"/copy/legs/{skipped.pk}/",
        "/copy/risk/",
        f"/copy/risk/{subscription.pk}/",
        f"/copy/stop/subscription/{subscription.pk}/",
    ]
    wrong = {}
    for path in paths:
        visitor.open(path)
        wrong[path] = inspect(visitor)
    kill.engage(level="platform", reason="Exchange is odd", by=None, now=timezone.now())
    switch = kill.engage(
        level="subscription",
        subscription=subscription,
        reason="I want to look first",
        by=subscription.follower,
        now=timezone.now(),
    ).switch
    for path in ("/copy/risk/", f"/copy/stop/{switch.pk}/release/"):
        visitor.open(path)
        wrong[f"{path} stopped"] = inspect(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize("viewport", VIEWS)
def test_a_signal_as_its_master_sees_it(visitors: Visitors, viewport: ViewportSize) -> None:
    subscription, signal, _skipped = a_follower()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(subscription.strategy.master)
    wrong = {}
    for path in (f"/copy/signals/{signal.pk}/", "/copy/trades/", "/copy/proof/", "/copy/risk/"):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    assert_clean(wrong)


def test_a_person_filters_saves_a_file_and_finds_why_a_copy_shrank(
    visitors: Visitors, tmp_path: Path
) -> None:
    subscription, _signal, _skipped = a_follower()
    visitor = visitors(script=False)
    visitor.sign_in(subscription.follower)
    page = visitor.open("/copy/trades/")

    page.get_by_label("Side").select_option("BUY")
    page.get_by_role("button", name="Show").click()
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save the file").click()
    saving.value.save_as(tmp_path / "trades.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "trades.csv").read_text())))
    assert {row["side"] for row in rows} == {"BUY"}
    assert len(rows) == 20
    assert saving.value.suggested_filename.startswith("agora-trades-until-")

    page.get_by_role("link", name="Slow and steady swing of majors").last.click()
    visitor.sees("What became of this signal")
    assert page.get_by_text("Copied in part: bought 0.008 of 0.012 BTC").is_visible()
    assert page.get_by_text("A limit made it smaller.").is_visible()


def test_the_red_button_without_a_script(visitors: Visitors) -> None:
    subscription, _signal, _skipped = a_follower()
    visitor = visitors(script=False)
    visitor.sign_in(subscription.follower)
    page = visitor.open("/copy/risk/")

    page.get_by_role("link", name="Emergency stop Scalper").click()
    page.get_by_label("Reason").fill("I want to look first")
    page.get_by_role("button", name="Emergency stop").click()
    page.get_by_text("Nothing more is sent to the exchange.").first.wait_for()
    assert KillSwitch.objects.filter(released_at=None).count() == 1

    visitor.open("/copy/risk/").get_by_role("link", name="Let it go on Scalper").click()
    page.get_by_role("button", name="Let it go on").click()
    page.get_by_text("Orders go out again.").wait_for()
    assert not KillSwitch.objects.filter(released_at=None).exists()
