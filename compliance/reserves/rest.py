"""Where totals of broker or custodian do not follow from the rows: look for who they belong to.

Their lists are compared with our records id by id, newest first, as far as it takes, and at most
10,000 entries back. These rows hold only what is too much (or, negative, too little) outside.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from compliance.reserves.books import ZERO
from compliance.reserves.readings import Bounds, Pulse
from compliance.reserves.rows import Kind, Row, total
from custody import vault
from custody.models import CustodyRecord
from custody.vault import VaultTransfer
from trading import broker
from trading.broker import BrokerOrder
from trading.models import Order, Sale
from trading.sales import recorded_sales
from trading.states import NOT_BOUGHT, State

_MOST_PAGES = 20
_PAGE = 500


class _Known(NamedTuple):
    """What our records say that an entry of a vendor's list brought, and for which order."""

    quantity: Decimal
    order_id: UUID | None
    leg: str


_UNKNOWN = _Known(ZERO, None, "")


def at_broker(rest: Bounds, *, symbol: str, pulse: Pulse) -> list[Row]:
    """Rows for shares at the broker beyond those of known orders, as far as its list tells.

    Nothing is asked when there need be none. Raises OutsideError.
    """
    rows: list[Row] = []
    if rest.hold(ZERO):
        return rows
    seen: set[str] = set()
    for page in _broker_pages(symbol, pulse):
        known = _known_at_broker(page)
        for each in page:
            seen.add(each.id)
            rows.extend(_of_broker_order(each, known.get(each.id, _UNKNOWN)))
        if rest.hold(total(rows, "broker")):
            return rows
        if len(page) < _PAGE:
            rows.extend(_not_at_broker(symbol, seen))
    return rows


def _broker_pages(symbol: str, pulse: Pulse) -> Iterator[list[BrokerOrder]]:
    before = ""
    for _number in range(_MOST_PAGES):
        page = broker.newest_orders(symbol=symbol, before=before)
        pulse()
        yield page
        if len(page) < _PAGE:
            return
        before = str(page[-1].raw.get("submitted_at", ""))


def _known_at_broker(page: Sequence[BrokerOrder]) -> dict[str, _Known]:
    """What we know of a page, by the broker's ids; where its answer was lost we have our own only."""
    ids = {each.client_order_id: each.id for each in page}
    ours = Order.objects.filter(
        Q(broker_order_id__in=list(ids.values()))
        | Q(broker_order_id=None, client_order_id__in=list(ids))
    )
    known = {
        order.broker_order_id or ids[order.client_order_id]: _Known(
            order.filled_quantity, order.pk, order.state
        )
        for order in ours
    }
    sales = recorded_sales().filter(sale_order_id__in=list(ids.values()))
    return known | {str(each.sale_order_id): _sale(each) for each in sales}


def _sale(each: Sale) -> _Known:
    return _Known(-each.quantity, each.repayment_id, State.FAILED)


def _of_broker_order(each: BrokerOrder, known: _Known) -> Iterator[Row]:
    """The excess over what we know; of orders that may be open the items tell what is filled."""
    told = -each.filled_quantity if each.raw.get("side") == "sell" else each.filled_quantity
    if known.leg in NOT_BOUGHT or told == known.quantity:
        return
    lacks = abs(told) < abs(known.quantity)
    yield Row(
        Kind.MISSING_AT_BROKER if lacks else Kind.UNKNOWN_AT_BROKER,
        order_id=known.order_id,
        leg=known.leg,
        reference=each.id,
        broker=told - known.quantity,
    )


