"""Settled orders made in bulk, alike on every leg, with the chain's events; and signed snapshots."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import connection
from django.utils import timezone

from bench.people import Person
from compliance.models import Proposal, ReserveSignature, ReserveSnapshot
from compliance.reserves.chain_index import Token
from compliance.reserves.sign_off import SIGN_OFF
from compliance.reserves.snapshots import OBJECT

BLOCK = 100_000_000
TOKEN = Token(31337, "0x" + "c" * 40)
# Quantities differ, so that a total that misses or doubles one shows.
_QUANTITY = "0.01 + (n %% 97) * 0.001"
_ID = "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
_STATEMENTS = (
    f"""INSERT INTO custody_custodyrecord (id, reference, symbol, quantity, state, number,
        external_tx_id, custody_tx_id, vendor_status, created_at, completed_at)
    SELECT {_ID}, {_ID}, 'AAPL', {_QUANTITY}, 'COMPLETED', 1, 'cus-' || n, 'tx-' || n,
        'COMPLETED', now(), now() FROM generate_series(%(first)s::int, %(last)s::int) n""",
    f"""INSERT INTO tokens_minttx (id, reference, broker_trade_id, to_address, units, state,
        chain_id, contract, sender, nonce, tx_hash, block_number, block_hash, created_at,
        confirmed_at)
    SELECT {_ID}, {_ID}, 'trade-' || n, '0x' || lpad(to_hex(n), 40, '0'),
        ({_QUANTITY}) * 1000000000000000000, 'CONFIRMED', %(chain)s::bigint, %(contract)s, 'minter', n,
        '0x' || n, n, '', now(), now() FROM generate_series(%(first)s::int, %(last)s::int) n""",
    f"""INSERT INTO trading_order ({{columns}}, id, custody_id, mint_id, client_order_id,
        broker_order_id, quantity, filled_quantity, filled_avg_price)
    SELECT {{values}}, {_ID}, {_ID}, {_ID}, 'client-' || n, 'trade-' || n, {_QUANTITY},
        {_QUANTITY}, 200 FROM generate_series(%(first)s::int, %(last)s::int) n""",
    f"""INSERT INTO compliance_chainmint (chain_id, contract, block_number, log_index, tx_hash,
        to_address, units, broker_trade_id)
    SELECT %(chain)s, %(contract)s, n, 1, '0x' || n, '0x' || lpad(to_hex(n), 40, '0'),
        ({_QUANTITY}) * 1000000000000000000, 'trade-' || n
    FROM generate_series(%(first)s::int, %(last)s::int) n""",
    f"""INSERT INTO compliance_chaintransfer (chain_id, contract, block_number, log_index, tx_hash,
        from_address, to_address, units)
    SELECT %(chain)s, %(contract)s, n, 0, '0x' || n, '0x' || repeat('0', 40),
        '0x' || lpad(to_hex(n), 40, '0'), ({_QUANTITY}) * 1000000000000000000
    FROM generate_series(%(first)s::int, %(last)s::int) n""",
)
_TABLES = (
    "custody_custodyrecord", "tokens_minttx", "trading_order", "compliance_chainmint",
    "compliance_chaintransfer",
)  # fmt: skip
_BATCH = 100_000


def make_up_to(count: int, *, person: Person) -> None:
    """Have this many settled orders; those that there are already stay."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tokens_minttx WHERE contract = %s", [TOKEN.contract])
        (made,) = cursor.fetchone()
        for first in range(made + 1, count + 1, _BATCH):
            _make(cursor, first, min(count, first + _BATCH - 1), person)
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}")
        cursor.execute("RESET statement_timeout")


def _make(cursor: object, first: int, last: int, person: Person) -> None:
    common = {
        "user_id": f"'{person.id}'",
        "source": "'page'",
        "symbol": "'AAPL'",
        "wallet_address": "'0x' || lpad(to_hex(n), 40, '0')",
        "state": "'MINT_CONFIRMED'",
        "reason": "''",
        "quote_price": "200",
        "quoted_at": "now()",
        "limit_price": "202",
        "reserved_usd": "10",
        "limit_day": "now()::date",
        "broker_status": "'filled'",
        "created_at": "now()",
        "updated_at": "now()",
        "version": "9",
        "attempts": "0",
        "last_error": "''",
        "attention": "false",
        "missed_lookups": "0",
        "sends": "1",
    }
    names = {"columns": ", ".join(common), "values": ", ".join(common.values())}
    given = {"first": first, "last": last, "chain": TOKEN.chain_id, "contract": TOKEN.contract}
    for statement in _STATEMENTS:
        cursor.execute(statement.format(**names), given)  # type: ignore[attr-defined]


def sums() -> set[Decimal]:
    """The sum of each table by itself, in shares: a full recompute without any join."""
    found = set()
    for expression, table in (
        ("filled_quantity", "trading_order"),
        ("quantity", "custody_custodyrecord"),
        ("units * 0.000000000000000001", "tokens_minttx"),
        ("units * 0.000000000000000001", "compliance_chainmint"),
        ("units * 0.000000000000000001", "compliance_chaintransfer"),
    ):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT sum({expression}) FROM {table}")
            found.add(cursor.fetchone()[0])
    return {value.normalize() for value in found}


def _sign_off(snapshot: ReserveSnapshot, at: datetime) -> UUID:
    """The approved decision without which the database takes no signature."""
    proposal = Proposal.objects.create(
        kind=SIGN_OFF,
        object_type=OBJECT,
        object_id=str(snapshot.pk),
        reason="-",
        maker_id=uuid4(),
        proposed_at=at,
        expires_at=at,
    )
    Proposal.objects.filter(pk=proposal.pk).update(
        state="APPROVED", checker_id=uuid4(), decided_at=at
    )
    return proposal.pk


def publish(count: int) -> None:
    """Signed snapshots of made-up totals, a day apart."""
    now = timezone.now()
    for number in range(count):
        at = now - timedelta(days=number)
        snapshot = ReserveSnapshot.objects.create(
            requested_by="bench",
            requested_at=at,
            built_at=at,
            block_number=number,
            block_time=at,
            finality="finalized",
            figures={"total_supply": "1", "holders": "1"},
            difference=0,
            content_hash="0" * 64,
        )
        ReserveSnapshot.objects.filter(pk=snapshot.pk).update(state="READY")
        ReserveSignature.objects.create(
            snapshot=snapshot,
            proposal_id=_sign_off(snapshot, at),
            content_hash="0" * 64,
            statement="-",
            maker_id=uuid4(),
            checker_id=uuid4(),
            signed_at=at,
        )
