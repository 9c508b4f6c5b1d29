"""The API of trades and ledger entries: pages, filters, files, and whose they are."""

import csv
import functools
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from pytest_django import Settings

from compliance.models import AuditRow
from copytrade.ledger.booking import reverse
from copytrade.models import LedgerEntry, Strategy, Subscription
from tests.api.conftest import Api, assert_problem
from tests.copying import new_subscription
from tests.copytrade.booking import copied
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRADES, LEDGER = "/api/v1/copy/trades", "/api/v1/copy/ledger"


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


@pytest.fixture
def owner(subscription: Subscription) -> Api:
    return Api(subscription.follower)


@pytest.fixture
def stranger() -> Api:
    return Api(new_user())


def lines(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode())))


def test_trades_come_newest_first_with_totals(owner: Api, subscription: Subscription) -> None:
    copied(subscription, at=NOON, quantity="0.02", fee="1")
    copied(subscription, at=NOON + timedelta(hours=1), side="SELL", price="51000")

    body = owner.get(TRADES).body
    assert [row["side"] for row in body["results"]] == ["SELL", "BUY"]
    assert body["results"][1] | {"id": 0} == {
        "id": 0,
        "at": "2026-11-20T12:00:00Z",
        "booked_at": "2026-11-20T12:00:00Z",
        "account_id": str(subscription.account_id),
        "symbol": "BTC/USDT",
        "side": "BUY",
        "price": "50000",
        "quantity": "0.02",
        "value": "1000",
        "fee": "1",
        "fee_asset": "USDT",
        "fee_value": "1",
        "realized": None,
        "origin": "copied",
        "subscription_id": str(subscription.pk),
        "leg_id": None,
        "strategy_id": None,
        "master_order_id": None,
        "exchange_trade_id": body["results"][1]["exchange_trade_id"],
        "exchange_order_id": "1",
    }
    assert body["totals"] == {
        "trades": 2, "bought": "1000", "sold": "510", "fees": "1", "realized": "9.5",
    }  # fmt: skip


