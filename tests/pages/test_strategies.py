"""Pages of the marketplace and of strategies (MKT-1, MKT-2)."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from copytrade.models import NavPoint, Strategy, TrackRecord
from tests.copying import Trader, hold, mark, new_account, new_master, new_strategy
from tests.copying import new_subscription as subscribe
from tests.people import new_user

MARKET = "/copy/"


@pytest.fixture
def master(db: None) -> Trader:
    return new_master()


@pytest.fixture
def browser(client: Client, master: Trader) -> Client:
    """The master's browser."""
    client.force_login(master.user)
    return client


@pytest.fixture
def stranger(db: None) -> Client:
    other = Client()
    other.force_login(new_user())
    return other


def listed(master: Trader | None = None, *, roi: str = "0.1", **changes: Any) -> Strategy:
    strategy = new_strategy(master=master, **changes)
    TrackRecord.objects.bulk_create(
        TrackRecord(
            strategy=strategy,
            period=period,
            roi=Decimal(roi),
            pnl=Decimal("1234.5"),
            max_drawdown=Decimal("0.0812"),
            computed_at=timezone.now(),
        )
        for period in TrackRecord.Period.values
    )
    return strategy


def text_of(page: Any) -> str:
    words = re.sub(r"<[^>]+>", " ", page.content.decode())
    return " ".join(unescape(words).split())


def form(**changes: str) -> dict[str, str]:
    return {
        "name": "Calm swing",
        "description": "Waits for dips.",
        "symbols": "btc/usdt, ETH/USDT",
        "style": "swing",
        "copy_on": "fill",
        "min_equity": "100",
        "max_followers": "10",
        "is_public": "on",
        **changes,
    }


# --- the marketplace ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [MARKET, "/copy/strategies/mine/", "/copy/strategies/new/"])
def test_only_people_who_signed_in_get_in(client: Client, db: None, path: str) -> None:
    assert client.get(path).headers["Location"] == f"/account/login/?next={path}"


def test_the_marketplace_writes_figures_in_the_readers_language(browser: Client) -> None:
    listed(name="Calm swing", roi="0.1234", copiers=3, max_followers=3)

    english = text_of(browser.get(MARKET))
    spanish = text_of(browser.get(MARKET, headers={"Accept-Language": "es"}))

    assert "1 strategy" in english
    assert all(figure in english for figure in ("+12.3%", "1,234.50", "8.1%", "3 / 3", "full"))
    assert all(figure in spanish for figure in ("+12,3", "1.234,50"))


def test_the_address_carries_search_and_page(browser: Client) -> None:
    for number in range(30):
        listed(name=f"Swing {number:02}", roi=f"0.{number:02}")
    listed(name="Other")

    first = browser.get(f"{MARKET}?q=swing&sort=return&period=7")
    link = re.search(r'rel="next" href="([^"]+)"', first.content.decode())
    assert link
    second = browser.get(MARKET + unescape(link.group(1)))

    assert "30 strategies" in text_of(first)
    assert first.content.decode().count('<th scope="row"') == 25
    assert second.content.decode().count('<th scope="row"') == 5
    assert "Swing 29" in text_of(first)
    assert "Swing 00" in text_of(second)
    assert "Other" not in text_of(first)
    assert 'rel="prev"' in second.content.decode()


@pytest.mark.parametrize("query", ["cursor=abc", "cursor=%00", "page=7", "period=&sort="])
def test_an_odd_address_shows_the_first_page(browser: Client, query: str) -> None:
    listed(name="Calm swing")

    page = browser.get(f"{MARKET}?{query}")

    assert page.status_code == 200
    assert "Calm swing" in text_of(page)


@pytest.mark.parametrize(
    "query",
    ["min_return=abc", "capital=NaN", "max_drawdown=1e99", "sort=luck", "period=8", "q=%00"],
)
def test_an_unusable_search_says_so_at_its_field(browser: Client, query: str) -> None:
    page = browser.get(f"{MARKET}?{query}")

    assert page.status_code == 422
    assert "errorlist" in page.content.decode()


def test_in_portuguese_a_comma_parts_the_decimals(browser: Client) -> None:
    listed(name="Calm swing", roi="0.06")
    language = {"Accept-Language": "pt-br"}

    found = browser.get(f"{MARKET}?min_return=5,5", headers=language)
    missed = browser.get(f"{MARKET}?min_return=6,5", headers=language)

    assert "Calm swing" in text_of(found)
    assert "Calm swing" not in text_of(missed)


