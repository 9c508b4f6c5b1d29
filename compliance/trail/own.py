"""Rows of the trail that somebody who may read it does not read.

- What is about themselves. A person's application, their cases and what two people decide on them may
  say that a list is thought to mean them. Who works in the back office learns that no earlier than
  anybody else. All rows of these objects are left out, so that their number says nothing either.
- What people have shown of themselves and what was found out about them, for who may not read cases
  (agora.roles).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from compliance import four_eyes
from compliance.four_eyes import Person
from compliance.models import AuditRow, Proposal
from kyc.models import Application, Case

READS_CASES = "kyc.view_case"
ABOUT_ONESELF = "what is about the reader"
SHOWN = "what people have shown of themselves"


@dataclass(frozen=True)
class Unread:
    """Rows whose type and action begin with these texts; of one object, or of these kinds of decision.

    `why` stands in the manifest of an export that leaves them out.
    """

    why: str
    object_type: str = ""
    object_id: str = ""
    action: str = ""
    kinds: tuple[str, ...] = ()

    def condition(self) -> tuple[str, list[Any]]:
        """What such rows `r` fulfil, never NULL, and its parameters."""
        parts = self._parts()
        return " AND ".join(sql for sql, _lookup, _value in parts), [part[2] for part in parts]

    def rows(self) -> Q:
        """The same for the ORM."""
        return Q(**{lookup: value for _sql, lookup, value in self._parts()})

    def _parts(self) -> list[tuple[str, str, Any]]:
        parts = (
            ("starts_with(r.object_type, %s)", "object_type__startswith", self.object_type),
            ("r.object_id = %s", "object_id", self.object_id),
            ("starts_with(r.action, %s)", "action__startswith", self.action),
            ("coalesce(r.evidence->>'kind', '') = ANY(%s)", "evidence__kind__in", [*self.kinds]),
        )
        return [part for part in parts if part[2]]


def unread_by(person: Person) -> tuple[Unread, ...]:
    """What the person does not read."""
    return (*_about(person), *_shown(person))


def readable_by(person: Person) -> QuerySet[AuditRow]:
    """The trail without what the person does not read."""
    rows = AuditRow.objects.all()
    for unread in unread_by(person):
        rows = rows.exclude(unread.rows())
    return rows


def _about(person: Person) -> Iterator[Unread]:
    """Nothing for who has neither applied nor been decided on."""
    applications = Application.objects.filter(user=person.pk).values_list("pk", flat=True)
    cases = Case.objects.filter(application__user=person.pk).values_list("pk", flat=True)
    decided = Proposal.objects.filter(subject_id=person.pk).order_by("object_type", "object_id")
    for pk in applications:
        yield Unread(ABOUT_ONESELF, "kyc_application", str(pk))
    for pk in cases:
        yield Unread(ABOUT_ONESELF, "kyc_case", str(pk))
    for object_type, object_id in decided.values_list("object_type", "object_id").distinct():
        yield Unread(ABOUT_ONESELF, object_type, object_id, "proposal.")


def _shown(person: Person) -> Iterator[Unread]:
    """Applications, cases, documents and corrections, and decisions whose kind asks for more."""
    if not person.has_perm(READS_CASES):
        yield Unread(SHOWN, "kyc_")
        yield Unread(SHOWN, "screening_match")
    if kinds := four_eyes.unread_kinds(person):
        yield Unread(SHOWN, action="proposal.", kinds=tuple(kinds))
