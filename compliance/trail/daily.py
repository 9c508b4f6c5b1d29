"""The trail is verified once a day; the outcome stands in the trail itself (AUD-1).

Who may export the trail is told of faults, once of the same ones, and once of each accepted break: an
alert (agora.audit_metrics) and the row in the trail stay until they are gone. What to do is in
docs/runbooks/trail-fault.md.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from accounts.staff import holders_of
from compliance import audit
from compliance.models import AuditRow
from compliance.trail import anchors

VERIFIED = "audit.verified"
_NAMED = 10  # faults that the row names; `manage.py audit verify` names all
log = structlog.get_logger(__name__)


def verify(*, now: datetime) -> audit.Verdict:
    """Verify the whole trail with its anchors, and tell the outcome; the verdict.

    Whatever the trail itself says of earlier ones: the web's role can write such rows, too. Raises
    anchors.Failed when a place cannot be read. Takes minutes for a long trail and locks nothing; two at
    once write two rows.
    """
    verdict = anchors.verify()
    with transaction.atomic():
        audit.record(
            actor=audit.system("verifier"),
            action=VERIFIED,
            object_type="audit_trail",
            object_id=str(verdict.sealed),
            evidence={
                "rows": verdict.rows,
                "head": verdict.head,
                "anchors": verdict.anchors,
                "faults": len(verdict.faults),
                "first_faults": verdict.faults[:_NAMED],
                "accepted": len(verdict.accepted),
                "newest_accepted": verdict.accepted[-_NAMED:],
            },
            now=now,
        )
        if verdict.faults:
            _tell(verdict, now)
        for told in verdict.accepted:
            _tell_of_break(told, now)
    return verdict


def newest() -> dict[str, Any]:
    """What the newest verification counted: `faults` and `accepted` breaks; empty before the first."""
    rows = AuditRow.objects.filter(action=VERIFIED).order_by("-id")
    return rows.values_list("evidence", flat=True).first() or {}


def _tell(verdict: audit.Verdict, now: datetime) -> None:
    log.error("audit.fault", faults=len(verdict.faults), first=verdict.faults[0])
    _notify(
        "audit.fault",
        same="\n".join(verdict.faults),
        subject=gettext_noop("The audit trail does not verify"),
        body=gettext_noop(
            "The daily verification found faults in the audit trail: %(faults)s. The newest row "
            "audit.verified names them. Change nothing, and follow the runbook trail-fault."
        ),
        params={"faults": len(verdict.faults)},
        now=now,
    )


def _tell_of_break(told: str, now: datetime) -> None:
    """Each once: that it was an honest one is for people to judge, so they have to hear of it."""
    log.warning("audit.break_accepted", told=told)
    _notify(
        "audit.break_accepted",
        same=told,
        subject=gettext_noop("The audit trail was cut, and this was accepted"),
        body=gettext_noop(
            "Somebody accepted that a restored backup cut the audit trail. The newest row "
            "audit.verified says since which day and why. If you know of no restore, follow the "
            "runbook trail-fault."
        ),
        params={},
        now=now,
    )


def _notify(
    kind: str, *, same: str, subject: str, body: str, params: Mapping[str, int], now: datetime
) -> None:
    """Tell who may export the trail, once of the same."""
    for person in holders_of("compliance.export_auditrow"):
        notices.notify(
            user=person,
            kind=kind,
            subject=subject,
            body=body,
            params=params,
            url=reverse("admin:compliance_auditrow_changelist"),
            level=Notice.Level.ALERT,
            dedupe_key=f"{kind}:{hashlib.sha256(same.encode()).hexdigest()}",
            now=now,
        )