def test_names_are_text_and_never_markup(browser: Client) -> None:
    strategy = listed(name="<script>alert(1)</script>", description="<b onclick=x>bold</b>")

    for path in (MARKET, f"/copy/strategies/{strategy.pk}/"):
        page = browser.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b onclick" not in page
        assert "&lt;script&gt;" in page


def test_the_marketplace_asks_few_questions(browser: Client) -> None:
    for number in range(25):
        listed(name=f"S{number}")
    browser.get(MARKET)

    with CaptureQueriesContext(connection) as captured:
        browser.get(MARKET)

    assert len(captured) <= 8


# --- one strategy -------------------------------------------------------------------------


def test_a_strategy_shows_curve_figures_positions_and_terms(
    browser: Client, stranger: Client, master: Trader
) -> None:
    mark("BTC/USDT", "60000")
    strategy = listed(master, name="Calm swing", roi="-0.05", min_equity=Decimal("250.5"))
    hold(strategy, quantity="0.5", price="50000")
    today = timezone.now().date()
    for age, nav in ((2, "1"), (1, "1.5"), (0, "1.25")):
        NavPoint.objects.create(
            strategy=strategy, day=today - timedelta(days=age), nav=Decimal(nav), equity=7654321
        )

    page = stranger.get(f"/copy/strategies/{strategy.pk}/?period=30")

    text = text_of(page)
    assert "changed by 25.0%" in text
    assert "its highest 50.0%" in text
    assert "-5.0%" in text
    assert "250.5 USDT" in text
    assert "5,000.00" in text, "open profit"
    assert 'role="img"' in page.content.decode()
    assert "7,654,321" not in text, "what the master owns is told to the master alone"
    assert "Invitation" not in text
    own = text_of(browser.get(f"/copy/strategies/{strategy.pk}/?period=30"))
    assert "7,654,321" in own
    assert strategy.invite_code in own


def test_demo_data_is_marked(browser: Client) -> None:
    strategy = listed(is_demo=True)

    assert "Demo data" in text_of(browser.get(f"/copy/strategies/{strategy.pk}/"))
    assert "demo data" in text_of(browser.get(MARKET))


@pytest.mark.parametrize("act", ["", "edit/", "pause/", "resume/", "delete/"])
def test_a_private_strategy_does_not_exist_for_strangers(
    stranger: Client, master: Trader, act: str
) -> None:
    strategy = new_strategy(master=master, is_public=False)

    assert stranger.get(f"/copy/strategies/{strategy.pk}/{act}").status_code == 404


@pytest.mark.parametrize("act", ["edit/", "pause/", "resume/", "delete/"])
def test_strangers_change_nothing(stranger: Client, master: Trader, act: str) -> None:
    strategy = new_strategy(master=master, name="Calm swing")
    path = f"/copy/strategies/{strategy.pk}/{act}"

    assert stranger.get(path).status_code == 404
    assert stranger.post(path, form(name="Mine")).status_code == 404
    strategy.refresh_from_db()
    assert (strategy.name, strategy.state) == ("Calm swing", "ACTIVE")


def test_a_private_strategy_opens_by_its_invitation(stranger: Client, master: Trader) -> None:
    strategy = new_strategy(master=master, name="Calm swing", is_public=False)

    page = stranger.get(f"/copy/invite/{strategy.invite_code}/")

    assert "Calm swing" in text_of(page)
    assert 'content="noindex"' in page.content.decode()
    assert stranger.get("/copy/invite/wrong/").status_code == 404
    assert stranger.get(f"/copy/invite/{strategy.invite_code.upper()}x/").status_code == 404


def test_a_follower_sees_that_they_copy_it(stranger: Client, master: Trader) -> None:
    strategy = new_strategy(master=master)
    follower = new_master()
    subscribe(strategy=strategy, follower=follower)
    stranger.force_login(follower.user)

    assert "You copy this strategy" in text_of(stranger.get(f"/copy/strategies/{strategy.pk}/"))


def test_a_full_strategy_says_so(stranger: Client) -> None:
    strategy = new_strategy(copiers=2, max_followers=2)

    page = text_of(stranger.get(f"/copy/strategies/{strategy.pk}/"))

    assert "All places are taken" in page
    assert "Copy this strategy" not in page


# --- what its master does -----------------------------------------------------------------


