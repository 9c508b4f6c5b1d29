"""Every retail page on a phone and on a desk, in both themes: axe finds nothing, nothing overflows.

The visitor fixture also fails on any message of the browser, such as one of the security policy.
"""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from django.utils import timezone
from playwright.sync_api import ViewportSize

from accounts import notices
from accounts.address_book import create_entry
from accounts.models import AddressEntry, ApiToken, Notice, TokenUse, User
from accounts.token_store import issue_token
from accounts.wallet_proofs import start_proof
from agora.sandbox.client import SandboxControl
from compliance.personal_data import exports
from copytrade.models import CopyOrder, NavPoint, Strategy, Subscription, TrackRecord
from copytrade.replication import pausing
from copytrade.replication.publish import publish
from copytrade.replication.risk import DAILY_LOSS
from tests.browser.conftest import AXE, DESKTOP, PHONE, Visitor, Visitors
from tests.conftest import Chain
from tests.copying import Trader, hold, mark, new_account, new_follower, new_master, new_strategy
from tests.people import new_user, onboarded
from tests.proofs import a_published_snapshot
from tests.settling import place, settle
from tests.signing import Signer
from trading import quotes
from trading.models import Order

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Colours that are still on their way to the other theme's would be judged half-way.
_RUN = """
document.getAnimations().filter((a) => a instanceof CSSTransition).forEach((a) => a.finish());
axe.run(document, {runOnly: {type: "tag", values: %s}}).then((result) => JSON.stringify({
  violations: result.violations.map((v) => v.id + ": " + v.nodes.map((n) =>
    n.target.join(" ") + " (" + n.any.map((c) => c.message).join("; ") + ")").join(" | ")),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  headings: document.querySelectorAll("h1").length,
  title: document.title,
}))
"""


def inspect(visitor: Visitor) -> list[str]:
    """What is wrong with the page that the visitor sees, in the light theme and in the dark one."""
    problems = []
    for theme in THEMES:
        visitor.page.emulate_media(color_scheme=theme)
        problems += [f"{theme}: {problem}" for problem in faults(visitor)]
    visitor.page.emulate_media(color_scheme="light")
    return problems


def faults(visitor: Visitor) -> list[str]:
    """What is wrong with the page as it stands."""
    session = visitor.context.new_cdp_session(visitor.page)

    def run(script: str) -> Any:
        answer: dict[str, Any] = session.send(
            "Runtime.evaluate",
            {"expression": script, "awaitPromise": True, "returnByValue": True},
        )
        return answer["result"].get("value")

    if run("typeof axe") == "undefined":
        run(AXE.read_text() + "; undefined")
    found = json.loads(run(_RUN % TAGS))
    session.detach()
    problems = list(found["violations"])
    if found["wide"] > 0:
        problems.append(f"scrolls sideways by {found['wide']} px")
    if found["headings"] != 1:
        problems.append(f"{found['headings']} h1 headings")
    if not found["title"].removesuffix("· Agora").strip():
        problems.append("no title")
    return problems


def assert_clean(wrong: dict[str, list[str]]) -> None:
    """Fail with every finding, a page a line."""
    found = [f"{page}: {'; '.join(problems)}" for page, problems in wrong.items() if problems]
    assert not found, "\n".join(found)


