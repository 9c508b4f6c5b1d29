"""The marketplace: searching, sorting and paging listed strategies (MKT-1).

Pages are keyset pages: a cursor names the last row seen by its sort value and id, so that a deep
page costs what the first costs, and ties neither repeat nor drop a row.
"""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from copytrade.models import Strategy, TrackRecord
from copytrade.states import StrategyState

PAGE_SIZE = 25
COUNTED = 1000  # more than this is told as "more than"
_WORDS, _MOST_WORDS = re.compile(r"\w+"), 8
_LONGEST_CURSOR = 300


class CursorInvalid(Exception):
    """A cursor that no page of this search gave."""


@dataclass(frozen=True)
class Sort:
    """One order of the list; `read` reads a value of `field` from a cursor's text."""

    label: "str | Promise"
    field: str
    read: Callable[[str], Any]
    ascending: bool = False

    def value(self, row: TrackRecord) -> str:
        found: Any = row
        for name in self.field.split("__"):
            found = getattr(found, name)
        return found.isoformat() if isinstance(found, datetime) else str(found)


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or abs(value) > Decimal("1E18"):
        raise ValueError(text)
    return value


def _number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**31:
        raise ValueError(text)
    return value


def _moment(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(text)
    return value


SORTS = {
    "return": Sort(_("Return"), "roi", _decimal),
    "pnl": Sort(_("Profit and loss"), "pnl", _decimal),
    "drawdown": Sort(_("Smallest drawdown"), "max_drawdown", _decimal, ascending=True),
    "sharpe": Sort(_("Sharpe ratio"), "sharpe_order", _decimal),
    "copiers": Sort(_("Copiers"), "strategy__copiers", _number),
    "aum": Sort(_("Copied capital"), "strategy__aum", _decimal),
    "newest": Sort(_("Newest"), "strategy__created_at", _moment),
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What somebody looks for. `min_return` and `max_drawdown` are fractions over `period` days."""

    text: str = ""
    symbol: str = ""
    min_return: Decimal | None = None
    max_drawdown: Decimal | None = None
    free_slots: bool = False
    capital: Decimal | None = None
    period: int = TrackRecord.Period.MONTH
    sort: str = "return"


@dataclass(frozen=True)
class Page:
    """Records with their strategies, and the cursors of the neighbouring pages."""

    records: list[TrackRecord]
    next: str | None
    previous: str | None


def page(search: Search, *, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """One page of what was searched for; one query. Raises CursorInvalid."""
    sort = SORTS[search.sort]
    backward, position = _read_cursor(cursor, search) if cursor else (False, None)
    downward = sort.ascending == backward
    found = _found(search).select_related("strategy").defer("strategy__description")
    if position is not None:
        found = found.filter(_beyond(sort, position, below=downward))
    sign = "-" if downward else ""
    rows = list(found.order_by(f"{sign}{sort.field}", f"{sign}strategy_id")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if backward:
        rows.reverse()
    has_next = more if not backward else True
    has_previous = more if backward else position is not None
    return Page(
        records=rows,
        next=_cursor(search, rows[-1], backward=False) if rows and has_next else None,
        previous=_cursor(search, rows[0], backward=True) if rows and has_previous else None,
    )


def count(search: Search) -> int:
    """How many were found, counted up to one more than COUNTED; one query."""
    return _found(search).order_by()[: COUNTED + 1].count()


def _found(search: Search) -> QuerySet[TrackRecord]:
    found = TrackRecord.objects.filter(
        period=search.period, strategy__is_public=True, strategy__state=StrategyState.ACTIVE
    )
    if search.text:
        found = _matching(found, search.text)
    if search.symbol:
        found = found.filter(strategy__symbols__contains=[search.symbol])
    if search.min_return is not None:
        found = found.filter(roi__gte=search.min_return)
    if search.max_drawdown is not None:
        found = found.filter(max_drawdown__lte=search.max_drawdown)
    if search.free_slots:
        found = found.filter(strategy__copiers__lt=F("strategy__max_followers"))
    if search.capital is not None:
        found = found.filter(strategy__min_equity__lte=search.capital)
    return found


def _matching(found: QuerySet[TrackRecord], text: str) -> QuerySet[TrackRecord]:
    """Every word begins a word of name or description; nothing that is a word finds nothing."""
    words = _WORDS.findall(text)[:_MOST_WORDS]
    if not words:
        return found.none()
    query = SearchQuery(
        " & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple"
    )
    # The very expression of the index copytrade_strategy_search.
    strategies = Strategy.objects.annotate(
        words=SearchVector("name", "description", config="simple")
    ).filter(words=query)
    return found.filter(strategy__in=strategies.values("pk"))


def _beyond(sort: Sort, position: tuple[Any, uuid.UUID], *, below: bool) -> Func:
    """(value, id) beyond the position, compared as a row, which an index on both serves.

    Both columns have to be of one table for that, so the id is the strategy's own where its value
    is; the ORM would take the record's foreign key instead.
    """
    strategy = Strategy._meta
    own = strategy.pk.get_col(strategy.db_table)
    key = own if sort.field.startswith("strategy__") else F("strategy_id")
    here = Func(F(sort.field), key, function="ROW", output_field=BooleanField())
    there = Func(*map(Value, position), function="ROW", output_field=BooleanField())
    return Func(
        here,
        there,
        template="(%(expressions)s)",
        arg_joiner=" < " if below else " > ",
        output_field=BooleanField(),
    )


def _cursor(search: Search, row: TrackRecord, *, backward: bool) -> str:
    parts = [search.sort, search.period, int(backward), SORTS[search.sort].value(row)]
    text = json.dumps([*parts, str(row.strategy_id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, search: Search) -> tuple[bool, tuple[Any, uuid.UUID]]:
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError("too long")
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        sort, period, backward, value, row = json.loads(base64.urlsafe_b64decode(padded))
        if (sort, period) != (search.sort, search.period) or backward not in (0, 1):
            raise ValueError("of another search")
        return bool(backward), (SORTS[sort].read(value), uuid.UUID(row))
    except (
        ValueError, TypeError, AttributeError, InvalidOperation, binascii.Error, RecursionError,
    ) as error:  # fmt: skip
        raise CursorInvalid from error
