"""Decisions that need two people: one proposes, another approves or refuses, then it takes effect.

Each app registers the kinds of decision that it knows (`<app>/decisions.py`). The effect runs in
the transaction of the approval, so it happens once or not at all. That the two are different people
is a constraint of the database (compliance_proposal_maker_is_not_checker).
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from agora.lib import crypto
from agora.lib.catalog import Text
from compliance import audit
from compliance.models import ErasureRequest, Proposal

CHECKER = "compliance.decide_proposal"  # who may decide, whatever the kind
LIFETIME = timedelta(days=7)
LONGEST_TEXT = 1000  # of a reason or a note, in characters
_NO_WORDS = Value("–")  # in place of what was written about somebody who is erased


class Person(Protocol):
    """Who proposes or decides: a user with permissions."""

    pk: uuid.UUID

    def has_perm(self, perm: str) -> bool: ...


class Refused(Exception):
    """The decision cannot be proposed, taken or carried out now; nothing was changed."""

    def __init__(self, code: str, message: Text) -> None:
        super().__init__(str(message))
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Kind:
    """One kind of decision.

    `check` is asked when it is proposed and again before `effect`; both raise Refused, with a message
    for the person. `effect` runs in the transaction of the approval and calls nothing outside the
    database. `lines` are what the second person reads: label, value. `subject` is the id of the user
    whom it is about: they neither propose nor decide nor read it. Who lacks `reader_permission` does
    not read it either; `personal` names the personal data in its lines, each look at which is noted.
    """

    name: str
    title: Text
    maker_permission: str
    check: Callable[[Proposal], None]
    effect: Callable[[Proposal, datetime], None]
    lines: Callable[[Proposal], Sequence[tuple[Text, Text]]]
    subject: Callable[[Proposal], uuid.UUID | None] = lambda _proposal: None
    reader_permission: str = ""
    personal: tuple[str, ...] = ()
    # Which proposals of this kind a checker is not asked to decide, as they could not approve them.
    closed_to: Callable[[Person], Q] | None = None
    # Told, in the same transaction, of a proposal refused, withdrawn or expired.
    dropped: Callable[[Proposal, datetime], None] | None = None


_kinds: dict[str, Kind] = {}
_listeners: list[Callable[[Proposal, datetime], None]] = []


def register(kind: Kind) -> None:
    """Make a kind of decision known; called once, when its app is ready."""
    _kinds[kind.name] = kind
    Proposal.TITLES[kind.name] = kind.title


def listen(listener: Callable[[Proposal, datetime], None]) -> None:
    """Have every proposal told that is made or closed, in its transaction; once, at the start."""
    _listeners.append(listener)


def kind_of(name: str) -> Kind:
    """The registered kind; raises Refused for a name that this release does not know."""
    try:
        return _kinds[name]
    except KeyError as error:
        raise Refused("unknown_kind", _("This kind of decision is not known.")) from error


def kinds() -> list[Kind]:
    """Every registered kind, by name."""
    return sorted(_kinds.values(), key=lambda kind: kind.name)


def propose(
    *,
    kind: str,
    object_type: str,
    object_id: object,
    payload: Mapping[str, object],
    reason: str,
    maker: Person,
    now: datetime,
) -> Proposal:
    """Store a proposal for a second person to decide.

    Raises PermissionDenied, or Refused: without a reason, about oneself, while another one about the
    same object is open, or when the kind's own check says no. Locks what that check locks.
    """
    rule = kind_of(kind)
    if not maker.has_perm(rule.maker_permission):
        raise PermissionDenied
    proposal = Proposal(
        kind=kind,
        object_type=object_type,
        object_id=str(object_id),
        payload=dict(payload),
        reason=_text(reason, needed=True),
        maker_id=maker.pk,
        proposed_at=now,
        expires_at=now + LIFETIME,
    )
    proposal.subject_id = rule.subject(proposal)
    if proposal.subject_id == maker.pk:
        raise Refused("own_case", _("This is about yourself: others have to decide."))
    try:
        with transaction.atomic():
            rule.check(proposal)
            proposal.save(force_insert=True)
            _record(proposal, "proposal.made", audit.actor_of(maker), now)
            _tell(proposal, now)
    except IntegrityError as error:
        if "one_open_for_an_object" not in str(error):
            raise
        raise Refused(
            "already_proposed",
            _("The same decision is proposed already and waits for a second person."),
        ) from error
    return proposal


def approve(*, proposal_id: uuid.UUID, checker: Person, note: str = "", now: datetime) -> Proposal:
    """Approve and carry out, both in one transaction; holds the proposal's row lock.

    Raises Proposal.DoesNotExist, also for whom it is about; PermissionDenied; or Refused: by its own
    maker, too late, decided already, when its maker may not propose it any more, or when the effect
    is not possible any more.
    """
    with transaction.atomic():
        proposal, rule = _decidable(proposal_id, checker, now)
        proposal.note = _text(note, needed=False)
        _check_maker(proposal, rule)
        rule.check(proposal)
        _close(proposal, Proposal.State.APPROVED, audit.actor_of(checker), now)
        rule.effect(proposal, now)
    return proposal


def refuse(*, proposal_id: uuid.UUID, checker: Person, note: str, now: datetime) -> Proposal:
    """Refuse with a note for the maker; raises as `approve` does."""
    with transaction.atomic():
        proposal, _rule = _decidable(proposal_id, checker, now)
        proposal.note = _text(note, needed=True)
        _close(proposal, Proposal.State.REFUSED, audit.actor_of(checker), now)
    return proposal


def withdraw(*, proposal_id: uuid.UUID, maker: Person, now: datetime) -> Proposal:
    """Take back one's own proposal; raises Proposal.DoesNotExist for anybody else's, or Refused."""
    with transaction.atomic():
        proposal = Proposal.objects.select_for_update().get(pk=proposal_id, maker_id=maker.pk)
        _check_open(proposal, now)
        _close(proposal, Proposal.State.WITHDRAWN, audit.actor_of(maker), now)
    return proposal


def expire(*, now: datetime, limit: int = 500) -> int:
    """Close what nobody decided in time; returns how many. Skips what is being decided."""
    with transaction.atomic():
        late = Proposal.objects.select_for_update(skip_locked=True).filter(
            state=Proposal.State.OPEN, expires_at__lte=now
        )[:limit]
        for proposal in late:
            _close(proposal, Proposal.State.EXPIRED, audit.system("four-eyes"), now)
        return len(late)


def readable_by(person: Person) -> QuerySet[Proposal]:
    """All but those about the person, and those of kinds that they may not read.

    What others think of somebody, such as that a list means them, is no news for that person.
    """
    others = Proposal.objects.exclude(subject_id=person.pk).exclude(pk__in=_unmarked_about(person))
    return others.exclude(kind__in=unread_kinds(person))


def unread_kinds(person: Person) -> list[str]:
    """The kinds of decision that the person may not read, by name."""
    needs = {kind.name: kind.reader_permission for kind in kinds() if kind.reader_permission}
    return [name for name, need in needs.items() if not person.has_perm(need)]


def _unmarked_about(person: Person) -> list[uuid.UUID]:
    """Open proposals about the person that an earlier release, still running, stored without saying so."""
    unmarked = Proposal.objects.filter(
        subject_id=None, state=Proposal.State.OPEN, kind__in=list(_kinds)
    )
    return [each.pk for each in unmarked if _kinds[each.kind].subject(each) == person.pk]


def title_of(proposal: Proposal) -> Text:
    """What is decided, in a few words; the kind's name for one of an earlier release."""
    return _kinds[proposal.kind].title if proposal.kind in _kinds else proposal.kind


