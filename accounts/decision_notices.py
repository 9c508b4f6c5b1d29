"""Telling officers of decisions by two people: what waits for them, and how theirs ended.

A notice names the kind of decision and leads to its page; whom it is about, reason and note stay in
the back office: e-mails are open to many.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_noop

from accounts.models import Notice, User
from accounts.notices import notify, notify_all
from accounts.staff import holders_of
from compliance import four_eyes
from compliance.models import Proposal

REMIND_BEFORE = timedelta(days=1)
_WAITING = "decision_waits"
_WAITS = gettext_noop(
    "A colleague proposed this decision. Approve or refuse it before %(until)s UTC."
)
_ENDS_SOON = gettext_noop(
    "Nobody has decided yet what you proposed. It expires on %(until)s UTC: ask a colleague."
)
_ENDED = {
    Proposal.State.APPROVED: gettext_noop("What you proposed was approved and has taken effect."),
    Proposal.State.REFUSED: gettext_noop(
        "What you proposed was refused and nothing was changed. The reason stands on its page."
    ),
    Proposal.State.EXPIRED: gettext_noop(
        "What you proposed has expired, as nobody decided it in time. Nothing was changed."
    ),
}


def tell(proposal: Proposal, now: datetime) -> None:
    """Tell of a proposal that was just made or closed; runs in its transaction."""
    if proposal.state == Proposal.State.OPEN:
        notify_all(
            user_ids=_deciders(proposal),
            kind=_WAITING,
            subject=_title(proposal),
            body=_WAITS,
            params=_params(proposal),
            url=_page(proposal),
            level=Notice.Level.INFO,
            now=now,
        )
        return
    _nothing_waits(proposal, now)
    if proposal.state in _ENDED:
        _tell_maker(proposal, f"decision_{proposal.state.lower()}", now)


def remind(*, now: datetime) -> None:
    """Tell makers, once, that what they proposed expires within a day."""
    late = Proposal.objects.filter(
        state=Proposal.State.OPEN, expires_at__gt=now, expires_at__lte=now + REMIND_BEFORE
    )
    for proposal in late:
        _tell_maker(proposal, "decision_expires", now)


def _deciders(proposal: Proposal) -> Iterable[UUID]:
    """Whoever may approve it now: neither its maker nor whom it is about."""
    found = holders_of(four_eyes.CHECKER)
    needed = four_eyes.kind_of(proposal.kind).reader_permission
    if needed:
        found = found.filter(pk__in=holders_of(needed).values("pk"))
    concerned = [pk for pk in (proposal.maker_id, proposal.subject_id) if pk]
    others = found.exclude(pk__in=concerned)
    return [person.pk for person in others if not four_eyes.is_closed_to(proposal, person)]


def _nothing_waits(proposal: Proposal, now: datetime) -> None:
    """Nobody has to be reminded any more; whoever is just reading theirs is left alone."""
    deciders = list(holders_of(four_eyes.CHECKER).values_list("pk", flat=True))
    unread = Notice.objects.filter(
        user__in=deciders, read_at=None, kind=_WAITING, url=_page(proposal)
    )
    held = unread.select_for_update(skip_locked=True).values_list("pk", flat=True)
    Notice.objects.filter(pk__in=list(held)).update(read_at=now)


def _tell_maker(proposal: Proposal, kind: str, now: datetime) -> None:
    maker = User.objects.filter(pk=proposal.maker_id, is_active=True).first()
    if maker is None:
        return
    notify(
        user=maker,
        kind=kind,
        subject=_title(proposal),
        body=_ENDED.get(Proposal.State(proposal.state), _ENDS_SOON),
        params=_params(proposal),
        url=_page(proposal),
        level=Notice.Level.INFO
        if proposal.state == Proposal.State.APPROVED
        else Notice.Level.WARNING,
        dedupe_key=f"{kind.replace('_', '-')}-{proposal.pk}",
        now=now,
    )


def _title(proposal: Proposal) -> str:
    """As it is written in English: each reader gets it in their own language."""
    with translation.override("en"):
        return str(four_eyes.title_of(proposal))


def _params(proposal: Proposal) -> dict[str, str | int]:
    return {"until": f"{proposal.expires_at:%Y-%m-%d %H:%M}"}


def _page(proposal: Proposal) -> str:
    return reverse("admin:compliance_proposal_change", args=[proposal.pk])