def test_publishing(browser: Client, master: Trader) -> None:
    answer = browser.post("/copy/strategies/new/", form(account=str(master.account.pk)))

    made = Strategy.objects.get()
    assert answer.headers["Location"] == f"/copy/strategies/{made.pk}/"
    assert (made.master, made.symbols) == (master.user, ["BTC/USDT", "ETH/USDT"])


def test_publishing_without_an_account_leads_there_first(stranger: Client) -> None:
    assert "First add an exchange account" in text_of(stranger.get("/copy/strategies/new/"))


def test_another_persons_account_cannot_be_chosen(browser: Client) -> None:
    theirs = new_account(user=new_user())

    page = browser.post("/copy/strategies/new/", form(account=str(theirs.pk)))

    assert page.status_code == 422
    assert not Strategy.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"symbols": "BTC"},
        {"symbols": ""},
        {"min_equity": "lots"},
        {"min_equity": "-1"},
        {"max_followers": "0"},
        {"style": "wild"},
    ],
)
def test_a_refused_form_keeps_what_was_typed(
    browser: Client, master: Trader, changes: dict[str, str]
) -> None:
    page = browser.post("/copy/strategies/new/", form(account=str(master.account.pk), **changes))

    assert page.status_code == 422
    assert "errorlist" in page.content.decode()
    assert "Waits for dips." in text_of(page)
    assert not Strategy.objects.exists()


def test_changing_the_terms(browser: Client, master: Trader) -> None:
    strategy = new_strategy(master=master)
    path = f"/copy/strategies/{strategy.pk}/edit/"
    assert 'value="BTC/USDT, ETH/USDT, SOL/USDT"' in browser.get(path).content.decode()

    answer = browser.post(path, form(symbols="SOL/USDT", min_equity="0.5"))

    strategy.refresh_from_db()
    assert answer.status_code == 302
    assert (strategy.symbols, strategy.min_equity) == (["SOL/USDT"], Decimal("0.5"))


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        ("pause", "ACTIVE", "PAUSED"),
        ("resume", "PAUSED", "ACTIVE"),
        ("delete", "ACTIVE", "DELETED"),
    ],
)
def test_acts_are_asked_for_first(
    browser: Client, master: Trader, act: str, before: str, after: str
) -> None:
    strategy = new_strategy(master=master, state=before)
    path = f"/copy/strategies/{strategy.pk}/{act}/"

    assert browser.get(path).status_code == 200
    strategy.refresh_from_db()
    assert strategy.state == before
    assert browser.post(path).headers["Location"] == "/copy/strategies/mine/"
    strategy.refresh_from_db()
    assert strategy.state == after


def test_own_strategies_are_listed_deleted_ones_too(browser: Client, master: Trader) -> None:
    new_strategy(master=master, name="Old one", state="DELETED")
    new_strategy(master=master, name="New one", is_public=False)
    new_strategy(name="Another's")

    text = text_of(browser.get("/copy/strategies/mine/"))

    assert "New one" in text
    assert "Old one" in text
    assert "Another's" not in text


def test_every_page_of_the_area_leads_to_the_others(browser: Client, master: Trader) -> None:
    strategy = new_strategy(master=master)
    for path in (MARKET, "/copy/strategies/mine/", f"/copy/strategies/{strategy.pk}/"):
        page = browser.get(path).content.decode()
        assert page.count('class="subnav"') == 1
        assert 'href="/copy/strategies/mine/"' in page
        assert re.search(r'class="nav-link"\s+href="/copy/"\s+aria-current="page"', page)


def test_a_users_first_pages_of_the_site_know_copy_trading(client: Client, master: Trader) -> None:
    user: User = master.user
    client.force_login(user)

    assert 'href="/copy/"' in client.get("/dashboard/").content.decode()


# --- the back office ----------------------------------------------------------------------


def test_officers_read_strategies_and_change_none(client: Client, master: Trader) -> None:
    strategy = listed(master, name="Calm swing")
    NavPoint.objects.create(strategy=strategy, day=timezone.now().date(), nav=1, equity=5)
    officer = new_user(is_staff=True)
    officer.is_superuser = True
    officer.save()
    client.force_login(officer)

    assert "Calm swing" in text_of(client.get("/admin/copytrade/strategy/"))
    one = f"/admin/copytrade/strategy/{strategy.pk}/change/"
    assert "1234.5" in text_of(client.get(one))
    assert client.post(one, {"name": "Changed"}).status_code == 403
    assert client.get("/admin/copytrade/navpoint/").status_code == 200
    assert client.get("/admin/copytrade/strategy/add/").status_code == 403
