"""Reserve snapshots: asked for by a person or the day's schedule, built by a worker, then kept.

A snapshot is built at one final block of the chain; broker and custodian tell figures of the
moment, so what is between two legs is listed, and every other difference is a break (docs/
proof-of-reserve.md says what each kind means).
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from accounts.staff import holders_of
from agora.lib import work
from agora.lib.money import exactly, plain, shares_of
from agora.lib.outcome import OutsideError, Temporary
from agora.lib.work import Lease, LeaseLost
from compliance import audit
from compliance.models import ReserveRow, ReserveSnapshot, ReserveSource
from compliance.reserves import balances, chain_index, content, liabilities, merkle, readings, rest
from compliance.reserves import rows as differences
from compliance.reserves.balances import Compared
from compliance.reserves.books import ZERO
from compliance.reserves.chain_index import Token
from compliance.reserves.liabilities import Holder
from compliance.reserves.readings import Readings, Source
from compliance.reserves.rows import Kind, Row
from tokens import chain, events
from tokens.events import Block

log = structlog.get_logger(__name__)
BUILD_TASK = "compliance.tasks.build_reserve_snapshot"
OBJECT = "reserve_snapshot"
SCHEDULE = audit.system("schedule")
DAILY_AT = time(6, 30)  # UTC
_BATCH = 2000
_LONGEST_STATEMENT = timedelta(minutes=3)  # books.read and chain_index.holders allow two

SnapshotLease = Lease[ReserveSnapshot]


@dataclass(frozen=True)
class Found:
    """All that a snapshot rests on, before it is stored."""

    token: Token
    block: Block
    finality: str
    supply: int
    holders: Sequence[Holder]
    compared: Compared
    readings: Readings
    rows: Sequence[Row]
    sources: Sequence[Source]


def request(*, actor: str, now: datetime) -> ReserveSnapshot:
    """Ask for a snapshot, or get the one that is being built; a worker asks outside for its figures.

    Locks nothing: when two people ask in the same instant, two may be built.
    """
    waiting = ReserveSnapshot.objects.filter(
        state=ReserveSnapshot.State.REQUESTED, attention=False
    ).first()
    if waiting is not None:
        return waiting
    with transaction.atomic():
        return _request(actor, now=now)


def request_daily(*, now: datetime) -> ReserveSnapshot | None:
    """Ask for the snapshot of this UTC day; None before DAILY_AT, and when it is asked for already."""
    day = ReserveSnapshot.objects.filter(day=now.date())
    if now.astimezone(UTC).time() < DAILY_AT or day.exists():
        return None
    try:
        with transaction.atomic():
            return _request(SCHEDULE, now=now, day=now.date())
    except IntegrityError:
        return None


def _request(actor: str, *, now: datetime, **more: Any) -> ReserveSnapshot:
    snapshot = ReserveSnapshot(requested_by=actor, requested_at=now, next_attempt_at=now, **more)
    snapshot.save(force_insert=True)
    record(snapshot, "reserve.requested", actor, {}, now)
    work.nudge_after_commit(BUILD_TASK, pk=snapshot.pk)
    return snapshot


@exactly()
def build(*, snapshot_id: uuid.UUID, now: datetime) -> ReserveSnapshot | None:
    """Fill in a requested snapshot; None when it is not due or another worker has it.

    Tried again while a source is away or the chain reorganises; parked when its workers died too
    often. Holds the row's lease only.
    """
    lease = work.claim(ReserveSnapshot, pk=snapshot_id)
    if lease is None:
        return None
    try:
        if work.worn_out(lease.row):
            work.park(lease, error=work.WORKER_DIED)
            log.error("reserve.needs_attention", snapshot=str(snapshot_id), error=work.WORKER_DIED)
            return lease.row
        found = _find(lease)
        _store(lease, found)
    except OutsideError as error:
        if not work.retry_later(lease, error=error.message, wait=None, now=now):
            log.error("reserve.needs_attention", snapshot=str(snapshot_id), error=error.message)
    except LeaseLost:
        log.warning("reserve.lease_lost", snapshot=str(snapshot_id))
        return None
    return lease.row


def _keep(lease: SnapshotLease) -> None:
    """Keep the lease for as long as one statement over all orders may take."""
    lease.extend(at_least=_LONGEST_STATEMENT)


def _find(lease: SnapshotLease) -> Found:
    """Ask every source; raises OutsideError, also when the block is not canonical at the end."""
    symbol, token, asked = lease.row.symbol, Token.configured(), timezone.now()
    told_before = ReserveSnapshot.objects.filter(
        chain_id=token.chain_id, finality=ReserveSnapshot.Finality.FINALIZED
    )
    block, finality = events.final_block(told_before=told_before.exists())
    supply = events.supply(block=block.number)
    answered = timezone.now()
    chain_index.read_up_to(token=token, block=block.number, pulse=lambda: _keep(lease))
    holders = chain_index.holders(token=token, block=block.number)
    compared = balances.compare(token=token, holders=holders, block=block.number)
    listed = timezone.now()
    told = readings.gather(
        symbol=symbol, token=token, block=block.number, pulse=lambda: _keep(lease)
    )
    rows = _rows(told, supply=supply, block=block.number, lease=lease)
    rows += _of_holders(holders, compared, supply)
    if chain.block_hash(block.number) != block.hash:
        raise Temporary("The chain was reorganised while it was read.")
    sources = [
        Source("chain", asked, answered, {"header": block.evidence, "total_supply": str(supply)}),
        Source("holders", answered, listed, _holders_evidence(holders, compared)),
        *told.sources,
    ]
    return Found(token, block, finality, supply, holders, compared, told, rows, sources)


def _holders_evidence(holders: Sequence[Holder], compared: Compared) -> dict[str, object]:
    return {
        "holders": len(holders),
        "units": str(_sum(holders)),
        "balances_asked": compared.asked,
        "balances_wrong": compared.wrong,
    }


def _rows(told: Readings, *, supply: int, block: int, lease: SnapshotLease) -> list[Row]:
    """Every difference between the legs; what no row explains is the last row of its source."""
    strays = [
        *rest.at_broker(told.broker_rest, symbol=lease.row.symbol, pulse=lambda: _keep(lease)),
        *rest.in_custody(told.custody_rest, pulse=lambda: _keep(lease)),
    ]
    rows = differences.of(
        told,
        block=block,
        stray_at_broker=differences.total(strays, "broker"),
        stray_in_custody=differences.total(strays, "custody"),
        now=timezone.now(),
    )
    rows += strays
    matched = told.after.books.matched
    left = told.position - matched - differences.total(rows, "broker")
    if left:
        rows.append(Row(Kind.UNEXPLAINED_BROKER, broker=left))
    left = told.vault_balance - matched - differences.total(rows, "custody")
    if left:
        rows.append(Row(Kind.UNEXPLAINED_CUSTODY, custody=left))
    left = shares_of(supply) - matched - differences.total(rows, "chain")
    if left:
        rows.append(Row(Kind.UNEXPLAINED_CHAIN, chain=left))
    return rows


def _of_holders(holders: Sequence[Holder], compared: Compared, supply: int) -> list[Row]:
    """A row where balances by events are not what the contract tells, or too much for the tree."""
    if _sum(holders) != supply or any(holder.units < 0 for holder in holders):
        return [Row(Kind.HOLDERS, reference=f"{_sum(holders)} of {supply} units")]
    if compared.wrong:
        told = f"{compared.wrong} of {compared.asked} balances"
        return [Row(Kind.HOLDERS, reference=told)]
    return [Row(Kind.TOO_MANY_TOKENS)] if supply > merkle.LARGEST_SUM else []


def _sum(holders: Sequence[Holder]) -> int:
    return sum(holder.units for holder in holders)


def _store(lease: SnapshotLease, found: Found) -> None:
    """Write everything in one transaction; then the snapshot does not change any more."""
    now, snapshot = timezone.now(), lease.row
    _keep(lease)
    with transaction.atomic():
        root, kinds = None, {row.kind for row in found.rows}
        if Kind.HOLDERS in kinds:
            chain_index.forget(token=found.token)
        elif Kind.TOO_MANY_TOKENS not in kinds:
            root = liabilities.build(holders=found.holders, snapshot_id=snapshot.pk, now=now)
        sources = [_source_of(snapshot, each) for each in found.sources]
        rows = [_row_of(snapshot, number, row) for number, row in enumerate(found.rows, start=1)]
        ReserveSource.objects.bulk_create(sources)
        ReserveRow.objects.bulk_create(rows, batch_size=_BATCH)
        changes = _changes(found, now)
        if root is not None:
            changes |= {"tree_root": root.hash, "tree_sum": Decimal(root.sum)}
        for name, value in changes.items():
            setattr(snapshot, name, value)
        hash_ = content.digest(content.document(snapshot, sources, rows))
        lease.release(again_at=None, **changes, content_hash=hash_)
        record(snapshot, "reserve.built", audit.system("reserves"), told_of(snapshot), now)
        if not snapshot.agrees:
            _alert(snapshot, now)


def _changes(found: Found, now: datetime) -> dict[str, Any]:
    broken = [row for row in found.rows if row.is_break]
    return {
        "state": ReserveSnapshot.State.READY,
        "built_at": now,
        "chain_id": found.token.chain_id,
        "contract": found.token.contract,
        "block_number": found.block.number,
        "block_hash": found.block.hash,
        "block_time": found.block.time,
        "finality": found.finality,
        "figures": _figures(found),
        "difference": _over_chain(broken, "broker"),
        "breaks": len(broken),
    }


def _figures(found: Found) -> dict[str, str]:
    """The totals in shares, and counts, as decimal text (docs/proof-of-reserve.md)."""
    rows, books = found.rows, found.readings.after.books
    in_flight = [row for row in rows if row.kind in differences.IN_FLIGHT]
    not_minted = [row for row in rows if row.kind == Kind.NOT_MINTED]
    kept = [row for row in rows if row.kind == Kind.KEPT]
    figures = {
        "total_supply": shares_of(found.supply),
        "holders_sum": shares_of(_sum(found.holders)),
        "minted_records": books.matched + differences.total(rows, "minted"),
        "custody_records": books.matched + differences.total(rows, "recorded"),
        "vault_balance": found.readings.vault_balance,
        "broker_position": found.readings.position,
        "orders_filled": books.matched + differences.total(rows, "ordered"),
        "matched": books.matched,
        "in_flight": _over_chain(in_flight, "broker"),
        "in_flight_in_custody": _over_chain(in_flight, "custody"),
        "not_minted": _over_chain(not_minted, "broker"),
        "not_minted_in_custody": _over_chain(not_minted, "custody"),
        "kept": _over_chain(kept, "broker"),
        "kept_in_custody": _over_chain(kept, "custody"),
        "custody_difference": _over_chain([row for row in rows if row.is_break], "custody"),
    }
    counts = {
        "holders": len(found.holders),
        "balances_asked": found.compared.asked,
        "matched_orders": books.matched_orders,
        "in_flight_orders": len(in_flight),
    }
    return {name: plain(value) for name, value in figures.items()} | {
        name: str(value) for name, value in counts.items()
    }


def _over_chain(rows: Sequence[Row], figure: str) -> Decimal:
    """Shares held there for which these rows have no token in the supply."""
    return sum((getattr(row, figure) - row.chain for row in rows), ZERO)


def _source_of(snapshot: ReserveSnapshot, source: Source) -> ReserveSource:
    return ReserveSource(
        snapshot=snapshot,
        name=source.name,
        asked_at=source.asked_at,
        answered_at=source.answered_at,
        evidence=content.textual(source.evidence),
    )


def _row_of(snapshot: ReserveSnapshot, number: int, row: Row) -> ReserveRow:
    return ReserveRow(snapshot=snapshot, number=number, is_break=row.is_break, **asdict(row))


def told_of(snapshot: ReserveSnapshot) -> dict[str, object]:
    """What the audit trail keeps of a snapshot: enough to notice any later change of it."""
    return {
        "content_hash": snapshot.content_hash,
        "block": snapshot.block_number,
        "block_hash": snapshot.block_hash,
        "difference": plain(snapshot.difference or ZERO),
        "breaks": snapshot.breaks,
        "tree_root": snapshot.tree_root,
    }


def _alert(snapshot: ReserveSnapshot, now: datetime) -> None:
    """Log line, audit row, and a notice to everybody who may sign; a metric follows the table."""
    difference = plain(snapshot.difference or ZERO)
    log.error(
        "reserve.mismatch",
        snapshot=str(snapshot.pk),
        difference=difference,
        breaks=snapshot.breaks,
    )
    record(snapshot, "reserve.difference", audit.system("reserves"), told_of(snapshot), now)
    notices.notify_all(
        user_ids=list(holders_of("compliance.sign_reservesnapshot").values_list("pk", flat=True)),
        kind="reserve.difference",
        subject=gettext_noop("The proof of reserve does not agree"),
        body=gettext_noop(
            "A snapshot of the reserves shows %(breaks)s differences that time does not explain; "
            "%(difference)s shares at the broker are without a token. Look at its rows."
        ),
        params={"breaks": snapshot.breaks, "difference": difference},
        url=reverse("admin:compliance_reservesnapshot_change", args=[snapshot.pk]),
        level=Notice.Level.WARNING,
        now=now,
    )


def record(
    snapshot: ReserveSnapshot,
    action: str,
    actor: str,
    evidence: dict[str, object],
    now: datetime,
) -> None:
    """Write an audit row about a snapshot; call it inside the transaction of the change."""
    audit.record(
        actor=actor,
        action=action,
        object_type=OBJECT,
        object_id=str(snapshot.pk),
        evidence={"symbol": snapshot.symbol, **evidence},
        now=now,
    )
