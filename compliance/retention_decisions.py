"""How long a kind of record is kept is decided by two people (AUD-1)."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from compliance import four_eyes, retention
from compliance.four_eyes import Kind, Person, Refused
from compliance.models import Proposal, RetentionRule

RETENTION = "compliance.retention"
_LONGEST_BASIS = 300


def propose_retention(
    *, kind: str, days: int, legal_basis: str, reason: str, maker: Person, now: datetime
) -> Proposal:
    """Propose how many days a kind of record is kept, and by which law.

    Raises PermissionDenied, or four_eyes.Refused: an unknown kind, days out of range, no basis.
    """
    rule = RetentionRule.objects.filter(kind=kind).first()
    return four_eyes.propose(
        kind=RETENTION,
        object_type="retention",
        object_id=kind,
        payload={
            "days": days,
            "legal_basis": legal_basis.strip(),
            "before": rule.days if rule else None,
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def _check(proposal: Proposal) -> None:
    kind = retention.KINDS.get(proposal.object_id)
    if kind is None:
        raise Refused("unknown_kind", _("There is no such kind of record."))
    days, basis = proposal.payload["days"], proposal.payload["legal_basis"]
    if not kind.least_days <= days <= retention.LONGEST:
        raise Refused(
            "days_invalid",
            _("Records of this kind are kept for %(least)d to %(most)d days.")
            % {"least": kind.least_days, "most": retention.LONGEST},
        )
    if not 0 < len(basis) <= _LONGEST_BASIS:
        raise Refused("basis_missing", _("Name the legal basis, in at most 300 characters."))
    _check_change(proposal)


def _check_change(proposal: Proposal) -> None:
    rule = RetentionRule.objects.select_for_update().filter(kind=proposal.object_id).first()
    if (rule.days if rule else None) != proposal.payload["before"]:
        raise Refused("changed", _("The rule was changed meanwhile. Propose it anew."))
    wanted = (proposal.payload["days"], proposal.payload["legal_basis"])
    if rule and (rule.days, rule.legal_basis) == wanted:
        raise Refused("same", _("This is the rule already."))


def _change(proposal: Proposal, now: datetime) -> None:
    RetentionRule.objects.update_or_create(
        kind=proposal.object_id,
        defaults={
            "days": proposal.payload["days"],
            "legal_basis": proposal.payload["legal_basis"],
            "changed_at": now,
        },
    )


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    kind = retention.KINDS.get(proposal.object_id)
    before = proposal.payload["before"]
    return [
        (_("Kind of record"), kind.title if kind else proposal.object_id),
        (_("Days kept now"), _("for ever") if before is None else str(before)),
        (_("Days kept then"), str(proposal.payload["days"])),
        (_("Legal basis"), str(proposal.payload["legal_basis"])),
    ]


KINDS = [
    Kind(
        name=RETENTION,
        title=_("How long records are kept"),
        maker_permission="compliance.propose_retention",
        check=_check,
        effect=_change,
        lines=_lines,
    )
]
