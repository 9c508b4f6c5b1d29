"""The marketplace: what it finds, in which order, page by page (MKT-1)."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from copytrade.models import Strategy, TrackRecord
from copytrade.selectors import market
from copytrade.selectors.market import SORTS, CursorInvalid, Search
from tests.copying import Trader, new_account, new_strategy
from tests.people import new_user

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIGURES = {"roi": "0.1", "pnl": "10", "max_drawdown": "0.2", "sharpe": "1"}


@pytest.fixture
def master(db: None) -> User:
    return new_user()


def publish(master: User, name: str, *, age: int = 0, **changes: Any) -> Strategy:
    """A listed strategy; figures are those of every period."""
    figures = {k: changes.pop(k, default) for k, default in FIGURES.items()}
    trader = Trader(master, new_account(user=master), "", "", "")
    at = NOW - timedelta(days=age)
    strategy = new_strategy(master=trader, name=name, now=at, **changes)
    values = {k: None if v is None else Decimal(v) for k, v in figures.items()}
    TrackRecord.objects.bulk_create(
        TrackRecord(strategy=strategy, period=period, computed_at=NOW, **values)
        for period in TrackRecord.Period.values
    )
    return strategy


def found(**asked: Any) -> list[str]:
    return [r.strategy.name for r in market.page(Search(**asked)).records]


def walk(search: Search, *, size: int) -> list[list[str]]:
    """The pages from the first to the last, and the same pages back to the first."""
    pages, back, cursor = [], [], ""
    while True:
        page = market.page(search, cursor=cursor, size=size)
        pages.append([r.strategy.name for r in page.records])
        if page.next is None:
            break
        cursor = page.next
    while page.previous is not None:
        page = market.page(search, cursor=page.previous, size=size)
        back.append([r.strategy.name for r in page.records])
    assert back[::-1] == pages[:-1], "the way back shows the same pages"
    return pages


# --- what is found ------------------------------------------------------------------------


def test_only_active_public_strategies_are_listed(master: User) -> None:
    publish(master, "Shown")
    publish(master, "Private", is_public=False)
    publish(master, "Paused", state="PAUSED")
    publish(master, "Deleted", state="DELETED")

    assert found() == ["Shown"]
    assert market.count(Search()) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("calm", ["Calm Swing"]),
        ("CALM sw", ["Calm Swing"]),
        ("swing", ["Calm Swing", "Other"]),
        ("dips", ["Other"]),
        ("calm dips", []),
        ("wing", []),
        ("!!!", []),
        ("'; DROP TABLE x; --", []),
        ("calm & !swing", ["Calm Swing"]),
        ("cal:*", ["Calm Swing"]),
        ("\\", []),
        ("%", []),
    ],
)
def test_every_word_begins_a_word_of_name_or_description(
    master: User, text: str, names: list[str]
) -> None:
    publish(master, "Calm Swing", roi="0.2")
    publish(master, "Other", description="Buys dips in a swing.")

    assert found(text=text) == names


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=100))
@pytest.mark.django_db(transaction=True)
def test_any_text_can_be_searched_for(text: str) -> None:
    if "\x00" in text:
        text = text.replace("\x00", "")
    market.page(Search(text=text))
    market.count(Search(text=text))


def test_filters(master: User) -> None:
    publish(master, "Best", roi="0.3", max_drawdown="0.4", symbols=["BTC/USDT"])
    publish(master, "Calm", roi="0.05", max_drawdown="0.01", min_equity=Decimal(500))
    publish(master, "Full", roi="0.02", copiers=5, max_followers=5)

    assert found(symbol="BTC/USDT") == ["Best", "Calm", "Full"]
    assert found(symbol="ETH/USDT") == ["Calm", "Full"]
    assert found(min_return=Decimal("0.05")) == ["Best", "Calm"]
    assert found(max_drawdown=Decimal("0.2")) == ["Calm", "Full"]
    assert found(free_slots=True) == ["Best", "Calm"]
    assert found(capital=Decimal("499.99")) == ["Best", "Full"]
    assert found(capital=Decimal(500), max_drawdown=Decimal("0.1")) == ["Calm"]


def test_figures_are_those_of_the_period(master: User) -> None:
    strategy = publish(master, "One")
    strategy.records.filter(period=7).update(roi=Decimal("0.9"))

    assert found(min_return=Decimal("0.5"), period=7) == ["One"]
    assert found(min_return=Decimal("0.5"), period=30) == []


# --- order and pages ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("return", ["B", "A", "C"]),
        ("pnl", ["A", "C", "B"]),
        ("drawdown", ["C", "B", "A"]),
        ("sharpe", ["B", "A", "C"]),
        ("copiers", ["C", "A", "B"]),
        ("aum", ["A", "B", "C"]),
        ("newest", ["B", "C", "A"]),
    ],
)
def test_sorting(master: User, sort: str, names: list[str]) -> None:
    publish(
        master, "A", age=9, roi="0.1", pnl="9", max_drawdown="0.9", sharpe="-3", copiers=1, aum=9
    )
    publish(
        master, "B", age=1, roi="0.2", pnl="-1", max_drawdown="0.5", sharpe="2", copiers=0, aum=8
    )
    publish(
        master, "C", age=5, roi="-0.1", pnl="5", max_drawdown="0", sharpe=None, copiers=2, aum=0
    )

    assert found(sort=sort) == names


@pytest.mark.parametrize("sort", SORTS)
def test_pages_neither_repeat_nor_drop_what_is_equal(master: User, sort: str) -> None:
    """Eleven in pages of four, most of them alike in every figure."""
    for number in range(11):
        odd = {} if number % 4 else {"roi": "0.3", "sharpe": None, "aum": 5, "copiers": 3}
        publish(master, f"S{number}", age=number % 2, **odd)

    pages = walk(Search(sort=sort), size=4)

    assert [len(page) for page in pages] == [4, 4, 3]
    names = list(chain.from_iterable(pages))
    assert sorted(names) == sorted(f"S{n}" for n in range(11))
    assert names == found(sort=sort)


def test_what_is_new_meanwhile_moves_no_page(master: User) -> None:
    for number in range(6):
        publish(master, f"S{number}", roi=f"0.{9 - number}")
    first = market.page(Search(), size=3)

    publish(master, "New", roi="0.95")
    second = market.page(Search(), cursor=first.next or "", size=3)

    assert [r.strategy.name for r in second.records] == ["S3", "S4", "S5"]


def test_filters_hold_on_every_page(master: User) -> None:
    for number in range(9):
        publish(
            master, f"S{number}", roi=f"0.{number}", symbols=["BTC/USDT", f"C{number % 2}/USDT"]
        )

    assert walk(Search(symbol="C0/USDT"), size=2) == [["S8", "S6"], ["S4", "S2"], ["S0"]]


def test_an_empty_market_has_one_empty_page(db: None) -> None:
    assert walk(Search(), size=3) == [[]]


def test_a_cursor_belongs_to_its_order_and_period(master: User) -> None:
    for number in range(3):
        publish(master, f"S{number}")
    cursor = market.page(Search(), size=1).next or ""

    for other in (replace(Search(), sort="pnl"), replace(Search(), period=7)):
        with pytest.raises(CursorInvalid):
            market.page(other, cursor=cursor)


@settings(deadline=None)
@given(cursor=st.text(min_size=1, max_size=320))
@pytest.mark.django_db(transaction=True)
def test_no_made_up_cursor_gets_further_than_its_check(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        market.page(Search(), cursor=cursor)


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("return", "NaN"),
        ("return", "1e400"),
        ("return", None),
        ("copiers", "1.5"),
        ("copiers", "9" * 30),
        ("newest", "2026-03-10T12:00:00"),
        ("newest", "yesterday"),
    ],
)
def test_values_in_a_cursor_are_of_their_kind(db: None, sort: str, value: object) -> None:
    parts = [sort, 30, 0, value, "6b2f0a3e-6a8e-4a37-9c1e-3f8f6a0c0d11"]
    cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()

    with pytest.raises(CursorInvalid):
        market.page(Search(sort=sort), cursor=cursor)


# --- what it costs ------------------------------------------------------------------------


def test_a_page_is_one_query_and_its_count_another(master: User) -> None:
    for number in range(5):
        publish(master, f"S{number}")

    with CaptureQueriesContext(connection) as captured:
        rows = market.page(Search(text="s", symbol="BTC/USDT", free_slots=True)).records
        assert [row.strategy.copiers for row in rows] == [0] * 5
        market.count(Search())

    assert len(captured) == 2


def test_counting_ends_early(master: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "COUNTED", 3)
    for number in range(5):
        publish(master, f"S{number}")

    assert market.count(Search()) == 4


@pytest.mark.parametrize("sort", SORTS)
def test_the_way_to_a_deep_page_is_an_index_not_a_sort(master: User, sort: str) -> None:
    for number in range(3):
        publish(master, f"S{number}")
    cursor = market.page(Search(sort=sort), size=1).next or ""

    with CaptureQueriesContext(connection) as captured:
        market.page(Search(sort=sort), cursor=cursor, size=1)
    with connection.cursor() as asking:
        # What the planner would do if the tables were large.
        asking.execute("SET LOCAL enable_seqscan = off")
        asking.execute("SET LOCAL enable_sort = off")
        asking.execute("SET LOCAL enable_bitmapscan = off")
        asking.execute("EXPLAIN " + captured[0]["sql"].replace("%", "%%"))
        plan = "\n".join(row[0] for row in asking.fetchall())

    assert "Index Cond: " in plan
    assert "(ROW(" in plan.split("Filter: (ROW(")[0], plan