VIEWS = [pytest.param(PHONE, id="phone"), pytest.param(DESKTOP, id="desk")]


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_for_anyone(visitors: Visitors, viewport: ViewportSize) -> None:
    visitor = visitors(viewport=viewport)
    wrong = {}
    for path in (
        "/",
        "/account/login/",
        "/account/signup/",
        "/account/password/reset/",
        "/account/password/reset/done/",
        "/account/confirm-email/",
        "/account/confirm-email/expired-key/",
        "/account/settings/",
        "/reserves/",
        "/nothing-here/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open("/account/login/").locator("form.grid button[type=submit]").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["sign-in with errors"] = inspect(visitor)
    visitor.page.locator("details[data-menu] summary").click()
    wrong["open menu"] = inspect(visitor)
    assert_clean(wrong)


def test_pages_that_open_in_the_dark(visitors: Visitors) -> None:
    user = onboarded()
    visitor = visitors(viewport=PHONE, dark=True)
    wrong = {}
    for path in ("/", "/account/login/"):
        visitor.open(path)
        wrong[path] = faults(visitor)
    visitor.sign_in(user)
    for path in ("/dashboard/", "/buy/", "/copy/", "/account/settings/"):
        visitor.open(path)
        wrong[path] = faults(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_of_a_customer(
    visitors: Visitors,
    chain: Chain,
    sandbox: SandboxControl,
    viewport: ViewportSize,
) -> None:
    user = onboarded()
    minted = settle(place(user, quantity="0.25"), chain=chain)
    waiting = _order_that_waits(user, sandbox)
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    wrong = {}
    for path in (
        "/dashboard/",
        "/buy/",
        "/orders/",
        f"/orders/{minted.pk}/",
        f"/orders/{minted.pk}/receipt/",
        f"/orders/{waiting.pk}/",
        f"/orders/{waiting.pk}/cancel/",
        "/account/settings/",
        "/account/tokens/",
        "/account/email/",
        "/account/password/change/",
        "/account/logout/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open("/buy/").get_by_role("button", name="Review the order").click()
    visitor.sees("Review your order")
    wrong["review"] = inspect(visitor)
    visitor.open(f"/orders/{waiting.pk}/").get_by_role("link", name="Cancel the order").click()
    visitor.page.get_by_role("dialog").wait_for()
    wrong["cancel dialog"] = inspect(visitor)
    assert_clean(wrong)


def _order_that_waits(user: User, sandbox: SandboxControl) -> Order:
    sandbox.market(mode="closed")
    quotes.refresh_quote(now=timezone.now())
    return place(user, quantity="0.01")


@pytest.mark.parametrize("viewport", VIEWS)
def test_onboarding_with_errors(visitors: Visitors, viewport: ViewportSize) -> None:
    visitor = visitors(viewport=viewport)
    visitor.sign_in(new_user())
    visitor.open("/onboarding/")
    wrong = {"empty": inspect(visitor)}
    visitor.page.get_by_role("radio", name="Paraguay").check()
    visitor.page.get_by_role("textbox", name="RUC").fill("12")
    visitor.page.get_by_role("button", name="Send and continue").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["with errors"] = inspect(visitor)
    visitor.open("/dashboard/")
    wrong["dashboard"] = inspect(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize("viewport", VIEWS)
def test_address_book_and_notices(visitors: Visitors, viewport: ViewportSize) -> None:
    user = onboarded()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    wrong = {}
    for path in ("/account/addresses/", "/notices/"):
        visitor.open(path)
        wrong[f"{path} empty"] = inspect(visitor)
    entry = _an_address_without_a_tag(user)
    for level in Notice.Level:
        _a_notice(user, level=level)
    for path in (
        "/notices/",
        f"/account/addresses/{entry.pk}/",
        f"/account/addresses/{entry.pk}/delete/",
        "/account/addresses/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.page.locator("#id_chain").select_option("XRP")
    visitor.page.get_by_label("Address", exact=True).fill(X_ADDRESS)
    visitor.page.get_by_text("Valid address").wait_for()
    wrong["a right address"] = inspect(visitor)
    visitor.page.locator("#id_chain").select_option("BTC")
    visitor.page.get_by_text("another chain").wait_for()
    wrong["a wrong address"] = inspect(visitor)
    visitor.page.get_by_role("button", name="Add the address").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["address with errors"] = inspect(visitor)
    visitor.page.locator("#filter-chain").select_option("SOL")
    visitor.page.get_by_text("No such address").wait_for()
    wrong["narrowed to nothing"] = inspect(visitor)
    assert_clean(wrong)


X_ADDRESS = "X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu"


@pytest.mark.parametrize("viewport", VIEWS)
def test_wallet_and_token_pages(visitors: Visitors, viewport: ViewportSize) -> None:
    user, now = onboarded(), timezone.now()
    key = Signer()
    proofs = {
        purpose: start_proof(user=user, purpose=purpose, address=address, now=now)
        for purpose, address in (("verify", user.wallet.address), ("change", key.address))
    }
    token = _a_token_with_uses(user)
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    wrong = {}
    for path in (
        "/account/wallet/",
        "/account/wallet/change/",
        f"/account/wallet/proofs/{proofs['verify'].pk}/",
        f"/account/wallet/proofs/{proofs['change'].pk}/",
        "/account/tokens/",
        f"/account/tokens/{token.pk}/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open(f"/account/wallet/proofs/{proofs['change'].pk}/")
    visitor.page.get_by_label("Signature").fill("0x12")
    visitor.page.get_by_role("button", name="Send the signature").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["proof with errors"] = inspect(visitor)
    visitor.page.get_by_label("Signature").fill(key.sign(proofs["change"].message))
    visitor.page.get_by_role("button", name="Send the signature").click()
    visitor.page.get_by_text("The change waits for its time").wait_for()
    wrong["pending change"] = inspect(visitor)
    visitor.page.get_by_role("link", name="Cancel the change").click()
    wrong["cancel"] = inspect(visitor)
    visitor.open(f"/account/wallet/proofs/{proofs['change'].pk}/")
    wrong["answered"] = inspect(visitor)
    assert_clean(wrong)


def _a_token_with_uses(user: User) -> ApiToken:
    now = timezone.now()
    token, _raw = issue_token(
        user=user,
        name="monthly report",
        scopes=["read", "trade"],
        expires_at=None,
        networks=["203.0.113.0/24", "2001:db8::/48"],
        now=now,
    )
    TokenUse.objects.bulk_create(
        TokenUse(
            token=token,
            minute=now - timedelta(minutes=age),
            outcome="used" if age else "network",
            address="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            count=3,
            method="GET",
            route="api:subscription_preview",
            status=200 if age else 401,
            last_at=now - timedelta(minutes=age),
        )
        for age in range(3)
    )
    return token


def _an_address_without_a_tag(user: User) -> AddressEntry:
    return create_entry(
        user=user,
        exchange="binance",
        chain="XRP",
        label="x" * 60,
        address="r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59",
        tag=None,
        now=timezone.now(),
    )


def _a_notice(user: User, *, level: Notice.Level) -> None:
    notices.notify(
        user=user,
        kind="test",
        subject="%(name)s",
        body="%(name)s",
        params={"name": "y" * 100},
        url="" if level == Notice.Level.INFO else "/orders/",
        level=level,
        now=timezone.now(),
    )


@pytest.mark.parametrize("viewport", VIEWS)
def test_marketplace_and_strategies(visitors: Visitors, viewport: ViewportSize) -> None:
    user = onboarded()
    strategy = _strategy_with_a_past(new_master(user=user))
    new_account(user=user)
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    one = f"/copy/strategies/{strategy.pk}/"
    wrong = {}
    for path in (
        "/copy/",
        "/copy/?q=nothing",
        "/copy/?min_return=abc",
        one,
        "/copy/strategies/mine/",
        "/copy/strategies/new/",
        f"{one}edit/",
        f"{one}pause/",
        f"{one}delete/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open("/copy/strategies/new/").get_by_role("button", name="Publish").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["new with errors"] = inspect(visitor)
    visitor.open(one).get_by_text("The curve as a table").click()
    wrong["curve as a table"] = inspect(visitor)
    visitor.sign_in(new_user())
    for path in (one, "/copy/strategies/mine/", "/copy/strategies/new/"):
        visitor.open(path)
        wrong[f"a stranger's {path}"] = inspect(visitor)
    assert_clean(wrong)


def _strategy_with_a_past(master: Trader) -> Strategy:
    """A demo strategy with a full page: curve, figures, positions."""
    strategy = new_strategy(master=master, name="Calm swing", is_demo=True, description="Dips.")
    today = timezone.now().date()
    NavPoint.objects.bulk_create(
        NavPoint(strategy=strategy, day=today - timedelta(days=age), nav=1 + age % 7, equity=1000)
        for age in range(30)
    )
    TrackRecord.objects.bulk_create(
        TrackRecord(
            strategy=strategy, period=days, roi=0, pnl=0, max_drawdown=0, computed_at=timezone.now()
        )
        for days in TrackRecord.Period.values
    )
    hold(strategy)
    return strategy


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_of_a_follower(
    visitors: Visitors, sandbox: SandboxControl, viewport: ViewportSize
) -> None:
    follower = new_follower(control=sandbox)
    strategy = new_strategy(name="Slow and steady", symbols=("BTC/USDT", "ETH/USDT"))
    paused = new_account(user=follower.user, can_withdraw=None, ip_restricted=False)
    pausing.pause(account=paused, reason="key_invalid", now=timezone.now())
    visitor = visitors(viewport=viewport)
    visitor.sign_in(follower.user)
    page, wrong = visitor.page, {}
    for path in (
        "/copy/accounts/",
        f"/copy/accounts/{paused.pk}/key/",
        f"/copy/accounts/{paused.pk}/rename/",
        f"/copy/accounts/{paused.pk}/remove/",
        "/copy/subscriptions/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    visitor.open("/copy/accounts/new/").get_by_role("button", name="Check and connect").click()
    page.locator(".errorlist").first.wait_for()
    wrong["account with errors"] = inspect(visitor)

    visitor.open(f"/copy/strategies/{strategy.pk}/subscribe/")
    page.get_by_text("has not traded in the last 90 days").wait_for()  # drawn by the script
    wrong["subscribe"] = inspect(visitor)
    page.locator("#id_allocated").fill("1")
    page.get_by_role("button", name="Preview").click()
    page.locator(".errorlist").first.wait_for()
    wrong["subscribe with errors"] = inspect(visitor)
    page.locator("#id_allocated").fill("1000")
    page.get_by_role("button", name="Preview").click()
    visitor.sees("Check your copy of Slow and steady")
    wrong["review"] = inspect(visitor)
    page.get_by_role("button", name="Start copying").click()
    visitor.sees("Copy of Slow and steady")

    made = Subscription.objects.get(follower=follower.user)
    hold(made, quantity="0.01")
    mark("BTC/USDT", "61000")
    skipped_copy(made)
    for path in ("", "stop/", "edit/"):
        visitor.open(f"/copy/subscriptions/{made.pk}/{path}")
        wrong[path or "subscription"] = inspect(visitor)
    page.locator("#id_allocated").fill("2000")
    page.get_by_role("button", name="Check the changes").click()
    visitor.sees("Check the changes")
    wrong["changes"] = inspect(visitor)
    Subscription.objects.update(state="REDUCING", state_reason=DAILY_LOSS)
    for path in (f"/copy/subscriptions/{made.pk}/resume/", "/copy/subscriptions/"):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    assert_clean(wrong)


def skipped_copy(made: Subscription) -> None:
    """A signal of which the subscription copied nothing."""
    now = timezone.now()
    signal = publish(
        strategy=made.strategy,
        kind="OPEN",
        symbol="BTC/USDT",
        type="MARKET",
        price=Decimal(60_000),
        at=now,
        now=now,
        cause="join",
        subscription=made,
    )
    CopyOrder.objects.filter(signal=signal).update(
        state="SKIPPED", reason="below_minimum", next_attempt_at=None
    )


@pytest.mark.parametrize("viewport", VIEWS)
def test_part_in_the_proof_of_reserve(visitors: Visitors, viewport: ViewportSize) -> None:
    user = onboarded()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    visitor.open("/reserves/mine/")
    wrong = {"in no snapshot": inspect(visitor)}
    a_published_snapshot(user, others=40)
    a_published_snapshot(user, others=40)
    visitor.open("/reserves/mine/").get_by_role("button", name="Check it").click()
    visitor.page.get_by_text("It is right", exact=True).wait_for()
    visitor.page.get_by_text("Every step, from").first.click()
    wrong["checked"] = inspect(visitor)
    visitor.page.route("**/proof.json", lambda route: route.fulfill(json={}))
    visitor.page.get_by_role("button", name="Check it").click()
    visitor.page.get_by_text("It is not right", exact=True).wait_for()
    wrong["wrong"] = inspect(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize("viewport", VIEWS)
def test_pages_on_ones_own_data(visitors: Visitors, viewport: ViewportSize) -> None:
    person, now = onboarded(), timezone.now()
    export = exports.request(user=person, actor="system:test", now=now)
    exports.step(export_id=export.pk, now=now)
    visitor = visitors(viewport=viewport)
    visitor.sign_in(person)
    wrong = {}
    for path in ("/account/privacy/", "/account/privacy/erasure/"):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    button = visitor.page.get_by_role("button", name="Close my account and erase my data")
    button.click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["not ticked"] = inspect(visitor)
    visitor.page.get_by_role("checkbox").check()
    button.click()
    visitor.page.get_by_text("Undo: keep my account").wait_for()
    wrong["asked for"] = inspect(visitor)
    visitor.open("/account/privacy/")
    wrong["with a request"] = inspect(visitor)
    assert_clean(wrong)
