"""The only writer of trades, ledger entries and positions (LED-1).

A trade is booked once for each exchange trade id, however often and by whichever way it is told:
one statement inserts it, and the entries and the position follow only from rows that were new.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from agora.lib.arrays import columns
from copytrade.exchange.types import Trade
from copytrade.models import QUOTE, ExchangeAccount, LedgerEntry, Strategy

_BOOK = """
WITH told AS (
    SELECT t.*, split_part(t.symbol, '/', 1) AS base, split_part(t.symbol, '/', 2) AS quote
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[],
                %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
                %s::text[], %s::timestamptz[])
      AS t(account_id, symbol, trade_id, exchange_order_id, copy_order_id, subscription_id,
           master_order_id, strategy_id, side, price, quantity, quote_quantity, fee, fee_asset, at)
), valued AS (
    SELECT told.*,
           CASE WHEN fee_asset = quote THEN fee WHEN fee_asset = base THEN fee * told.price
                ELSE fee * coalesce(m.price, 0) END AS fee_value,
           coalesce(c.cost / nullif(c.quantity, 0), s.cost / nullif(s.quantity, 0), 0) AS average
    FROM told
    JOIN copytrade_exchangeaccount a ON a.id = told.account_id
    LEFT JOIN copytrade_markprice m
        ON m.exchange = a.exchange AND m.symbol = told.fee_asset || '/' || told.quote
    LEFT JOIN copytrade_copyposition c
        ON c.subscription_id = told.subscription_id AND c.symbol = told.symbol
    LEFT JOIN copytrade_masterposition s
        ON s.strategy_id = told.strategy_id AND s.symbol = told.symbol
), new AS (
    INSERT INTO copytrade_fill (account_id, symbol, trade_id, exchange_order_id, copy_order_id,
        subscription_id, master_order_id, strategy_id, side, price, quantity, quote_quantity, fee,
        fee_asset, fee_value, realized, at, booked_at)
    SELECT account_id, symbol, trade_id, exchange_order_id, copy_order_id, subscription_id,
        master_order_id, strategy_id, side, price, quantity, quote_quantity, fee, fee_asset,
        fee_value,
        CASE WHEN side = 'SELL' AND coalesce(subscription_id, strategy_id) IS NOT NULL
             THEN quote_quantity - fee_value - average * quantity END,
        at, %s
    FROM valued
    ON CONFLICT (account_id, symbol, trade_id) DO NOTHING
    RETURNING *, split_part(symbol, '/', 1) AS base, split_part(symbol, '/', 2) AS quote
), entries AS (
    INSERT INTO copytrade_ledgerentry
        (account_id, fill_id, kind, source, debit, credit, asset, amount, note, at, booked_at)
    SELECT new.account_id, new.id, e.kind, new.symbol || ':' || new.trade_id || ':' || e.kind,
           e.debit, e.credit, e.asset, e.amount, '', new.at, new.booked_at
    FROM new CROSS JOIN LATERAL (VALUES
        ('base', CASE side WHEN 'BUY' THEN 'wallet' ELSE 'trade' END,
                 CASE side WHEN 'BUY' THEN 'trade' ELSE 'wallet' END, base, quantity),
        ('quote', CASE side WHEN 'BUY' THEN 'trade' ELSE 'wallet' END,
                  CASE side WHEN 'BUY' THEN 'wallet' ELSE 'trade' END, quote, quote_quantity),
        ('fee', 'fees', 'wallet', fee_asset, fee)
    ) AS e(kind, debit, credit, asset, amount)
    WHERE e.amount > 0
), moved AS (
    SELECT subscription_id, strategy_id, symbol,
           sum(CASE side WHEN 'BUY' THEN quantity ELSE 0 END
               - CASE WHEN side = 'BUY' AND fee_asset = base THEN fee ELSE 0 END) AS bought,
           sum(CASE side WHEN 'SELL' THEN quantity ELSE 0 END
               + CASE WHEN side = 'SELL' AND fee_asset = base THEN fee ELSE 0 END) AS sold,
           sum(CASE WHEN side = 'BUY'
               THEN quote_quantity + CASE WHEN fee_asset = base THEN 0 ELSE fee_value END
               ELSE 0 END) AS paid,
           sum(CASE WHEN side = 'SELL'
               THEN quote_quantity - CASE WHEN fee_asset = base THEN 0 ELSE fee_value END
               ELSE 0 END) AS received,
           sum(fee_value) AS fees
    FROM new GROUP BY 1, 2, 3
), copied AS (
    INSERT INTO copytrade_copyposition AS p
        (subscription_id, symbol, quantity, cost, realized, fees, carried, updated_at)
    SELECT subscription_id, symbol, bought - sold, paid, received, fees, 0, %s
    FROM moved WHERE subscription_id IS NOT NULL
    ON CONFLICT (subscription_id, symbol) DO UPDATE SET {change}
), mastered AS (
    INSERT INTO copytrade_masterposition AS p
        (strategy_id, symbol, quantity, cost, realized, fees, updated_at)
    SELECT strategy_id, symbol, bought - sold, paid, received, fees, %s
    FROM moved WHERE strategy_id IS NOT NULL
    ON CONFLICT (strategy_id, symbol) DO UPDATE SET {change}
)
SELECT count(*) FROM new
"""

# What was sold takes its share of the cost along. A statement books one side of a position only, so
# EXCLUDED holds either what was bought or what was sold (its quantity is then negative).
_CHANGE = """
    quantity = p.quantity + EXCLUDED.quantity,
    cost = p.cost + EXCLUDED.cost
        - CASE WHEN EXCLUDED.quantity < 0 AND p.quantity > 0
               THEN p.cost * least(-EXCLUDED.quantity / p.quantity, 1) ELSE 0 END,
    realized = p.realized + EXCLUDED.realized
        - CASE WHEN EXCLUDED.quantity < 0 AND p.quantity > 0
               THEN p.cost * least(-EXCLUDED.quantity / p.quantity, 1) ELSE 0 END,
    fees = p.fees + EXCLUDED.fees,
    updated_at = EXCLUDED.updated_at
