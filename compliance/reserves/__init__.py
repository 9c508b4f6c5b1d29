"""Proof of reserve, first version (RAT-003): minted, custody, vault, broker, in flight, difference.

All figures are shares of one asset. The chain is read at one block; the broker and the custodian
tell their figures of the moment, so orders between two legs are listed and counted as in flight.
"""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum

from agora.lib import work
from agora.lib.money import plain, shares_of
from agora.lib.outcome import OutsideError
from compliance import audit
from compliance.models import ReserveReport
from custody import vault
from custody.models import CustodyRecord
from tokens import chain
from tokens.models import MintTx
from trading import broker
from trading.models import Order
from trading.states import State

log = structlog.get_logger(__name__)
BUILD_TASK = "compliance.tasks.build_reserve_report"
_BOUGHT = [State.SUBMITTED, State.FILLED, State.CUSTODY_CONFIRMED, State.MINTING]


@dataclass(frozen=True)
class Figures:
    """Shares by source, as decimal text; each name says who tells the figure."""

    total_supply: str
    minted_records: str
    custody_records: str
    vault_balance: str
    broker_position: str
    in_flight: str
    in_flight_orders: list[str]


def request_report(*, actor: str, now: datetime) -> ReserveReport:
    """Ask for a report; a worker builds it in a moment, because it has to ask outside."""
    with transaction.atomic():
        report = ReserveReport(requested_by=actor, requested_at=now, next_attempt_at=now)
        report.save(force_insert=True)
        _record(report, "reserve.requested", actor, {}, now)
        work.nudge_after_commit(BUILD_TASK, pk=report.pk)
    return report


def build(*, report_id: uuid.UUID, now: datetime) -> ReserveReport | None:
    """Fill in a requested report; None when it is not due. Tried again while a source is away."""
    lease = work.claim(ReserveReport, pk=report_id)
    if lease is None:
        return None
    report = lease.row
    try:
        block = chain.block_number()
        block_hash = chain.block_hash(block)
        figures = _read(symbol=report.symbol, block=block)
    except OutsideError as error:
        work.retry_later(lease, error=error.message, wait=None, now=now)
        return report
    difference = Decimal(figures.broker_position) - Decimal(figures.total_supply)
    difference -= Decimal(figures.in_flight)
    evidence = {"block": block, "block_hash": block_hash, "difference": plain(difference)}
    with transaction.atomic():
        lease.release(
            again_at=None,
            state=ReserveReport.State.READY,
            built_at=now,
            block_number=block,
            block_hash=block_hash,
            figures=asdict(figures),
            difference=difference,
        )
        _record(report, "reserve.built", audit.system("reserves"), evidence, now)
    if difference:
        log.error("reserve.mismatch", report=str(report.pk), difference=plain(difference))
    return report


def _read(*, symbol: str, block: int) -> Figures:
    """Ask every source. Our own tables are read last, so that what moved meanwhile is in flight."""
    supply = shares_of(chain.total_supply(block=block))
    held = vault.balance(
        vault=settings.FIREBLOCKS_CUSTODY_VAULT, asset=settings.FIREBLOCKS_RECEIPT_ASSET
    ).total
    position = broker.position(symbol=symbol)
    in_flight = _in_flight(symbol=symbol, block=block)
    custody = CustodyRecord.objects.filter(symbol=symbol, state=CustodyRecord.State.COMPLETED)
    minted = MintTx.objects.filter(state=MintTx.State.CONFIRMED)
    return Figures(
        total_supply=plain(supply),
        minted_records=plain(shares_of(int(_sum(minted.aggregate(sum=Sum("units")))))),
        custody_records=plain(_sum(custody.aggregate(sum=Sum("quantity")))),
        vault_balance=plain(held),
        broker_position=plain(position),
        in_flight=plain(sum((quantity for _, quantity in in_flight), Decimal(0))),
        in_flight_orders=[str(pk) for pk, _ in in_flight],
    )


def _in_flight(*, symbol: str, block: int) -> list[tuple[uuid.UUID, Decimal]]:
    """Orders whose shares are bought but whose tokens are not in the supply of this block."""
    on_the_way = Q(state__in=_BOUGHT, filled_quantity__gt=0)
    minted_later = Q(state=State.MINT_CONFIRMED, mint__block_number__gt=block)
    orders = Order.objects.filter(on_the_way | minted_later, symbol=symbol)
    return [
        (order.pk, order.filled_quantity)
        for order in orders.only("state", "filled_quantity", "broker_order_id").order_by(
            "created_at"
        )
        if order.state != State.MINTING
        or not chain.minted_units(order.broker_order_id or "", block=block)
    ]


def _sum(aggregate: dict[str, Decimal | None]) -> Decimal:
    return aggregate["sum"] or Decimal(0)


def _record(
    report: ReserveReport, action: str, actor: str, evidence: dict[str, object], now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type="reserve_report",
        object_id=str(report.pk),
        evidence={"symbol": report.symbol, **evidence},
        now=now,
    )
