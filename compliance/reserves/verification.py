"""Verify a snapshot: from what is stored, from the audit trail, from the chain, and by its tree.

Nothing here trusts the snapshot's own columns: each is computed anew from what lies below it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from agora.lib.money import decimal_of, exactly, plain, shares_of
from agora.lib.outcome import Rejected, Temporary
from compliance.models import AuditRow, LiabilityTree, ReserveRow, ReserveSnapshot
from compliance.reserves import chain_index, content, liabilities, snapshots
from compliance.reserves.books import ZERO
from compliance.reserves.chain_index import Token
from compliance.reserves.rows import EXPLAINED
from tokens import chain, events

_SUPPLY = "total_supply"
_MOST_NAMED = 10


@dataclass(frozen=True)
class Verdict:
    """What was verified, and every fault in words.

    `asked_chain` is False when only the store was, `tree_kept` when the tree was removed by its
    retention rule, so that only its root is left.
    """

    snapshot: str
    content_hash: str
    asked_chain: bool
    tree_kept: bool
    faults: list[str]


@exactly()
def verify(*, snapshot: ReserveSnapshot, offline: bool = False) -> Verdict:
    """Compute a ready snapshot anew and name every fault.

    Raises OutsideError without the chain, and for a snapshot of another chain than the settings'.
    """
    document = content.stored(snapshot)
    computed = content.digest(document)
    figures = _figures(snapshot)
    faults = [*_of_hash(snapshot, computed), *_of_figures(snapshot, figures)]
    expired = _tree_expired(snapshot)
    with_tree = bool(snapshot.tree_root) and not expired
    if with_tree:
        faults += _of_tree(snapshot, figures)
    if not offline:
        faults += _of_chain(snapshot, figures, with_tree=with_tree)
    return Verdict(str(snapshot.pk), computed, not offline, not expired, faults)


def _tree_expired(snapshot: ReserveSnapshot) -> bool:
    """Whether the trail says that its tree was removed by the rule, and it is gone indeed."""
    if LiabilityTree.objects.filter(pk=snapshot.pk).exists():
        return False
    removed = AuditRow.objects.filter(object_type="retention", object_id="liability_tree")
    return removed.filter(
        action="retention.removed", evidence__ids__contains=[str(snapshot.pk)]
    ).exists()


def _of_hash(snapshot: ReserveSnapshot, computed: str) -> Iterator[str]:
    if computed != snapshot.content_hash:
        yield f"the content hashes to {computed}, the snapshot says {snapshot.content_hash}"
    built = AuditRow.objects.filter(
        object_type=snapshots.OBJECT, object_id=str(snapshot.pk), action="reserve.built"
    ).first()
    if built is None:
        yield "the audit trail does not know that it was built"
    elif built.evidence.get("content_hash") != computed:
        yield "the content is not what the audit trail says was built"
    signature = getattr(snapshot, "signature", None)
    if signature is not None and signature.content_hash != computed:
        yield "the content is not what was signed"


def _figures(snapshot: ReserveSnapshot) -> Mapping[str, Decimal]:
    """The totals as numbers; none of them unless all that are needed are there and are numbers."""
    try:
        figures = {name: decimal_of(text) for name, text in snapshot.figures.items()}
    except (AttributeError, ValueError):
        return {}
    return figures if figures.keys() >= {*_SUMS, "matched", "in_flight", "holders"} else {}


def _of_figures(snapshot: ReserveSnapshot, figures: Mapping[str, Decimal]) -> Iterator[str]:
    """The totals must follow from matched orders and rows, whatever the columns say."""
    if not figures:
        yield "the figures cannot be read"
        return
    rows = list(snapshot.rows.all())
    for figure, column in _SUMS.items():
        total = figures["matched"] + sum((getattr(row, column) for row in rows), ZERO)
        if total != figures[figure]:
            yield f"{figure} is {plain(figures[figure])}, its rows add up to {plain(total)}"
    broken = [row for row in rows if row.is_break]
    difference = sum((row.broker - row.chain for row in broken), ZERO)
    if difference != snapshot.difference or len(broken) != snapshot.breaks:
        yield f"the breaks add up to {plain(difference)} in {len(broken)} rows"
    without_token = figures["in_flight"] + figures.get("not_minted", ZERO)
    without_token += figures.get("kept", ZERO)
    rest = figures["broker_position"] - figures["total_supply"] - without_token
    if rest != snapshot.difference:
        yield f"broker less supply less what has no token is {plain(rest)}"
    yield from _of_kinds(rows)


# The outside totals and ours, and the column whose rows complete the matched orders to them.
_SUMS = {
    "broker_position": "broker",
    "vault_balance": "custody",
    "total_supply": "chain",
    "orders_filled": "ordered",
    "custody_records": "recorded",
    "minted_records": "minted",
}


def _of_kinds(rows: list[ReserveRow]) -> Iterator[str]:
    for row in rows:
        if row.is_break == (row.kind in EXPLAINED):
            yield f"row {row.number} is of a kind that its mark does not fit"


def _of_tree(snapshot: ReserveSnapshot, figures: Mapping[str, Decimal]) -> Iterator[str]:
    for fault in liabilities.verify(snapshot_id=snapshot.pk):
        yield f"tree: {fault}"
    tree = LiabilityTree.objects.filter(pk=snapshot.pk).first()
    if tree is None or tree.root_hex != snapshot.tree_root:
        yield "the snapshot's root is not that of its tree"
    elif tree.total != snapshot.tree_sum or shares_of(int(tree.total)) != figures.get(_SUPPLY):
        yield "the tree's sum is not the supply"


def _of_chain(
    snapshot: ReserveSnapshot, figures: Mapping[str, Decimal], *, with_tree: bool
) -> Iterator[str]:
    """What the chain says today of that block."""
    token = Token(snapshot.chain_id or 0, snapshot.contract)
    block = snapshot.block_number or 0
    if token != Token.configured():
        raise Rejected("The snapshot is of another chain or contract than the settings name.")
    if chain.block_hash(block) != snapshot.block_hash:
        yield f"block {block} has another hash on the chain now"
        return
    held = chain_index.told_by_the_chain(block=block)
    units = sum(held.values())
    if len(held) != figures.get("holders") or shares_of(units) != figures.get(_SUPPLY):
        yield f"the chain has {len(held)} holders of {units} units at the block"
    if with_tree:
        yield from _of_balances(snapshot, held)
    try:
        supply = events.supply(block=block)
    except Temporary:
        return  # a node that keeps no old state; events tell the same
    if shares_of(supply) != figures.get(_SUPPLY):
        yield f"the chain's supply at the block is {plain(shares_of(supply))}"


def _of_balances(snapshot: ReserveSnapshot, held: Mapping[str, int]) -> Iterator[str]:
    """The tree must owe each account what it holds on the chain; names the first ten that differ."""
    owed = liabilities.units_of(snapshot_id=snapshot.pk)
    holds = {address.lower(): units for address, units in held.items()}
    differ = sorted(each for each in owed.keys() | holds if owed.get(each) != holds.get(each))
    for each in differ[:_MOST_NAMED]:
        yield f"tree: {each} has {owed.get(each, 0)} units; the chain says {holds.get(each, 0)}"
    if len(differ) > _MOST_NAMED:
        yield f"tree: {len(differ) - _MOST_NAMED} more accounts differ from the chain"
