"""What has to be done before an approval may be proposed: the list that gates the button."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from kyc.cases.needs import Need
from kyc.models import Application, Case, Document, Screening, ScreeningMatch
from kyc.screening.lookup import source

Kind, Shown = Document.Kind, Document.State
# Each line is one way to meet the need: all its kinds together.
WAYS: dict[Need, list[frozenset[str]]] = {
    Need.IDENTITY: [
        frozenset({Kind.PASSPORT}),
        frozenset({Kind.IDENTITY_FRONT, Kind.IDENTITY_BACK}),
    ],
    Need.ADDRESS: [frozenset({Kind.PROOF_OF_ADDRESS})],
    Need.SELFIE: [frozenset({Kind.SELFIE})],
}


class Check(models.TextChoices):
    """What an officer confirms to have looked at."""

    NAME = "NAME", _("Name and tax id compared with the documents")
    FACE = "FACE", _("Face compared with the document")
    WALLET = "WALLET", _("State of the wallet looked at")


CHECKS = frozenset(Check)
_FOR_TIER = (Need.IDENTITY, Need.ADDRESS, Need.SELFIE, Check.NAME, Check.FACE, Check.WALLET)
_FOR_MATCH = (Check.NAME, Check.WALLET)
_ACCEPTED: dict[Need, Text] = {
    Need.IDENTITY: _("Identity document accepted"),
    Need.ADDRESS: _("Proof of address accepted"),
    Need.SELFIE: _("Photo of the person accepted"),
}


@dataclass(frozen=True)
class Requirement:
    """One line of the list; `possible` says whether there is something to act on."""

    code: str
    label: Text
    done: bool
    possible: bool
    detail: Text
    by_hand: bool


def requirements(case: Case) -> list[Requirement]:
    """Every required action of the case, in the order to do them. Five queries."""
    documents = list(case.application.documents.exclude(state=Shown.WITHDRAWN))
    checked = set(case.checks.values_list("code", flat=True))
    wanted = _FOR_TIER if case.cause in (Case.Cause.TIER, Case.Cause.AGAIN) else _FOR_MATCH
    found = [
        _document(item, documents) if isinstance(item, Need) else _check(item, checked, documents)
        for item in wanted
    ]
    return [*about_lists(case.application), *found]


def about_lists(application: Application) -> list[Requirement]:
    """What the lists ask before anything is approved."""
    last = Screening.objects.filter(application=application).first()
    loads = source().loads()
    # What a list had no room for is nobody's to look at once no list is loaded any more.
    more = last.more if last and loads else 0
    return [one for one in (_look_up(last, loads), _matches(application, more)) if one]


def _look_up(last: Screening | None, loads: Sequence[UUID]) -> Requirement | None:
    """Nobody is approved who was not looked up in the lists of today; None where none is needed."""
    if not loads and not settings.SCREENING_REQUIRED:
        return None
    done = bool(loads) and set(loads) <= set(last.loads if last else ())
    to_come = _("soon, by itself") if loads else _("no list is loaded")
    return Requirement(
        code="LOOK_UP",
        label=_("Looked up in the lists of today"),
        done=done,
        possible=True,
        detail="" if done else to_come,
        by_hand=False,
    )


def _matches(application: Application, more: int) -> Requirement | None:
    """Whoever may be on a list is not approved before that is settled; None without any match."""
    states = list(
        ScreeningMatch.objects.filter(application=application).values_list("state", "is_sanctioned")
    )
    if not states:
        return None
    undecided = sum(1 for state, _sanctioned in states if state == ScreeningMatch.State.OPEN)
    forbidden = any(state == ScreeningMatch.State.CONFIRMED and under for state, under in states)
    detail: Text = _("%(n)d to look at") % {"n": undecided} if undecided else ""
    if more:
        detail = _("%(n)d to look at, then %(more)d more") % {"n": undecided, "more": more}
    return Requirement(
        code="MATCHES",
        label=_("Matches on lists settled"),
        done=not undecided and not more and not forbidden,
        possible=True,
        detail=_("the person is under sanctions") if forbidden else detail,
        by_hand=False,
    )


def met(need: Need, documents: Iterable[Document], *, states: Iterable[str]) -> bool:
    """Whether documents in one of these states meet the need."""
    allowed = set(states)
    shown = {document.kind for document in documents if document.state in allowed}
    return any(way <= shown for way in WAYS[need])


def _document(need: Need, documents: list[Document]) -> Requirement:
    kinds = frozenset().union(*WAYS[need])
    waiting = sum(1 for one in documents if one.kind in kinds and one.state == Shown.PENDING)
    handed_in = any(one.kind in kinds for one in documents)
    return Requirement(
        code=need,
        label=_ACCEPTED[need],
        # A newer one that waits has to be looked at too.
        done=not waiting and met(need, documents, states=[Shown.ACCEPTED]),
        possible=handed_in,
        detail=(_("%(n)d to look at") % {"n": waiting} if handed_in else _("none handed in")),
        by_hand=False,
    )


def _check(check: Check, checked: set[str], documents: list[Document]) -> Requirement:
    seen = {one.kind for one in documents if one.state in (Shown.PENDING, Shown.ACCEPTED)}
    possible = check != Check.FACE or Kind.SELFIE in seen
    return Requirement(
        code=check,
        label=check.label,
        done=check in checked,
        possible=possible,
        detail="" if possible else _("no photo of the person yet"),
        by_hand=True,
    )
