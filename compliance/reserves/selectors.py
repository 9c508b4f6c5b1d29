"""Signed snapshots, as everybody may see them: from their stored totals, without personal data."""

from django.db.models import F, QuerySet

from compliance.models import ReserveSignature

PAGE_SIZE = 20


def published() -> QuerySet[ReserveSignature]:
    """Signatures with their snapshots, those built last first. Nothing else is published.

    An older snapshot that is signed late takes its place in the past, whenever that was.
    """
    signed = ReserveSignature.objects.select_related("snapshot")
    return signed.annotate(built_at=F("snapshot__built_at")).order_by("-built_at", "-snapshot_id")


def page_of(number: int) -> tuple[list[ReserveSignature], bool]:
    """A page of what is published, from 1, and whether there is another: one query."""
    first = (number - 1) * PAGE_SIZE
    found = list(published()[first : first + PAGE_SIZE + 1])
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


def latest() -> ReserveSignature | None:
    """The newest snapshot that is signed."""
    return published().first()