def test_pages_are_stable_while_trades_arrive(owner: Api, subscription: Subscription) -> None:
    before = [copied(subscription, at=NOON + timedelta(minutes=n // 2)).pk for n in range(7)]

    seen: list[int] = []
    link = f"{TRADES}?page_size=3"
    while link:
        body = owner.get(link.removeprefix("http://testserver")).body
        seen += [row["id"] for row in body["results"]]
        copied(subscription, at=NOON + timedelta(days=1))
        link = body["next"]
    assert seen == sorted(before, reverse=True)


def test_nothing_yet_is_an_empty_page(owner: Api) -> None:
    body = owner.get(TRADES).body

    assert (body["results"], body["next"], body["totals"]["trades"]) == ([], None, 0)


def test_strangers_get_nothing(stranger: Api, subscription: Subscription) -> None:
    copied(subscription)

    for path in (TRADES, LEDGER, f"{TRADES}?subscription={subscription.pk}"):
        assert stranger.get(path).body["results"] == []
    assert len(lines(stranger.get(f"{TRADES}/export").raw)) == 1  # the header alone


def test_the_ledger_has_both_sides_of_each_trade(owner: Api, subscription: Subscription) -> None:
    copied(subscription, fee="0.5")

    rows = owner.get(f"{LEDGER}?asset=USDT").body["results"]
    of_trade = [row for row in rows if row["trade_id"]]
    assert {(r["kind"], r["credit"], r["debit"], r["amount"]) for r in of_trade} == {
        ("quote", "wallet", "trade", "500"),
        ("fee", "wallet", "fees", "0.5"),
    }
    assert len(owner.get(f"{LEDGER}?side=BUY&symbol=BTC/USDT").body["results"]) == 3


@pytest.mark.parametrize("path", [TRADES, LEDGER, f"{TRADES}/export", f"{LEDGER}/export"])
@pytest.mark.parametrize(
    "query",
    [
        "side=buy",
        "account=1",
        "subscription=x'--",
        "from=2026-02-30",
        "from=0001-01-01",
        "to=9999-12-31",
        "from=2026-11-21&to=2026-11-20",
        "timezone=Mars/Olympus",
        "symbol=%00",
        "user=1",
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(owner: Api, path: str, query: str) -> None:
    assert_problem(owner.get(f"{path}?{query}"), 400, "malformed")


def test_a_token_without_the_scope_reads_nothing(subscription: Subscription) -> None:
    api = Api(subscription.follower, scopes=("trade",))

    for path in (TRADES, LEDGER, f"{TRADES}/export"):
        assert_problem(api.get(path), 403, "insufficient_scope")


@pytest.mark.parametrize("query", ["", "side=SELL", "from=2026-11-21", "symbol=ETH/USDT"])
def test_a_file_has_the_rows_of_the_pages(
    owner: Api, subscription: Subscription, query: str
) -> None:
    copied(subscription, at=NOON)
    copied(subscription, at=NOON, symbol="ETH/USDT", price="3000")
    copied(subscription, at=NOON + timedelta(days=1), side="SELL", fee="0.1")
    ids = [str(row["id"]) for row in owner.get(f"{TRADES}?{query}").body["results"]]

    for form in ("csv", "json", "xlsx"):
        file = owner.get(f"{TRADES}/export?{query}&form={form}")
        assert [row[0] for row in table(form, file.raw)[1:]] == ids


def table(form: str, body: bytes) -> list[list[Any]]:
    """The rows of a file, the header first."""
    if form == "csv":
        return lines(body)
    if form == "json":
        rows = json.loads(body)
        header = list(rows[0]) if rows else []
        return [header, *([str(value) for value in row.values()] for row in rows)]
    return cells_of(body)


def cells_of(workbook: bytes) -> list[list[str]]:
    """The first sheet of a workbook as a program of another maker reads it: by its XML."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        sheet = ElementTree.fromstring(parts.read("xl/worksheets/sheet1.xml"))
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    width = 0
    rows: list[list[str]] = []
    for row in sheet.iterfind(".//x:row", space):
        found: dict[int, str] = {}
        for cell in row.iterfind("x:c", space):
            assert cell.get("t") == "inlineStr"  # text, no formula and no number
            letters = re.sub(r"[0-9]", "", cell.get("r") or "")
            place = functools.reduce(lambda n, c: n * 26 + ord(c) - 64, letters, 0)
            text = cell.findtext(".//x:t", "", space)
            found[place] = re.sub(r"_x([0-9A-F]{4})_", lambda m: chr(int(m[1], 16)), text)
        width = width or len(found)
        rows.append([found.get(place, "") for place in range(1, width + 1)])
    return rows


def test_a_file_is_named_for_what_it_holds_and_noted(
    owner: Api, subscription: Subscription
) -> None:
    answer = owner.get(f"{LEDGER}/export?form=json&from=2026-11-01&to=2026-11-20&asset=BTC")

    name = 'attachment; filename="agora-ledger-2026-11-01-to-2026-11-20.json"'
    assert answer.headers["Content-Disposition"] == name
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.raw) == []
    noted = AuditRow.objects.get(action="ledger.exported")
    assert noted.actor == f"user:{subscription.follower_id}"
    assert noted.evidence == {
        "what": "ledger",
        "form": "json",
        "filters": {
            "asset": "BTC", "first": "2026-11-01", "last": "2026-11-20", "zone": "UTC",
        },
    }  # fmt: skip


def test_a_kind_of_file_that_there_is_not_is_refused_and_not_noted(owner: Api) -> None:
    assert_problem(owner.get(f"{TRADES}/export?form=exe"), 400, "malformed")
    assert not AuditRow.objects.filter(action="ledger.exported").exists()


def test_files_are_limited_for_page_and_api_together(
    owner: Api, subscription: Subscription, settings: Settings
) -> None:
    settings.API_RATES = {**settings.API_RATES, "export": 2}
    owner.client.force_login(subscription.follower)
    assert owner.get(f"{TRADES}/export").status == 200
    assert owner.client.get("/copy/trades/export/").getvalue()

    assert_problem(owner.get(f"{LEDGER}/export"), 429, "rate_limited")
    assert owner.client.get("/copy/trades/export/").status_code == 429


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", '=cmd|" /C calc"!A0', "＠x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_strategy_that_is_named_like_a_formula_stays_text(
    owner: Api, subscription: Subscription, name: str
) -> None:
    Strategy.objects.filter(pk=subscription.strategy_id).update(name=name)
    copied(subscription)

    for form in ("csv", "xlsx"):
        header, row = table(form, owner.get(f"{TRADES}/export?form={form}").raw)
        cell = row[header.index("strategy")]
        assert cell.startswith("'")
        assert cell.replace("\n", "\r").removeprefix("'") == name
    (exact,) = json.loads(owner.get(f"{TRADES}/export?form=json").raw)
    assert exact["strategy"] == name


def test_a_hostile_note_breaks_no_row(owner: Api, subscription: Subscription) -> None:
    note = 'a"b\\,\n;\x01\x02\x1f{"x": 1} =1'
    fill = copied(subscription)
    wrong = LedgerEntry.objects.filter(fill=fill).first()
    assert wrong is not None
    reverse(entry=wrong, note=note, now=NOON)

    rows = json.loads(owner.get(f"{LEDGER}/export?form=json").raw)
    assert [row["note"] for row in rows if row["note"]] == [note]
    header, *cells = lines(owner.get(f"{LEDGER}/export").raw)
    assert {len(row) for row in cells} == {len(header)}


def test_losses_stay_numbers_and_figures_keep_their_digits(
    owner: Api, subscription: Subscription
) -> None:
    copied(subscription, at=NOON, quantity="0.000000000000000001", price="123456789.12345678")
    copied(subscription, side="SELL", quantity="0.000000000000000001", price="1", at=NOON)

    header, *rows = lines(owner.get(f"{TRADES}/export").raw)
    sold = dict(zip(header, next(row for row in rows if "SELL" in row), strict=True))
    assert sold["quantity"] == "0.000000000000000001"
    assert sold["realized"].startswith("-0.0000000001234")
    assert sold["at"] == "2026-11-20T12:00:00.000000Z"
