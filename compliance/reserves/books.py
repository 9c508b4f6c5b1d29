"""Our own records and the chain's mints, joined order by order in one statement.

What stands alike on every leg is only counted and summed; the rest comes row by row. The work is
linear in the number of orders.
"""

from collections.abc import Sequence
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
    `mint_block`; `chain` what was minted up to the block of the snapshot.
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


class Books(NamedTuple):
    """Orders alike on every leg, and everything else."""

    matched_orders: int
    matched: Decimal
    items: Sequence[Item]


# Mints for another contract are no mints of this token. An order that was not sent holds nothing.
_JOINED = """
WITH o AS (
    SELECT id, state, client_order_id, broker_order_id, filled_quantity FROM trading_order
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
), joined AS MATERIALIZED (
    SELECT o.id AS order_id, coalesce(o.state, '') AS leg,
           coalesce(o.client_order_id, '') AS client_order_id,
           coalesce(o.broker_order_id, m.broker_trade_id, x.broker_trade_id, '') AS trade_id,
           coalesce(o.filled_quantity, 0) AS ordered,
           coalesce(c.quantity, 0) AS wanted,
           CASE c.state WHEN 'COMPLETED' THEN c.quantity ELSE 0 END AS recorded,
           coalesce(c.external_tx_id, '') AS transfer_id,
           m.reference IS NOT NULL AS has_mint,
           CASE m.state WHEN 'CONFIRMED' THEN m.quantity ELSE 0 END AS minted,
           m.block_number AS mint_block,
           coalesce(x.quantity, 0) AS chain
    FROM o
    FULL JOIN c ON c.reference = o.id
    FULL JOIN m ON m.reference = coalesce(o.id, c.reference)
    FULL JOIN x ON x.broker_trade_id = coalesce(m.broker_trade_id, o.broker_order_id)
), told AS (
    SELECT *, leg = 'MINT_CONFIRMED' AND ordered = recorded AND ordered = minted
              AND ordered = chain AS alike
    FROM joined
)
SELECT count(*), coalesce(sum(ordered), 0), NULL, '', '', '', 0, 0, 0, '', false, 0, NULL, 0
FROM told WHERE alike
UNION ALL
SELECT 0, 0, order_id, leg, client_order_id, trade_id, ordered, wanted, recorded, transfer_id,
       has_mint, minted, mint_block, chain
FROM told WHERE NOT alike
"""


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
        cursor.execute(_JOINED, given)
        (alike, total, *_rest), *others = cursor.fetchall()
    items = [Item(*row[2:]) for row in others]
    return Books(alike, total, sorted(items, key=lambda item: (str(item.order_id), item[3])))
