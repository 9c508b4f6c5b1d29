"""The sign-off of a snapshot by two people, with the report they sign (PRE-1).

The statement is in English, as it is kept: a signature is on words, not on their translation.
"""

import textwrap
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.money import plain
from compliance import four_eyes
from compliance.four_eyes import Person, Refused
from compliance.models import LiabilityTree, Proposal, ReserveSignature, ReserveSnapshot
from compliance.reserves import content, snapshots
from compliance.reserves.persistence import standing_since

SIGN_OFF = "reserves.sign_off"
PERMISSION = "compliance.sign_reservesnapshot"
LONGEST_TEXT = 500

TEMPLATE = """\
PROOF OF RESERVE: MANUAL REPORT, SIGNED OFF BY TWO PEOPLE

Snapshot {id}
One AAPL-RAT stands for one share of {symbol}.
Contract {contract}, chain {chain_id}
Block {block_number}, {block_time}
{block_hash}
taken as final because {finality}.
Broker and custodian were asked when the snapshot was built, {built_at}.

 1. Tokens in existence at this block (chain, totalSupply)    {total_supply:>18}
 2. Held by all addresses at this block (chain, events)       {holders_sum:>18}
 3. Shares at the broker                                      {broker_position:>18}
 4. Receipts in the custodian's vault                         {vault_balance:>18}
 5. Custody records completed (ours)                          {custody_records:>18}
 6. Mint transactions confirmed (ours)                        {minted_records:>18}
 7. In flight: at the broker, not yet in line 1               {in_flight:>18}
 8. Bought and not to be minted: owed back in money           {not_minted:>18}
 9. Kept by the operator: the buyer was paid back             {kept:>18}
10. Shares without explanation (3 - 1 - 7 - 8 - 9)            {difference:>18}
11. Receipts without explanation                              {custody_difference:>18}
12. Rows that neither time nor a decision explains            {breaks:>18}

Addresses that hold tokens: {holders}; the contract itself was asked for {balances_asked} of them.
Orders in flight: {in_flight_orders}.
Root of the tree of holders: {tree_root}
SHA-256 of the whole snapshot: {content_hash}

{outcome}
{explanations}
Each of the two people who sign has compared lines 1 to 6 with the sources' own answers,
as kept in the snapshot, and has looked at each row that is listed as a difference.

WHAT THIS DOES NOT PROVE
{limits}
"""
AGREES = "Every token in existence at this block stands for a share that is accounted for."
DISAGREES = "THE FIGURES DO NOT AGREE: see lines 10 to 12 and the rows of the snapshot."
LIMITS = """\
- It is no audit. Reports of this kind are not engagements under audit standards, and
  nobody outside has given an opinion on it (PCAOB, investor advisory of 8 March 2023).
- It speaks of one moment. It does not show what was held an hour before or after.
- It does not show whether the shares are borrowed, pledged or claimed by somebody else.
- It does not show all that the operator owes, nor whether its controls work.
- Broker and custodian are believed: their answers are recorded, not proved by cryptography.
- The tree of holders shows something to those who check their own balance, and only to them."""


Explanation = dict[str, Any]  # row, kind, since, text


def statement_of(snapshot: ReserveSnapshot, explained: Sequence[Explanation] = ()) -> str:
    """The report of a snapshot that is ready, with its figures, as two people sign it."""
    return TEMPLATE.format(
        # Older ones count in line 7 what was not minted, keep nothing, and asked of nobody.
        **{"not_minted": "0", "kept": "0", "balances_asked": "0"} | snapshot.figures,
        id=snapshot.pk,
        symbol=snapshot.symbol,
        contract=snapshot.contract,
        chain_id=snapshot.chain_id,
        block_number=snapshot.block_number,
        block_hash=snapshot.block_hash,
        block_time=content.moment(snapshot.block_time),
        built_at=content.moment(snapshot.built_at),
        finality=_FINALITY[ReserveSnapshot.Finality(snapshot.finality)],
        difference=plain(snapshot.difference or Decimal(0)),
        breaks=snapshot.breaks,
        tree_root=snapshot.tree_root or "none: a row of the snapshot says why",
        content_hash=snapshot.content_hash,
        outcome=AGREES if snapshot.agrees else DISAGREES,
        explanations=_words(explained),
        limits=LIMITS,
    )


_FINALITY = {
    ReserveSnapshot.Finality.FINALIZED: "the chain tells it as finalized",
    ReserveSnapshot.Finality.DEPTH: "it is deep enough; this chain does not tell what is final",
}


def _words(explained: Sequence[Explanation]) -> str:
    if not explained:
        return ""
    lines = ["", "DIFFERENCES, AS EXPLAINED BY THOSE WHO SIGN"]
    for each in explained:
        lines.append(f"Row {each['row']}, {each['kind']}, standing since {each['since']}:")
        lines += textwrap.wrap(each["text"], 86, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, ""])


