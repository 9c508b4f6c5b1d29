"""What each difference between the legs of one order means: time that passes, or a break."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from compliance.models import ReserveRow
from compliance.reserves.books import ZERO, Item
from compliance.reserves.readings import Look, Readings

Kind = ReserveRow.Kind
# Kinds that pass by themselves, and soon: an order takes minutes, over a long weekend some days.
PASSING = frozenset(
    {
        Kind.FILL_NOT_READ,
        Kind.TO_CUSTODY,
        Kind.CUSTODY_NOT_READ,
        Kind.TO_MINT,
        Kind.MINT_NOT_READ,
    }
)
LONGEST_WAY = timedelta(days=7)  # from when the order was sent to the broker
IN_FLIGHT = PASSING | {Kind.BETWEEN_READS, Kind.AFTER_BLOCK}
EXPLAINED = IN_FLIGHT | {*ReserveRow.DECIDED}


@dataclass(frozen=True)
class Row:
    """One difference; six figures of the same thing in shares, as in ReserveRow."""

    kind: ReserveRow.Kind
    order_id: UUID | None = None
    leg: str = ""
    reference: str = ""
    ordered: Decimal = ZERO
    broker: Decimal = ZERO
    recorded: Decimal = ZERO
    custody: Decimal = ZERO
    minted: Decimal = ZERO
    chain: Decimal = ZERO

    @property
    def is_break(self) -> bool:
        return self.kind not in EXPLAINED


def of(
    readings: Readings,
    *,
    block: int,
    stray_at_broker: Decimal,
    stray_in_custody: Decimal,
    now: datetime,
) -> list[Row]:
    """A row for each item of the second look, as it stood when the totals were told.

    The strays are what the totals hold of things that are no item: shares or receipts of others.
    What has been on its way for longer than LONGEST_WAY at `now` is a break.
    """
    look, first = readings.after, readings.before
    at_broker, broker_moved = _as_told(
        look.at_broker,
        first.at_broker,
        excess=look.broker_total + stray_at_broker - readings.position,
    )
    in_custody, custody_moved = _as_told(
        look.in_custody,
        first.in_custody,
        excess=look.custody_total + stray_in_custody - readings.vault_balance,
    )
    moved = broker_moved | custody_moved
    rows = _rows(look, at_broker, in_custody, moved, block)
    return [_in_time(item, row, now) for item, row in rows]


def _rows(
    look: Look,
    at_broker: Mapping[Item, Decimal],
    in_custody: Mapping[Item, Decimal],
    moved: set[Item],
    block: int,
) -> Iterator[tuple[Item, Row]]:
    for item in look.books.items:
        row = Row(
            kind=Kind.UNEQUAL,
            order_id=item.order_id,
            leg=item.leg,
            reference=item.broker_order_id or item.transfer_id or item.client_order_id,
            ordered=item.ordered,
            broker=at_broker[item],
            recorded=item.recorded,
            custody=in_custody[item],
            minted=item.minted,
            chain=item.chain,
        )
        if item in moved:
            yield item, replace(row, kind=Kind.BETWEEN_READS)
        elif any((row.ordered, row.broker, row.recorded, row.custody, row.minted, row.chain)):
            yield item, replace(row, kind=_kind(item, row, block))


def _in_time(item: Item, row: Row, now: datetime) -> Row:
    late = item.bought_at is not None and item.bought_at < now - LONGEST_WAY
    return replace(row, kind=Kind.OVERDUE) if late and row.kind in PASSING else row


def _as_told(
    after: Mapping[Item, Decimal], before: Mapping[Item, Decimal], *, excess: Decimal
) -> tuple[dict[Item, Decimal], set[Item]]:
    """The second look's quantities less what came after the total was told, and who that was.

    A total may hold any part of what moved between the two looks, but no less than the first and no
    more than the second of each item. Quantities only grow.
    """
    earlier = {item.order_id: quantity for item, quantity in before.items()}
    told, moved = dict(after), set()
    for item, quantity in after.items():
        came = quantity - earlier.get(item.order_id, ZERO)
        if excess > 0 and came > 0 and item.order_id is not None:
            later = min(came, excess)
            told[item] -= later
            excess -= later
            moved.add(item)
    return told, moved


def _kind(item: Item, row: Row, block: int) -> ReserveRow.Kind:
    if item.order_id is None:
        return Kind.UNKNOWN_ON_CHAIN if _only_on_chain(item) else Kind.WITHOUT_ORDER
    if item.chain:
        return _kind_of_minted(item, row)
    if item.leg == "FAILED":
        return _kind_of_failed(item, row)
    if item.minted or item.leg == "MINT_CONFIRMED":
        return _kind_of_not_on_chain(item, row, block)
    return _kind_of_held(item, row)


def _kind_of_failed(item: Item, row: Row) -> ReserveRow.Kind:
    """Owed back in money, or, once that is paid, what of it was not sold."""
    if not item.repaid:
        return Kind.NOT_MINTED
    return Kind.KEPT if row.custody <= row.broker else Kind.UNEQUAL


def _only_on_chain(item: Item) -> bool:
    return bool(item.chain) and not item.has_mint


def _kind_of_minted(item: Item, row: Row) -> ReserveRow.Kind:
    if not item.has_mint:
        return Kind.UNKNOWN_ON_CHAIN
    alike = row.ordered == row.broker == row.recorded == row.custody == row.chain
    return Kind.MINT_NOT_READ if alike and not item.minted else Kind.UNEQUAL


def _kind_of_not_on_chain(item: Item, row: Row, block: int) -> ReserveRow.Kind:
    if item.mint_block is None or item.mint_block <= block:
        return Kind.MISSING_ON_CHAIN
    alike = row.ordered == row.broker == row.recorded == row.custody == row.minted
    return Kind.AFTER_BLOCK if alike else Kind.UNEQUAL


def _kind_of_held(item: Item, row: Row) -> ReserveRow.Kind:
    """Bought, and neither minted nor decided otherwise."""
    if row.broker < row.ordered:
        return Kind.MISSING_AT_BROKER
    if row.broker > row.ordered and not row.custody:
        return Kind.FILL_NOT_READ
    if not row.custody:
        return Kind.TO_CUSTODY
    if row.custody != row.ordered or row.broker != row.ordered:
        return Kind.UNEQUAL
    return Kind.TO_MINT if row.recorded else Kind.CUSTODY_NOT_READ


def total(rows: Iterable[Row], figure: str) -> Decimal:
    """The sum of one figure over rows."""
    return sum((getattr(row, figure) for row in rows), ZERO)
