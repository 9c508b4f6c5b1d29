"""The token's events, read once and kept: who holds how much at a block, and what was minted for what.

Only final blocks are read. Checkpoints say up to where, with the block's hash; should a chain
reorganise even those, reading goes back to the last checkpoint that is still canonical.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model, QuerySet, Subquery
from django.db.models.functions import Coalesce

from compliance import ownership
from compliance.models import ChainCheckpoint, ChainMint, ChainTransfer
from compliance.reserves.liabilities import Holder
from tokens import chain, events
from tokens.events import Events

log = structlog.get_logger(__name__)
_BATCH = 2000
_PORTION = 20_000  # rows dropped by one statement
_NOBODY = "0x0000000000000000000000000000000000000000"


class Token(NamedTuple):
    """Which token on which chain."""

    chain_id: int
    contract: str

    @classmethod
    def configured(cls) -> "Token":
        """That of the settings; raises Rejected while none is set."""
        return cls(settings.CHAIN_ID, chain.contract_address())


def read_up_to(*, token: Token, block: int, pulse: Callable[[], None]) -> None:
    """Read the events up to and with this final block and keep them; raises Temporary.

    Goes on where the last reading ended. `pulse` is called after each range.
    """
    first = _canonical_end(token) + 1
    _drop_unmarked(token, pulse)
    while first <= block:
        last = min(block, first + settings.CHAIN_LOG_BLOCKS - 1)
        found = events.events(first=first, last=last)
        end = events.block_at(last)
        with transaction.atomic():
            _keep(token, found)
            ChainCheckpoint.objects.bulk_create(
                [ChainCheckpoint(**token._asdict(), block_number=last, block_hash=end.hash)],
                ignore_conflicts=True,
            )
        pulse()
        first = last + 1


def _canonical_end(token: Token) -> int:
    """The last block that is read and still on the chain; checkpoints beyond it are dropped."""
    kept = ChainCheckpoint.objects.filter(**token._asdict()).order_by("-block_number")
    end = settings.CONTRACT_FIRST_BLOCK - 1
    gone = False
    for point in kept.iterator(chunk_size=100):
        if chain.block_hash(point.block_number) == point.block_hash:
            end = point.block_number
            break
        gone = True
    if gone:
        log.warning("reserve.chain_reorganised", back_to_block=end)
        ChainCheckpoint.objects.filter(**token._asdict(), block_number__gt=end).delete()
    return end


def _drop_unmarked(token: Token, pulse: Callable[[], None]) -> None:
    """Drop what stands beyond the newest checkpoint: it is no longer trusted.

    In portions, as all that was ever read would take longer than one statement may. Each looks at
    the checkpoints again: another worker's come together with its events.
    """
    where = token._asdict()
    points = ChainCheckpoint.objects.filter(**where).order_by("-block_number")
    newest = Subquery(points.values("block_number")[:1])
    beyond = {**where, "block_number__gt": Coalesce(newest, settings.CONTRACT_FIRST_BLOCK - 1)}
    for model in (ChainTransfer, ChainMint):
        rows: QuerySet[Model] = model._default_manager.all()
        while rows.filter(pk__in=rows.filter(**beyond).values("pk")[:_PORTION]).delete()[0]:
            pulse()


def _keep(token: Token, found: Events) -> None:
    """Two workers may read the same range: the second one's rows are the first one's."""
    where = token._asdict()
    transfers = (ChainTransfer(**where, **vars(each)) for each in found.transfers)
    mints = (ChainMint(**where, **vars(each)) for each in found.mints)
    ChainTransfer.objects.bulk_create(transfers, batch_size=_BATCH, ignore_conflicts=True)
    ChainMint.objects.bulk_create(mints, batch_size=_BATCH, ignore_conflicts=True)


def forget(*, token: Token) -> None:
    """Have the next reading begin anew, without anything that is kept: for when it proves wrong."""
    log.warning("reserve.events_forgotten")
    ChainCheckpoint.objects.filter(**token._asdict()).delete()


_HOLDERS = f"""
SELECT b.address, o.user_id, b.units
FROM (
    SELECT address, sum(units) AS units
    FROM (
        SELECT to_address AS address, units FROM compliance_chaintransfer
        WHERE chain_id = %(chain)s AND contract = %(contract)s AND block_number <= %(block)s
        UNION ALL
        SELECT from_address, -units FROM compliance_chaintransfer
        WHERE chain_id = %(chain)s AND contract = %(contract)s AND block_number <= %(block)s
    ) AS moved
    GROUP BY address
) AS b
LEFT JOIN ({ownership.OWNERS}) AS o ON o.address = lower(b.address)
WHERE b.units <> 0 AND b.address <> %(nobody)s
ORDER BY b.address
"""  # noqa: S608  # joins two constants


def holders(*, token: Token, block: int) -> list[Holder]:
    """Everybody who holds tokens at this block, by address; read what `read_up_to` has kept."""
    given: dict[str, int | str] = {
        "chain": token.chain_id,
        "contract": token.contract,
        "block": block,
        "nobody": _NOBODY,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '120s'")
        # What a sum by address yields is guessed at 200 rows, for which a nested loop looks cheap.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(_HOLDERS, given)
        return [Holder(address, user, int(units)) for address, user, units in cursor.fetchall()]


def told_by_the_chain(*, block: int) -> dict[str, int]:
    """Units by address at this block, of the settings' token, from the chain and not from what is kept.

    Raises Temporary. What `verify` compares with.
    """
    held: dict[str, int] = {}
    for first, last in _ranges(settings.CONTRACT_FIRST_BLOCK, block):
        for each in events.events(first=first, last=last).transfers:
            held[each.from_address] = held.get(each.from_address, 0) - each.units
            held[each.to_address] = held.get(each.to_address, 0) + each.units
    held.pop(_NOBODY, None)
    return {address: units for address, units in held.items() if units}


def _ranges(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, settings.CHAIN_LOG_BLOCKS):
        yield start, min(last, start + settings.CHAIN_LOG_BLOCKS - 1)
