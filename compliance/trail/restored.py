"""An honest restore cuts the chain: what says so, outside the database (AUD-1, docs/runbooks/restore.md).

A backup ends before the newest anchors, so that no verification would ever end well again. `accept`
tells the places an anchor that names those anchors and why they count no more. Only the places can
say that: a row in the database alone could be written by who cut the chain on purpose. The break
stays named in every verification; that it was honest is for people to judge.
"""

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal
from compliance.trail import anchors

LONGEST_REASON = 500
MESSAGES = {
    "reason_missing": f"Give a reason of at most {LONGEST_REASON} characters: which backup, and why.",
    "nothing_agrees": "No anchor of one of the places agrees with the chain: that is another history, or "
    "a backup from before its first anchor. See docs/runbooks/restore.md.",
    "nothing_cut": "No anchor outside disagrees with the chain: there is nothing to accept.",
    "not_whole": "The chain has faults that no restore makes. See manage.py audit verify, and "
    "docs/runbooks/trail-fault.md.",
    "not_at_the_end": "A later anchor agrees with the chain, an earlier one does not. A restore makes "
    "that only where something ran and was anchored before this command. See docs/runbooks/restore.md; "
    "if nothing was restored, docs/runbooks/trail-fault.md.",
}


class Refused(Exception):
    """Nothing was changed; `message` says why. Codes: the keys of MESSAGES."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]


def accept(*, reason: str, now: datetime) -> list[AuditAnchor]:
    """Accept that the chain was cut by the restore of a backup; returns what was told to each place.

    The rows that are left have to be whole, and the anchors that disagree the newest of their
    place, where an older one agrees.
    Chains what waits, so run it before anything else writes to the restored database. May be repeated
    when a place failed. Raises Refused, and Failed of `anchors`. Takes the sealer's lock.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Refused("reason_missing")
    audit.seal_all(now=now)
    void = _void_by_place()
    verdict = audit.verify()
    if verdict.faults:
        raise Refused("not_whole")
    with transaction.atomic():
        audit.record(
            actor=audit.system("command"),
            action=audit.RESTORED,
            object_type="audit_trail",
            object_id=str(verdict.sealed),
            evidence={
                "head": verdict.head,
                "reason": reason,
                "void": {name: sorted(heads) for name, heads in void.items()},
            },
            now=now,
        )
    audit.seal_all(now=now)
    newest = AuditSeal.objects.latest("position")
    head = anchors.Head(newest.position, bytes(newest.hash).hex(), at=now, reason=reason)
    return [
        anchors.tell(place, replace(head, void=void[place.name]))
        for place in anchors.places()
        if place.name in void
    ]


def _void_by_place() -> dict[str, frozenset[tuple[int, str]]]:
    """The anchors of each place that the chain does not agree with; raises Refused, Failed."""
    told = audit.judged(anchors.outside())[0]
    seals = AuditSeal.objects.filter(position__in={anchor.position for anchor in told})
    chain = {seal.position: bytes(seal.hash).hex() for seal in seals}
    void: dict[str, set[tuple[int, str]]] = {}
    agreed: dict[str, int] = {}
    for anchor in sorted(told, key=lambda anchor: anchor.position):
        if chain.get(anchor.position) == anchor.hash:
            agreed[anchor.place_name] = anchor.position
        else:
            void.setdefault(anchor.place_name, set()).add((anchor.position, anchor.hash))
    if not void:
        raise Refused("nothing_cut")
    if not void.keys() <= agreed.keys():
        raise Refused("nothing_agrees")
    if any(agreed[name] > min(heads)[0] for name, heads in void.items()):
        raise Refused("not_at_the_end")
    return {name: frozenset(heads) for name, heads in void.items()}
