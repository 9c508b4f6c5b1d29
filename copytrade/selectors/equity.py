"""What a subscription or a strategy is worth now, in the quote asset."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Sum

from copytrade.models import (
    QUOTE,
    CopyPosition,
    LedgerEntry,
    MarkPrice,
    MasterPosition,
    Strategy,
    Subscription,
)
from copytrade.models.subscriptions import Position

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Equity:
    """Amounts in the quote asset. `priced_at` is the age of the oldest price in it; None: no price
    was needed. `unpriced` names pairs that are held but have no price, which `total` leaves out.
    """

    allocated: Decimal
    realized: Decimal
    unrealized: Decimal
    exposure: Decimal
    priced_at: datetime | None
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        return self.allocated + self.realized + self.unrealized

    def is_fresh(self, *, since: datetime) -> bool:
        """Whether every price in it is known and not older than that."""
        return not self.unpriced and (self.priced_at is None or self.priced_at >= since)


def subscription_equity(*, subscription: Subscription) -> Equity:
    """Allocated capital, and what its own positions made of it; fees are in the figures."""
    return equities([subscription])[subscription.pk]


def equities(subscriptions: Sequence[Subscription]) -> dict[uuid.UUID, Equity]:
    """The same of many subscriptions by id, in two queries; their strategies are to be at hand."""
    held: dict[uuid.UUID, list[CopyPosition]] = {one.pk: [] for one in subscriptions}
    for position in CopyPosition.objects.filter(subscription__in=held):
        held[position.subscription_id].append(position)
    marks = _marks({p.symbol for positions in held.values() for p in positions if p.quantity})
    return {
        one.pk: _valued(
            held[one.pk], marks=marks, exchange=one.strategy.exchange, allocated=one.allocated
        )
        for one in subscriptions
    }


def strategy_equity(*, strategy: Strategy) -> Equity:
    """The whole account of a master by its ledger: the quote balance and all pairs it holds."""
    positions = list(MasterPosition.objects.filter(strategy=strategy))
    cash = wallet_balance(account_id=strategy.account_id, asset=QUOTE)
    cost = sum((p.cost for p in positions), _ZERO)
    realized = sum((p.realized for p in positions), _ZERO)
    return _valued(
        positions,
        marks=_marks({p.symbol for p in positions if p.quantity}),
        exchange=strategy.exchange,
        allocated=cash + cost - realized,
    )


def base_of_shares(*, strategy: Strategy, now: datetime) -> Decimal:
    """The master's equity that copies in proportion are measured by; 0 while it is not known.

    Understated it would make every copy too large, so that one missing or old price counts as none.
    """
    equity = strategy_equity(strategy=strategy)
    oldest = now - timedelta(seconds=settings.COPY_PRICE_MAX_AGE_SECONDS)
    return equity.total if equity.is_fresh(since=oldest) else _ZERO


def wallet_balance(*, account_id: uuid.UUID, asset: str) -> Decimal:
    """Units of an asset at the exchange, as the ledger has it."""
    entries = LedgerEntry.objects.filter(account_id=account_id, asset=asset)
    received = entries.filter(debit=LedgerEntry.Book.WALLET).aggregate(sum=Sum("amount"))["sum"]
    given = entries.filter(credit=LedgerEntry.Book.WALLET).aggregate(sum=Sum("amount"))["sum"]
    return (received or _ZERO) - (given or _ZERO)


def _marks(symbols: Collection[str]) -> dict[tuple[str, str], MarkPrice]:
    """The newest prices of pairs, by exchange and pair."""
    found = MarkPrice.objects.filter(symbol__in=symbols) if symbols else ()
    return {(mark.exchange, mark.symbol): mark for mark in found}


def _valued(
    positions: Sequence[Position],
    *,
    marks: Mapping[tuple[str, str], MarkPrice],
    exchange: str,
    allocated: Decimal,
) -> Equity:
    held = [(p, marks.get((exchange, p.symbol))) for p in positions if p.quantity]
    priced = [(p, mark) for p, mark in held if mark is not None]
    exposure = sum((p.quantity * mark.price for p, mark in priced), _ZERO)
    return Equity(
        allocated=allocated,
        realized=sum((p.realized for p in positions), _ZERO),
        unrealized=exposure - sum((p.cost for p, _ in priced), _ZERO),
        exposure=exposure,
        priced_at=min((mark.at for _, mark in priced), default=None),
        unpriced=tuple(p.symbol for p, mark in held if mark is None),
    )
