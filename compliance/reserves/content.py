"""A snapshot as one document, and its hash: what is stored, exported, signed and verified."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agora.lib.money import plain
from compliance.models import ReserveRow, ReserveSnapshot, ReserveSource

FORMAT = "agora-reserve-snapshot/1"
QUANTITIES = ("ordered", "broker", "recorded", "custody", "minted", "chain")


def moment(at: datetime | None) -> str | None:
    """A time in ISO 8601, UTC, to the microsecond."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def textual(value: Any) -> Any:
    """A vendor's answer as JSON that every program writes alike: numbers with a fraction as text."""
    return json.loads(json.dumps(value, default=str), parse_float=str)


def stored(snapshot: ReserveSnapshot) -> dict[str, Any]:
    """The document of a snapshot as it is in the database: three queries."""
    return document(snapshot, snapshot.sources.order_by("id"), snapshot.rows.order_by("number"))


def document(
    snapshot: ReserveSnapshot, sources: Iterable[ReserveSource], rows: Iterable[ReserveRow]
) -> dict[str, Any]:
    """Everything a snapshot says, without personal data; amounts and times are strings."""
    return {
        "format": FORMAT,
        "id": str(snapshot.pk),
        "symbol": snapshot.symbol,
        "requested_at": moment(snapshot.requested_at),
        "built_at": moment(snapshot.built_at),
        "chain_id": snapshot.chain_id,
        "contract": snapshot.contract,
        "block": {
            "number": snapshot.block_number,
            "hash": snapshot.block_hash,
            "time": moment(snapshot.block_time),
            "finality": snapshot.finality,
        },
        "figures": snapshot.figures,
        "difference": _amount(snapshot.difference),
        "breaks": snapshot.breaks,
        "tree": {"root": snapshot.tree_root, "sum": _amount(snapshot.tree_sum)},
        "sources": [_source(each) for each in sources],
        "rows": [_row(each) for each in rows],
    }


def _source(source: ReserveSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "asked_at": moment(source.asked_at),
        "answered_at": moment(source.answered_at),
        "evidence": source.evidence,
    }


def _row(row: ReserveRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "kind": row.kind,
        "break": row.is_break,
        "order": row.order_id and str(row.order_id),
        "leg": row.leg,
        "reference": row.reference,
        **{name: plain(getattr(row, name)) for name in QUANTITIES},
    }


def parted(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    """Rows of a document: in flight, bought and not to be minted, and breaks."""
    parts: tuple[list[Any], list[Any], list[Any]] = [], [], []
    for row in rows:
        decided = row["kind"] in ReserveRow.DECIDED
        parts[2 if row["break"] else 1 if decided else 0].append(row)
    return parts


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document in canonical JSON: sorted names, no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
