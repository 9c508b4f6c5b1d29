"""A person's trades and ledger entries: the one place that filters them, for page, API and export."""

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import User
from copytrade.days import edge
from copytrade.models import ExchangeAccount, Fill, LedgerEntry, Side, Strategy, Subscription

R = TypeVar("R", Fill, LedgerEntry)
_ZERO = Decimal(0)


class BadCursor(ValueError):
    """A page address that was not made by `page_of`."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to show. `first` and `last` are calendar days in `zone`, both included; empty means all.

    `symbol` and `side` are about trades: of the ledger they leave the entries of such trades.
    """

    account: uuid.UUID | None = None
    subscription: uuid.UUID | None = None
    strategy: uuid.UUID | None = None
    symbol: str = ""
    side: str = ""
    asset: str = ""
    first: date | None = None
    last: date | None = None
    zone: str = "UTC"

    @property
    def since(self) -> datetime | None:
        return edge(day=self.first, zone=self.zone) if self.first else None

    @property
    def before(self) -> datetime | None:
        return edge(day=self.last + timedelta(days=1), zone=self.zone) if self.last else None


def trades_of(*, user: User, filters: Filters) -> QuerySet[Fill]:
    """Trades on the user's own exchange accounts, newest first."""
    found = Fill.objects.filter(account__user=user).filter(_wanted(filters))
    return found.order_by("-at", "-id")


def entries_of(*, user: User, filters: Filters) -> QuerySet[LedgerEntry]:
    """Ledger entries of the user's own exchange accounts, newest first."""
    found = LedgerEntry.objects.filter(account__user=user).filter(_wanted(filters, of="fill__"))
    if filters.asset:
        found = found.filter(asset=filters.asset)
    return found.order_by("-at", "-id")


def _wanted(filters: Filters, *, of: str = "") -> Q:
    """The condition; `of` is the way to the trade. Account and time are of the row itself."""
    wanted = Q()
    if filters.account:
        wanted &= Q(account=filters.account)
    if filters.subscription:
        wanted &= Q(**{f"{of}subscription": filters.subscription})
    if filters.strategy:
        wanted &= Q(**{f"{of}strategy": filters.strategy}) | Q(
            **{f"{of}subscription__strategy": filters.strategy}
        )
    for name in ("symbol", "side"):
        if value := getattr(filters, name):
            wanted &= Q(**{f"{of}{name}": value})
    if filters.since:
        wanted &= Q(at__gte=filters.since)
    if filters.before:
        wanted &= Q(at__lt=filters.before)
    return wanted


@dataclass(frozen=True)
class Totals:
    """Sums over trades, in the quote asset."""

    trades: int
    bought: Decimal
    sold: Decimal
    fees: Decimal
    realized: Decimal


def totals_of(trades: QuerySet[Fill]) -> Totals:
    """Sums over all pages."""
    sums = trades.order_by().aggregate(
        trades=Count("pk"),
        bought=Sum("quote_quantity", filter=Q(side=Side.BUY), default=_ZERO),
        sold=Sum("quote_quantity", filter=Q(side=Side.SELL), default=_ZERO),
        fees=Sum("fee_value", default=_ZERO),
        realized=Sum("realized", default=_ZERO),
    )
    return Totals(**sums)


@dataclass(frozen=True)
class KeysetPage(Generic[R]):
    """Rows, and the cursor of the older ones after them; None at the end."""

    rows: list[R]
    older: str | None


def page_of(found: QuerySet[R], *, cursor: str, size: int) -> KeysetPage[R]:
    """Rows older than the cursor ("" begins with the newest). Raises BadCursor.

    The cursor names the last row shown, not a number of rows: trades that arrive meanwhile move
    nothing from one page to the next.
    """
    if cursor:
        at, pk = _position_of(cursor)
        found = found.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    rows = list(found[: size + 1])
    older = _cursor_of(rows[size - 1]) if len(rows) > size else None
    return KeysetPage(rows[:size], older)


def _cursor_of(row: Fill | LedgerEntry) -> str:
    text = f"{row.at.isoformat()} {row.pk}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position_of(cursor: str) -> tuple[datetime, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at_text, pk_text = text.split(" ")
        at, pk = datetime.fromisoformat(at_text), int(pk_text)
    except ValueError as error:
        raise BadCursor from error
    if at.tzinfo is None or not 0 <= pk < 2**63:
        raise BadCursor
    return at, pk


@dataclass(frozen=True)
class Choices:
    """What a person can filter by: their accounts, subscriptions and strategies, and pairs."""

    accounts: Mapping[uuid.UUID, str]
    subscriptions: Mapping[uuid.UUID, str]
    strategies: Mapping[uuid.UUID, str]
    symbols: list[str]


def choices_for(*, user: User) -> Choices:
    """What the user has; pairs are those of the strategies concerned."""
    accounts = ExchangeAccount.objects.filter(user=user).order_by("label")
    subscriptions = Subscription.objects.filter(follower=user).select_related("strategy")
    copied = {s.strategy_id: s.strategy for s in subscriptions}
    own = {strategy.pk: strategy for strategy in Strategy.objects.filter(master=user)}
    strategies = copied | own
    return Choices(
        accounts={a.pk: f"{a.label} ({a})" for a in accounts},
        subscriptions={s.pk: s.strategy.name for s in subscriptions},
        strategies={pk: strategy.name for pk, strategy in strategies.items()},
        symbols=sorted({symbol for s in strategies.values() for symbol in s.symbols}),
    )