def propose(
    *,
    snapshot_id: uuid.UUID,
    reason: str,
    maker: Person,
    now: datetime,
    explanations: Mapping[str, str] | None = None,
) -> Proposal:
    """Propose the sign-off of a snapshot; a second person approves it, with these words.

    `explanations` say of each difference, by the number of its row, what it is and what is done
    about it. They are published: nothing personal belongs there.

    Raises ReserveSnapshot.DoesNotExist, PermissionDenied, or four_eyes.Refused.
    """
    snapshot = ReserveSnapshot.objects.get(pk=snapshot_id)
    if snapshot.state != ReserveSnapshot.State.READY:
        raise Refused("not_ready", _("The snapshot is not ready yet."))
    explained = _explained(snapshot, explanations or {})
    return four_eyes.propose(
        kind=SIGN_OFF,
        object_type=snapshots.OBJECT,
        object_id=snapshot.pk,
        payload={
            "content_hash": snapshot.content_hash,
            "statement": statement_of(snapshot, explained),
            "explanations": explained,
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def _explained(snapshot: ReserveSnapshot, given: Mapping[str, str]) -> list[Explanation]:
    breaks = {str(row.number): row for row in snapshot.rows.filter(is_break=True)}
    texts = {number: " ".join(text.split()) for number, text in given.items()}
    if not texts.keys() <= breaks.keys():
        raise Refused("explanation_unknown", _("There is an explanation of a row that is none."))
    if any(len(text) > LONGEST_TEXT for text in texts.values()):
        raise Refused("explanation_too_long", _("An explanation has at most 500 characters."))
    since = standing_since(snapshot)
    return [
        {
            "row": row.number,
            "kind": row.kind,
            "since": content.moment(since[row.number]),
            "text": texts[number],
        }
        for number, row in breaks.items()
        if texts.get(number)
    ]


def _check_explained(snapshot: ReserveSnapshot, explained: Sequence[Explanation]) -> None:
    told = {each["row"] for each in explained}
    breaks = snapshot.rows.filter(is_break=True).values_list("number", flat=True)
    missing = [str(number) for number in breaks if number not in told]
    if missing:
        raise Refused(
            "explanation_missing",
            _("Say of each difference what it is and what is done about it. Missing: row %(rows)s.")
            % {"rows": ", ".join(missing[:20])},
        )


def check(proposal: Proposal) -> None:
    """Raise Refused unless what is stored is still what the statement is about, and not signed.

    The second person must be one who may sign, too.
    """
    if proposal.checker_id is not None and not _may_sign(proposal.checker_id):
        raise Refused("may_not_sign", _("You may not sign snapshots of the reserves."))
    snapshot = ReserveSnapshot.objects.filter(
        pk=proposal.object_id, state=ReserveSnapshot.State.READY
    ).first()
    if snapshot is None:
        raise Refused("not_ready", _("The snapshot is not ready yet."))
    if ReserveSignature.objects.filter(snapshot=snapshot).exists():
        raise Refused("signed", _("This snapshot is signed already."))
    if snapshot.tree_root and not LiabilityTree.objects.filter(pk=snapshot.pk).exists():
        raise Refused(
            "tree_gone",
            _(
                "The tree of its holders is not kept any more, so nobody could check it. Sign another."
            ),
        )
    if content.digest(content.stored(snapshot)) != proposal.payload["content_hash"]:
        raise Refused(
            "changed",
            _("The stored snapshot does not match its hash: do not sign it, and report this."),
        )
    _check_explained(snapshot, proposal.payload.get("explanations", []))


def _may_sign(user_id: uuid.UUID) -> bool:
    return User.objects.get(pk=user_id).has_perm(PERMISSION)


def sign(proposal: Proposal, now: datetime) -> None:
    """Store the signature; runs in the transaction of the approval."""
    snapshot = ReserveSnapshot.objects.get(pk=proposal.object_id)
    assert proposal.checker_id is not None  # noqa: S101  # an approved proposal has one
    ReserveSignature.objects.create(
        snapshot=snapshot,
        proposal_id=proposal.pk,
        content_hash=proposal.payload["content_hash"],
        statement=proposal.payload["statement"],
        explanations=proposal.payload.get("explanations", []),
        maker_id=proposal.maker_id,
        checker_id=proposal.checker_id,
        signed_at=now,
    )
    evidence: dict[str, object] = {
        "content_hash": snapshot.content_hash,
        "maker": str(proposal.maker_id),
    }
    snapshots.record(snapshot, "reserve.signed", f"user:{proposal.checker_id}", evidence, now)
