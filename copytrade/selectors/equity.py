"""What a subscription or a strategy is worth now, in the quote asset."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

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
    positions = list(CopyPosition.objects.filter(subscription=subscription))
    return _valued(
        positions, exchange=subscription.strategy.exchange, allocated=subscription.allocated
    )


def strategy_equity(*, strategy: Strategy) -> Equity:
    """The whole account of a master by its ledger: the quote balance and all pairs it holds."""
    positions = list(MasterPosition.objects.filter(strategy=strategy))
    cash = wallet_balance(account_id=strategy.account_id, asset=QUOTE)
    cost = sum((p.cost for p in positions), _ZERO)
    realized = sum((p.realized for p in positions), _ZERO)
    return _valued(positions, exchange=strategy.exchange, allocated=cash + cost - realized)


def wallet_balance(*, account_id: uuid.UUID, asset: str) -> Decimal:
    """Units of an asset at the exchange, as the ledger has it."""
    entries = LedgerEntry.objects.filter(account_id=account_id, asset=asset)
    received = entries.filter(debit=LedgerEntry.Book.WALLET).aggregate(sum=Sum("amount"))["sum"]
    given = entries.filter(credit=LedgerEntry.Book.WALLET).aggregate(sum=Sum("amount"))["sum"]
    return (received or _ZERO) - (given or _ZERO)


def _valued(
    positions: "list[CopyPosition] | list[MasterPosition]", *, exchange: str, allocated: Decimal
) -> Equity:
    held = [p for p in positions if p.quantity]
    marks = {
        mark.symbol: mark
        for mark in MarkPrice.objects.filter(exchange=exchange, symbol__in=[p.symbol for p in held])
    }
    priced = [p for p in held if p.symbol in marks]
    exposure = sum((p.quantity * marks[p.symbol].price for p in priced), _ZERO)
    return Equity(
        allocated=allocated,
        realized=sum((p.realized for p in positions), _ZERO),
        unrealized=exposure - sum((p.cost for p in priced), _ZERO),
        exposure=exposure,
        priced_at=min((marks[p.symbol].at for p in priced), default=None),
        unpriced=tuple(p.symbol for p in held if p.symbol not in marks),
    )