def _not_at_broker(symbol: str, seen: set[str]) -> Iterator[Row]:
    """Ours that the whole list of the broker lacks; without a sale there are too many shares."""
    filled = Order.objects.filter(symbol=symbol, filled_quantity__gt=0)
    filled = filled.exclude(state__in=NOT_BOUGHT)
    for order in filled.only("broker_order_id", "filled_quantity", "state").iterator():
        if order.broker_order_id not in seen:
            row = Row(Kind.MISSING_AT_BROKER, order_id=order.pk, leg=order.state)
            yield replace(row, reference=order.broker_order_id or "", broker=-order.filled_quantity)
    for sold in recorded_sales().filter(repayment__order__symbol=symbol).iterator():
        if sold.sale_order_id not in seen:
            row = Row(Kind.MISSING_AT_BROKER, order_id=sold.repayment_id, leg=State.FAILED)
            yield replace(row, reference=sold.sale_order_id, broker=sold.quantity)


def in_custody(rest: Bounds, *, pulse: Pulse) -> list[Row]:
    """Rows for receipts at the custodian beyond those of known transfers; as `at_broker`."""
    custody = settings.FIREBLOCKS_CUSTODY_VAULT
    rows: list[Row] = []
    if rest.hold(ZERO):
        return rows
    seen: set[str] = set()
    complete = True
    for where in ({"destination": custody}, {"source": custody}):
        ended = False
        for page in _transfer_pages(pulse, **where):
            rows.extend(_of_transfers(page, custody, seen))
            ended = len(page) < _PAGE
        complete = complete and ended
    if complete and not rest.hold(total(rows, "custody")):
        rows.extend(_not_in_custody(seen))
    return rows


def _transfer_pages(
    pulse: Pulse, *, source: str = "", destination: str = ""
) -> Iterator[list[VaultTransfer]]:
    before = None
    for _number in range(_MOST_PAGES):
        page = vault.newest_transfers(
            asset=settings.FIREBLOCKS_RECEIPT_ASSET,
            source=source,
            destination=destination,
            before=before,
        )
        pulse()
        yield page
        if len(page) < _PAGE:
            return
        before = page[-1].created_at


def _of_transfers(page: Sequence[VaultTransfer], custody: str, seen: set[str]) -> Iterator[Row]:
    done = [each for each in page if each.status == vault.COMPLETED]
    known = _known_in_custody([each.id for each in done])
    for each in done:
        seen.add(each.id)
        ours = known.get(each.id, _UNKNOWN)
        sign = 1 if each.destination == custody else -1
        told = ZERO if each.source == each.destination else sign * each.quantity
        if told != ours.quantity:
            lacks = abs(told) < abs(ours.quantity)
            yield Row(
                Kind.MISSING_IN_CUSTODY if lacks else Kind.UNKNOWN_IN_CUSTODY,
                order_id=ours.order_id,
                reference=each.id,
                custody=told - ours.quantity,
            )


def _known_in_custody(ids: list[str]) -> dict[str, _Known]:
    """What we know of transfers, by the custodian's ids."""
    records = CustodyRecord.objects.filter(custody_tx_id__in=ids)
    known = {str(each.custody_tx_id): _Known(each.quantity, each.reference, "") for each in records}
    released = recorded_sales().filter(custody_tx_id__in=ids)
    return known | {str(each.custody_tx_id): _sale(each) for each in released}


def _not_in_custody(seen: set[str]) -> Iterator[Row]:
    """Ours that the whole list of the custodian lacks; without a release there are too many."""
    done = CustodyRecord.objects.filter(state=CustodyRecord.State.COMPLETED)
    for record in done.only("reference", "quantity", "custody_tx_id").iterator():
        if record.custody_tx_id not in seen:
            yield Row(
                Kind.MISSING_IN_CUSTODY,
                order_id=record.reference,
                reference=record.custody_tx_id or "",
                custody=-record.quantity,
            )
    for released in recorded_sales().exclude(custody_tx_id=None).iterator():
        if released.custody_tx_id not in seen:
            row = Row(Kind.MISSING_IN_CUSTODY, order_id=released.repayment_id, leg=State.FAILED)
            yield replace(row, reference=released.custody_tx_id or "", custody=released.quantity)
