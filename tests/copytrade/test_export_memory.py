"""A file of many rows takes no more memory than one of few."""

import csv
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from copytrade.ledger import export
from copytrade.selectors.history import Filters
from copytrade.services.exports import ExportRefused, export_history
from tests.copying import new_subscription

ROWS = 200_000
# Measured in a process of its own: the peak of one that runs other tests says nothing.
_MEASURE = """
    import json, resource, sys
    import django
    django.setup()
    from django.utils import timezone
    from accounts.models import User
    from copytrade.selectors.history import Filters
    from copytrade.services.exports import export_history

    user = User.objects.get(pk=sys.argv[1])

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def lines(form, symbol):
        exported = export_history(
            user=user, what="trades", form=form, filters=Filters(symbol=symbol), now=timezone.now()
        )
        with exported.file as file:
            return sum(1 for _line in file)

    found = {}
    for form, symbol in (("csv", "BTC/USDT"), ("json", "BTC/USDT"), ("xlsx", "SOL/USDT")):
        lines(form, "ETH/USDT")  # loads what every file of this kind needs
        before = peak()
        found[form] = [lines(form, symbol), peak() - before]
    print(json.dumps(found))
"""


def many_trades(*, counts: dict[str, int]) -> User:
    """Somebody with so many trades of each pair."""
    subscription = new_subscription()
    with transaction.atomic(), connection.cursor() as cursor:
        # Without looking up a foreign key a million times.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for symbol, count in counts.items():
            cursor.execute(
                """INSERT INTO copytrade_fill (account_id, symbol, trade_id, exchange_order_id,
                       subscription_id, side, price, quantity, quote_quantity, fee, fee_asset,
                       fee_value, at, booked_at)
                   SELECT %s, %s, n::text, n::text, %s, 'BUY', 50000.5, 0.001, 50.0005, 0.05,
                          'USDT', 0.05, now() - make_interval(secs => n), now()
                   FROM generate_series(1, %s) n""",
                [subscription.account_id, symbol, subscription.pk, count],
            )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    return subscription.follower


@pytest.mark.django_db(transaction=True)
def test_memory_stays_flat_with_200_000_rows() -> None:
    owner = many_trades(counts={"BTC/USDT": ROWS, "SOL/USDT": 3000, "ETH/USDT": 10})
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_MEASURE), str(owner.pk)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )

    found = json.loads(done.stdout.splitlines()[-1])
    assert found["csv"][0] == ROWS + 1
    assert found["json"][0] == ROWS + 2
    assert {form: grown for form, (_lines, grown) in found.items() if grown > 16 * 1024} == {}


@pytest.mark.django_db
def test_a_workbook_that_would_be_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = many_trades(counts={"BTC/USDT": 11})
    monkeypatch.setattr(export, "MOST_XLSX_ROWS", 10)

    with pytest.raises(ExportRefused) as refused:
        export_history(
            user=owner, what="trades", form="xlsx", filters=Filters(), now=timezone.now()
        )
    assert refused.value.code == "export_too_long"


@pytest.mark.django_db
def test_every_row_is_whole() -> None:
    owner = many_trades(counts={"SOL/USDT": 5000})

    def rows_of(form: str) -> IO[bytes]:
        return export_history(
            user=owner, what="trades", form=form, filters=Filters(), now=timezone.now()
        ).file

    with rows_of("json") as file:
        rows = json.load(file)
    with rows_of("csv") as file:
        table = list(csv.DictReader(line.decode() for line in file))
    assert [row["id"] for row in rows] == [row["id"] for row in table]
    assert len({row["id"] for row in rows}) == 5000
