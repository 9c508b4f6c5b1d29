"""Telling people before an API token of theirs expires, so that no program stops unannounced (ID-1)."""

from datetime import datetime, timedelta

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts.models import ApiToken, Notice
from accounts.notices import notify

# Each is told once, of a token that lives for longer than that.
_BEFORE = (timedelta(days=7), timedelta(days=1))


def remind(*, now: datetime) -> None:
    """Tell owners of tokens that expire within seven days, and again within one."""
    for before, later in zip(_BEFORE, (*_BEFORE[1:], timedelta()), strict=True):
        ending = ApiToken.objects.filter(
            expires_at__gt=now + later,
            expires_at__lte=now + before,
            created_at__lt=F("expires_at") - before,
            revoked_at=None,
            user__is_active=True,
        )
        for token in ending.select_related("user").iterator():
            _tell(token, days=before.days, now=now)


def _tell(token: ApiToken, *, days: int, now: datetime) -> None:
    notify(
        user=token.user,
        kind="token_expires",
        level=Notice.Level.WARNING,
        subject=gettext_noop("An API token of yours is about to expire"),
        body=gettext_noop(
            "“%(name)s” works until %(when)s UTC. What uses it stops then: issue another token "
            "before, and put it in its place."
        ),
        params={"name": token.name, "when": f"{token.expires_at:%Y-%m-%d %H:%M}"},
        url=reverse("api_token", args=[token.pk]),
        dedupe_key=f"token-expires-{days}-{token.pk}",
        now=now,
    )
