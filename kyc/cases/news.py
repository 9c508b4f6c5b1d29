"""What a person is told about their case, in their language."""

from datetime import datetime

from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice, User
from kyc.cases.needs import Need
from kyc.models import UNASKED, Application, Case, CaseEvent

_WORDS = {
    "asked": (
        gettext_noop("We need something more from you"),
        gettext_noop(
            "To go on with your verification we need: %(needs)s. Sign in and open your verification: "
            "there you read what exactly we ask, and hand it in."
        ),
    ),
    "reminded": (
        gettext_noop("We still need something from you"),
        gettext_noop(
            "To go on with your verification we still need: %(needs)s. Sign in, open your verification and "
            "hand it in. Without an answer we have to decide with what we have."
        ),
    ),
    "approved": (
        gettext_noop("You are verified for tier %(tier)s"),
        gettext_noop("From now on you can order for up to %(limit)s a day."),
    ),
    "cleared": (
        gettext_noop("Your account was checked"),
        gettext_noop("We have looked at your account again. All is fine and nothing changes."),
    ),
    "rejected": (
        gettext_noop("We could not verify you for tier %(tier)s"),
        gettext_noop("Open your verification to read why, and when you can apply again."),
    ),
    "suspended": (
        gettext_noop("Your account is suspended"),
        gettext_noop(
            "You cannot place new orders. Your shares and tokens stay yours. Write to us if you think "
            "that this is a mistake."
        ),
    ),
    "reinstated": (
        gettext_noop("Your account is open again"),
        gettext_noop("You can place orders again, within your limits as before."),
    ),
}
_ALARMING = {
    "asked": Notice.Level.WARNING,
    "reminded": Notice.Level.WARNING,
    "suspended": Notice.Level.ALERT,
}


def asked(case: Case, *, now: datetime) -> None:
    """Something is needed. The officer's own text stays on the page: e-mails are open to many."""
    _tell(case.application, "asked", {"needs": _needs(case)}, now)


def reminded(case: Case, *, now: datetime) -> None:
    """What was asked for is still missing."""
    _tell(case.application, "reminded", {"needs": _needs(case)}, now)


def _needs(case: Case) -> list[str]:
    """As they are written in English: the person reads them in their own language."""
    with translation.override("en"):
        return [str(Need(need).label) for need in case.needs]


def approved(case: Case, *, now: datetime) -> None:
    """A tier was granted, or a person cleared who had it already."""
    if case.cause in UNASKED:
        # Who was asked for nothing does not know of it.
        if case.events.filter(kind=CaseEvent.Kind.ASKED).exists():
            _tell(case.application, "cleared", {}, now)
        return
    limit = {"usd": str(case.tier.daily_limit_usd)}
    _tell(case.application, "approved", {"tier": case.tier_id, "limit": limit}, now)


def rejected(case: Case, *, now: datetime) -> None:
    """A tier was not granted."""
    _tell(case.application, "rejected", {"tier": case.tier_id}, now)


def suspended(application: Application, *, now: datetime) -> None:
    """The person cannot buy any more."""
    _tell(application, "suspended", {}, now)


def reinstated(application: Application, *, now: datetime) -> None:
    """The person can buy again."""
    _tell(application, "reinstated", {}, now)


def escalated(case: Case, *, group: Group, by: User, now: datetime) -> None:
    """A case was handed to a group of officers; whom it is about stays in the back office."""
    theirs = group.user_set.filter(is_active=True, is_staff=True)
    concerned = [by.pk, case.application.user_id]
    notices.notify_all(
        user_ids=theirs.exclude(pk__in=concerned).values_list("pk", flat=True),
        kind="case_escalated",
        subject=gettext_noop("A case was handed to your group"),
        body=gettext_noop("Open it in the back office: the reason stands in its notes."),
        params={},
        url=reverse("admin:kyc_case_change", args=[case.pk]),
        level=Notice.Level.WARNING,
        now=now,
    )


def _tell(application: Application, what: str, params: notices.Params, now: datetime) -> None:
    subject, body = _WORDS[what]
    notices.notify(
        user=application.user,
        kind=f"verification-{what}",
        subject=subject,
        body=body,
        params=params,
        url=reverse("verification"),
        level=_ALARMING.get(what, Notice.Level.INFO),
        now=now,
    )
