"""Rows of the trail that an officer does not read: what is about themselves.

A person's application, their cases and what two people decide on them may say that a list is thought
to mean them. Who works in the back office learns that no earlier than anybody else. All rows of these
objects are left out, so that their number says nothing either.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from compliance.models import AuditRow, Proposal
from kyc.models import Application, Case


@dataclass(frozen=True)
class Own:
    """Rows of one object whose action begins like this."""

    object_type: str
    object_id: str
    action: str = ""

    def condition(self) -> tuple[str, list[Any]]:
        """What such rows `r` fulfil, and its parameters."""
        values = [self.object_type, self.object_id, self.action]
        return "r.object_type = %s AND r.object_id = %s AND starts_with(r.action, %s)", values


def rows_about(user_id: UUID) -> tuple[Own, ...]:
    """What is about the person; nothing for who has neither applied nor been decided on."""
    applications = Application.objects.filter(user=user_id).values_list("pk", flat=True)
    cases = Case.objects.filter(application__user=user_id).values_list("pk", flat=True)
    decided = Proposal.objects.filter(subject_id=user_id).order_by("object_type", "object_id")
    return (
        *(Own("kyc_application", str(pk)) for pk in applications),
        *(Own("kyc_case", str(pk)) for pk in cases),
        *(
            Own(*of, "proposal.")
            for of in decided.values_list("object_type", "object_id").distinct()
        ),
    )


def readable_by(user_id: UUID) -> QuerySet[AuditRow]:
    """The trail without what is about the person."""
    rows = AuditRow.objects.all()
    for own in rows_about(user_id):
        rows = rows.exclude(
            object_type=own.object_type,
            object_id=own.object_id,
            action__startswith=own.action,
        )
    return rows
