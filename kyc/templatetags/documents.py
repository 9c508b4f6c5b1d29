"""Where a person's documents stand, for pages of apps below this one."""

from django import template
from django.db.models import Count, Q

from accounts.models import User
from kyc.models import Document

register = template.Library()


@register.inclusion_tag("kyc/_documents_summary.html")
def documents_summary(user: User) -> dict[str, object]:
    """How many of the user's documents wait, were accepted and were not; one query."""
    mine = Document.objects.filter(application__user=user)
    return mine.aggregate(
        waiting=Count("pk", filter=Q(state=Document.State.PENDING)),
        accepted=Count("pk", filter=Q(state=Document.State.ACCEPTED)),
        rejected=Count("pk", filter=Q(state=Document.State.REJECTED)),
    )