"""
_STATEMENT = _BOOK.format(change=_CHANGE)


@dataclass(frozen=True, slots=True)
class Booking:
    """A trade and whom it belongs to: a copied order, a master's order, or nobody (by hand)."""

    account_id: uuid.UUID
    trade: Trade
    copy_order_id: uuid.UUID | None = None
    subscription_id: uuid.UUID | None = None
    master_order_id: uuid.UUID | None = None
    strategy_id: uuid.UUID | None = None


def book(bookings: Sequence[Booking], *, now: datetime) -> int:
    """Book the trades that are not booked yet, with entries and positions; how many were new.

    Inside the caller's transaction, which then holds the rows of the accounts concerned.
    """
    if not bookings:
        return 0
    lock_accounts(sorted({b.account_id for b in bookings}))
    return sum(_book_run(run, now=now) for run in _one_sided(bookings))


def lock_accounts(ids: Sequence[uuid.UUID]) -> None:
    """Hold the rows of accounts until the transaction ends, in one order for everybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM copytrade_exchangeaccount WHERE id = ANY(%s) ORDER BY id"
            " FOR NO KEY UPDATE",
            [list(ids)],
        )


def _one_sided(bookings: Sequence[Booking]) -> Iterator[list[Booking]]:
    """Runs of bookings in which no position is both bought and sold, in the order of the trades."""
    run: list[Booking] = []
    sides: dict[object, str] = {}
    for booking in sorted(bookings, key=lambda b: b.trade.at):
        owner = (booking.subscription_id, booking.strategy_id, booking.trade.symbol)
        if sides.setdefault(owner, booking.trade.side) != booking.trade.side:
            yield run
            run, sides = [], {owner: booking.trade.side}
        run.append(booking)
    yield run


def _book_run(run: Sequence[Booking], *, now: datetime) -> int:
    rows = [
        (
            b.account_id,
            b.trade.symbol,
            b.trade.id,
            b.trade.order_id,
            b.copy_order_id,
            b.subscription_id,
            b.master_order_id,
            b.strategy_id,
            b.trade.side,
            b.trade.price,
            b.trade.quantity,
            b.trade.quote_quantity,
            b.trade.fee,
            b.trade.fee_asset,
            b.trade.at,
        )
        for b in run
    ]
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [*columns(rows), now, now, now])
        return int(cursor.fetchone()[0])


def open_books(*, account: ExchangeAccount, balances: Mapping[str, Decimal], now: datetime) -> None:
    """Book what an account holds as Agora first sees it; once for each asset of an account."""
    LedgerEntry.objects.bulk_create(
        [
            _movement(account, kind=LedgerEntry.Kind.OPENING, asset=asset, signed=held, at=now)
            for asset, held in balances.items()
            if held > 0
        ],
        ignore_conflicts=True,
    )


def open_positions(*, strategy: Strategy, now: datetime) -> None:
    """Positions of what a master's account holds by its ledger as the strategy begins, at cost of
    the current price. Assets without a price in the quote asset stay out.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_POSITIONS, {"strategy": strategy.pk, "quote": QUOTE, "now": now})


