"""Our own records and the chain's mints, joined order by order in one statement.

What stands alike on every leg is only counted and summed; the rest comes row by row. The work is
linear in the number of orders.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from compliance.reserves.chain_index import Token

ZERO = Decimal(0)


class Item(NamedTuple):
    """One order, record or mint that does not stand alike on every leg; quantities in shares.

    `wanted` is what the custody record is about, `recorded` the same once it is completed;
    `has_mint` whether we have a mint transaction, `minted` its quantity once it is confirmed in
    `mint_block`; `chain` what was minted up to the block of the snapshot; `bought_at` is when the
    order was sent to the broker. Of a repaid order what was sold, and taken out of custody, is left
    out everywhere.
    """

    order_id: UUID | None
    leg: str
    client_order_id: str
    broker_order_id: str
    ordered: Decimal
    wanted: Decimal
    recorded: Decimal
    transfer_id: str
    has_mint: bool
    minted: Decimal
    mint_block: int | None
    chain: Decimal
    bought_at: datetime | None
    repaid: bool


class Books(NamedTuple):
    """Orders alike on every leg, and everything else."""

    matched_orders: int
    matched: Decimal
    items: Sequence[Item]


_COLUMNS = ", ".join(Item._fields)
# What is alike falls into one group without columns, so that nothing of it is kept or sorted.
_SHOWN = ", ".join(f"CASE WHEN NOT alike THEN {name} END AS {name}" for name in Item._fields)
# OFFSET 0 has each row judged once, not once a column.
# Mints for another contract are no mints of this token. An order that was not sent holds nothing.
_JOINED = f"""
WITH sold AS (
    SELECT repayment_id, sum(quantity) AS quantity,
           sum(quantity) FILTER (WHERE custody_tx_id IS NOT NULL) AS released
    FROM trading_sale AS s
    WHERE NOT EXISTS (SELECT FROM trading_salewithdrawal WHERE sale_id = s.proposal_id)
    GROUP BY repayment_id
), o AS (
    SELECT id, state, client_order_id, broker_order_id,
           filled_quantity - coalesce(sold.quantity, 0) AS filled_quantity, sold.released,
           coalesce(sent_at, created_at) AS bought_at, r.order_id IS NOT NULL AS repaid
    FROM trading_order
    LEFT JOIN trading_repayment AS r ON r.order_id = id
    LEFT JOIN sold ON sold.repayment_id = id
    WHERE symbol = %(symbol)s AND (filled_quantity > 0
        OR (state IN ('PENDING', 'SUBMITTED') AND sent_at IS NOT NULL))
), c AS (
    SELECT reference, quantity, state, external_tx_id FROM custody_custodyrecord
    WHERE symbol = %(symbol)s AND state <> 'FAILED'
), m AS (
    SELECT reference, broker_trade_id, state, block_number,
           units * 0.000000000000000001 AS quantity
    FROM tokens_minttx
    WHERE chain_id = %(chain)s AND contract = %(contract)s AND state <> 'FAILED'
), x AS (
    SELECT broker_trade_id, sum(units) * 0.000000000000000001 AS quantity
    FROM compliance_chainmint
    WHERE chain_id = %(chain)s AND contract = %(contract)s AND block_number <= %(block)s
    GROUP BY broker_trade_id
), joined AS (
    SELECT o.id AS order_id, coalesce(o.state, '') AS leg,
           coalesce(o.client_order_id, '') AS client_order_id,
           coalesce(o.broker_order_id, m.broker_trade_id, x.broker_trade_id, '') AS broker_order_id,
           coalesce(o.filled_quantity, 0) AS ordered,
           coalesce(c.quantity - coalesce(o.released, 0), 0) AS wanted,
           CASE c.state WHEN 'COMPLETED' THEN c.quantity - coalesce(o.released, 0) ELSE 0 END
               AS recorded,
           coalesce(c.external_tx_id, '') AS transfer_id,
           m.reference IS NOT NULL AS has_mint,
           CASE m.state WHEN 'CONFIRMED' THEN m.quantity ELSE 0 END AS minted,
           m.block_number AS mint_block,
           coalesce(x.quantity, 0) AS chain, o.bought_at,
           coalesce(o.repaid, false) AS repaid
    FROM o
    FULL JOIN c ON c.reference = o.id
    FULL JOIN m ON m.reference = coalesce(o.id, c.reference)
    FULL JOIN x ON x.broker_trade_id = coalesce(m.broker_trade_id, o.broker_order_id)
), told AS (
    SELECT alike, ordered AS quantity, {_SHOWN}
    FROM (SELECT *, leg = 'MINT_CONFIRMED' AND ordered = recorded AND ordered = minted
                 AND ordered = chain AS alike FROM joined OFFSET 0) AS judged
)
SELECT alike, count(*), sum(quantity), {_COLUMNS} FROM told GROUP BY alike, {_COLUMNS}
"""  # noqa: S608  # names of our own columns; values are bound


def read(*, symbol: str, token: Token, block: int) -> Books:
    """Our records as they stand now, with what the chain has minted up to `block`."""
    given: dict[str, int | str] = {
        "symbol": symbol,
        "chain": token.chain_id,
        "contract": token.contract,
        "block": block,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '120s'")
        cursor.execute("SET LOCAL work_mem = '128MB'")  # else a million orders are joined on disk
        cursor.execute(_JOINED, given)
        found = cursor.fetchall()
    items = [Item(*row[3:]) for row in found if not row[0]]
    alike, total = next(((row[1], row[2]) for row in found if row[0]), (0, ZERO))
    return Books(alike, total, sorted(items, key=lambda item: (str(item.order_id), item[3])))
