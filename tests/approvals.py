"""Decisions that two people have taken, for tests of what follows from them."""

from uuid import UUID, uuid4

from django.utils import timezone

from compliance.models import Proposal


def approved(*, kind: str, object_type: str, object_id: object) -> UUID:
    """The id of an approved proposal by two people who do not matter; its effect is the caller's."""
    now = timezone.now()
    proposal = Proposal.objects.create(
        kind=kind,
        object_type=object_type,
        object_id=str(object_id),
        reason="Words.",
        maker_id=uuid4(),
        proposed_at=now,
        expires_at=now,
    )
    Proposal.objects.filter(pk=proposal.pk).update(
        state=Proposal.State.APPROVED, checker_id=uuid4(), decided_at=now
    )
    return proposal.pk