def lines_of(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    """What it does, in words; nothing for a kind of an earlier release. Note the look before."""
    return _kinds[proposal.kind].lines(proposal) if proposal.kind in _kinds else []


def note_look(*, proposal: Proposal, reader: Person, now: datetime) -> None:
    """Write down that somebody is shown personal data with a proposal, where it holds any."""
    personal = _kinds[proposal.kind].personal if proposal.kind in _kinds else ()
    if personal:
        audit.viewed(
            viewer=reader,
            object_type=proposal.object_type,
            object_id=proposal.object_id,
            fields=personal,
            now=now,
        )


def lapse(*, object_type: str, object_id: object, now: datetime) -> int:
    """Close what nobody can decide any more, as its object is over; returns how many.

    Skips what is just being decided: its own check tells.
    """
    with transaction.atomic():
        waiting = proposals_of(object_type=object_type, object_id=object_id)
        over = waiting.select_for_update(skip_locked=True).filter(state=Proposal.State.OPEN)
        for proposal in over:
            _close(proposal, Proposal.State.EXPIRED, audit.system("four-eyes"), now)
        return len(over)


def forget(*, subject_id: uuid.UUID) -> None:
    """Erase reasons and notes of closed decisions about a person who is erased (LGPD art. 16).

    What was decided, when and by whom stays. The database refuses it for anybody who is not erased.
    What is open still loses its words when it is closed.
    """
    closed = Proposal.objects.filter(subject_id=subject_id).exclude(state=Proposal.State.OPEN)
    closed.update(reason=_NO_WORDS, note=Case(When(note="", then=Value("")), default=_NO_WORDS))


def proposals_of(*, object_type: str, object_id: object) -> QuerySet[Proposal]:
    """All decisions about one object, newest first."""
    return Proposal.objects.filter(object_type=object_type, object_id=str(object_id))


def open_proposal(*, object_type: str, object_id: object) -> Proposal | None:
    """What waits for a second person about one object."""
    waiting = proposals_of(object_type=object_type, object_id=object_id)
    return waiting.filter(state=Proposal.State.OPEN).first()


def waiting_for(person: Person, *, now: datetime) -> QuerySet[Proposal]:
    """Open proposals that this person may approve: neither proposed by them nor about them.

    As many queries however many wait: the rules of the kinds are part of this one.
    """
    if not person.has_perm(CHECKER):
        return Proposal.objects.none()
    theirs = [kind.name for kind in kinds()]
    open_ones = readable_by(person).filter(state=Proposal.State.OPEN, kind__in=theirs)
    open_ones = open_ones.filter(expires_at__gt=now).exclude(maker_id=person.pk)
    return open_ones.exclude(_closed_to(person))


def is_closed_to(proposal: Proposal, person: Person) -> bool:
    """Whether the rule of its kind keeps the person from approving it. A query if there is a rule."""
    closed_to = kind_of(proposal.kind).closed_to
    if closed_to is None:
        return False
    return Proposal.objects.filter(closed_to(person), pk=proposal.pk).exists()


def _closed_to(person: Person) -> Q:
    closed = Q(pk__in=[])
    for kind in kinds():
        if kind.closed_to is not None:
            closed |= Q(kind=kind.name) & kind.closed_to(person)
    return closed


def _decidable(proposal_id: uuid.UUID, checker: Person, now: datetime) -> tuple[Proposal, Kind]:
    proposal = readable_by(checker).select_for_update().get(pk=proposal_id)
    rule = kind_of(proposal.kind)
    if not checker.has_perm(CHECKER):
        raise PermissionDenied
    if proposal.maker_id == checker.pk:
        raise Refused(
            "same_person", _("You proposed this yourself: a second person has to decide.")
        )
    _check_open(proposal, now)
    proposal.checker_id = checker.pk
    return proposal, rule


def _check_maker(proposal: Proposal, rule: Kind) -> None:
    """Two people must stand behind it when it takes effect, not only when it was proposed."""
    maker = get_user_model().objects.filter(pk=proposal.maker_id, is_active=True).first()
    if maker is None or not maker.has_perm(rule.maker_permission):
        raise Refused("maker_gone", _("Who proposed this may not do so any more. Propose it anew."))


def _check_open(proposal: Proposal, now: datetime) -> None:
    if proposal.state != Proposal.State.OPEN:
        raise Refused("decided", _("This is decided already: nothing was changed."))
    if proposal.expires_at <= now:
        raise Refused("expired", _("This proposal has expired. Propose it anew."))


def _close(proposal: Proposal, state: str, actor: str, now: datetime) -> None:
    proposal.state = state
    proposal.decided_at = now
    proposal.save(update_fields=["state", "checker_id", "decided_at", "note"])
    _record(proposal, f"proposal.{state.lower()}", actor, now)
    dropped = _kinds[proposal.kind].dropped if proposal.kind in _kinds else None
    if dropped is not None and state != Proposal.State.APPROVED:
        dropped(proposal, now)
    _tell(proposal, now)
    erased = ErasureRequest.objects.filter(state=ErasureRequest.State.ERASED)
    if proposal.subject_id and erased.filter(user_id=proposal.subject_id).exists():
        forget(subject_id=proposal.subject_id)


def _tell(proposal: Proposal, now: datetime) -> None:
    for listener in _listeners:
        listener(proposal, now)


def _text(text: str, *, needed: bool) -> str:
    stripped = text.strip()
    if needed and not stripped:
        raise Refused("reason_missing", _("Say why: the reason is kept with the decision."))
    if len(stripped) > LONGEST_TEXT:
        raise Refused("reason_too_long", _("The text may have at most 1,000 characters."))
    return stripped


def _record(proposal: Proposal, action: str, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type=proposal.object_type,
        object_id=proposal.object_id,
        evidence={
            "proposal": str(proposal.pk),
            "kind": proposal.kind,
            "payload": proposal.payload,
            "reason_digest": text_digest(proposal, proposal.reason),
            "note_digest": text_digest(proposal, proposal.note),
            "maker": str(proposal.maker_id),
        },
        now=now,
    )


def text_digest(proposal: Proposal, text: str) -> str:
    """What the trail keeps of a reason or a note, which may name people and are not to outlive them.

    A keyed digest, so that nobody finds a short text by trying; empty for no text.
    """
    return crypto.blind_index(f"{proposal.pk}\0{text}", purpose="proposal").hex() if text else ""