_OPEN_POSITIONS = """
INSERT INTO copytrade_masterposition
    (strategy_id, symbol, quantity, cost, realized, fees, updated_at)
SELECT s.id, m.symbol, b.held, b.held * m.price, 0, 0, %(now)s
FROM copytrade_strategy s
CROSS JOIN LATERAL (
    SELECT e.asset, sum(CASE WHEN e.debit = 'wallet' THEN e.amount ELSE 0 END)
                  - sum(CASE WHEN e.credit = 'wallet' THEN e.amount ELSE 0 END) AS held
    FROM copytrade_ledgerentry e WHERE e.account_id = s.account_id GROUP BY e.asset
) b
JOIN copytrade_markprice m
    ON m.exchange = s.exchange AND m.symbol = b.asset || '/' || %(quote)s
WHERE s.id = %(strategy)s AND b.held > 0
ON CONFLICT (strategy_id, symbol) DO NOTHING
"""


def book_external(
    *, account: ExchangeAccount, asset: str, amount: Decimal, note: str, at: datetime, now: datetime
) -> LedgerEntry:
    """Book a deposit (positive) or withdrawal (negative) that was made outside of Agora."""
    entry = _movement(account, kind=LedgerEntry.Kind.EXTERNAL, asset=asset, signed=amount, at=at)
    entry.note, entry.booked_at = note, now
    entry.source = f"external:{uuid.uuid4()}"
    entry.save(force_insert=True)
    return entry


def reverse(*, entry: LedgerEntry, note: str, now: datetime) -> LedgerEntry:
    """Correct an entry by its opposite; the wrong row stays. An entry is reversed once at most."""
    return LedgerEntry.objects.create(
        account_id=entry.account_id,
        fill_id=entry.fill_id,
        kind=LedgerEntry.Kind.REVERSAL,
        source=f"reversal:{entry.pk}",
        debit=entry.credit,
        credit=entry.debit,
        asset=entry.asset,
        amount=entry.amount,
        reverses=entry,
        note=note,
        at=now,
        booked_at=now,
    )


def _movement(
    account: ExchangeAccount, *, kind: str, asset: str, signed: Decimal, at: datetime
) -> LedgerEntry:
    wallet, outside = LedgerEntry.Book.WALLET, LedgerEntry.Book.EXTERNAL
    return LedgerEntry(
        account=account,
        kind=kind,
        source=f"{kind}:{asset}",
        debit=wallet if signed > 0 else outside,
        credit=outside if signed > 0 else wallet,
        asset=asset,
        amount=abs(signed),
        at=at,
        booked_at=at,
    )
