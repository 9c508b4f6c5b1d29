"""What the page of one case shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts.keys import key_for
from accounts.models import User, Wallet
from agora.lib import crypto
from agora.lib.admin import trail_to
from agora.lib.catalog import Text
from agora.lib.money import plain
from kyc import cases
from kyc.admin.case_list import DUE_COLOURS, STATE_COLOURS, due, span
from kyc.admin.people import ERASED
from kyc.cases.deciding import open_proposal
from kyc.cases.needs import Need
from kyc.cases.record import ASSIGN, WORK
from kyc.cases.requirements import Check
from kyc.documents import DocumentRefused
from kyc.documents.viewing import VIEW_PERMISSION, may_open
from kyc.models import Case, CaseEvent, Document
from kyc.selectors import documents_of
from kyc.states import CLOSED, Outcome, State

_ANY_TIME = {"note"}
# The actions that each state offers to who works on cases; services decide again.
_OFFERED: dict[str, set[str]] = {
    State.PENDING: {"take", "assign"},
    State.ESCALATED: {"take", "assign"},
    State.INFO_REQUESTED: {"take", "assign"},
    State.UNDER_REVIEW: {"release", "assign"},
    State.AWAITING_SECOND: set(),
}
_DOCUMENT_COLOURS: dict[str, str] = {
    Document.State.PENDING: "info",
    Document.State.ACCEPTED: "success",
    Document.State.REJECTED: "danger",
}
_REVIEWING = {"ask", "escalate", "propose_rejection"}


def offered(case: Case, officer: User, now: datetime) -> set[str]:
    """Names of the actions that make sense for this officer now."""
    if case.state in CLOSED or not officer.has_perm(WORK):
        return set()
    names = _OFFERED[case.state] | _ANY_TIME
    if not officer.has_perm(ASSIGN):
        names = names - {"assign"}
    if case.state == State.AWAITING_SECOND:
        proposal = open_proposal(case.pk)
        return names | ({"take_back"} if proposal and proposal.maker_id == officer.pk else set())
    if case.state != State.UNDER_REVIEW:
        return names
    if case.assigned_to_id != officer.pk:
        return (names | {"take"}) if officer.has_perm(ASSIGN) else names - {"release"}
    if case.lock_holder(now) is None:
        names = names | {"take"}
    ready = all(item.done for item in cases.requirements(case))
    return names | _REVIEWING | ({"propose_approval"} if ready else set())


@dataclass(frozen=True)
class Moment:
    """An event as the timeline shows it."""

    at: datetime
    kind: CaseEvent.Kind
    by: str
    text: str
    facts: list[Text]
    for_person: bool

    @property
    def what(self) -> Text:
        """The event in words."""
        return self.kind.label


@dataclass(frozen=True)
class Choice:
    """A link of the viewer."""

    label: Text
    address: str
    current: bool


@dataclass(frozen=True)
class Pane:
    """One side of the viewer: a page of a document, and the ways to others."""

    document: Document
    colour: str
    image: str
    documents: list[Choice]
    pages: list[Choice]
    view: str


def context(request: HttpRequest, case: Case, officer: User, now: datetime) -> dict[str, Any]:
    """Everything the template needs."""
    shown = sorted(
        documents_of(case.application), key=lambda one: Document.Kind.values.index(one.kind)
    )
    reviewing = case.state == State.UNDER_REVIEW and case.lock_holder(now) == officer.pk
    moments = _moments(case)
    urgency, words = due(case, now)
    required = cases.requirements(case) if case.is_open else []
    wallet = Wallet.objects.filter(user=case.application.user_id).first()
    return {
        "case": case,
        "facts": _facts(case, wallet),
        "state_colour": STATE_COLOURS[State(case.state)],
        "due": words,
        "due_colour": DUE_COLOURS.get(urgency, ""),
        "age": span((case.closed_at or now) - case.opened_at),
        "holder": case.locked_by if case.lock_holder(now) else None,
        "reviewing": reviewing,
        "may_judge": reviewing and officer.has_perm("kyc.review_document"),
        "requirements": [(item, _where(item.code, case, wallet)) for item in required],
        "left": sum(not item.done for item in required),
        "documents": shown,
        "panes": _panes(request, shown),
        "may_see_pages": officer.has_perm(VIEW_PERMISSION),
        "pages_closed": _pages_closed(shown, officer),
        "moments": moments,
        "notes": [moment for moment in moments if moment.kind == CaseEvent.Kind.NOTED],
        "proposal": open_proposal(case.pk) if case.state == State.AWAITING_SECOND else None,
        "trail": trail_to("kyc_case", case.pk),
    }


def _pages_closed(shown: Sequence[Document], officer: User) -> str:
    """Why the officer may not open the pages, if so; one that waits is the last to be closed to them."""
    decided_first = sorted(shown, key=lambda one: one.state == Document.State.PENDING)
    may = all(may_open(one, officer) for one in decided_first[:1])
    return "" if may else DocumentRefused("not_reviewing").message


def _facts(case: Case, wallet: Wallet | None) -> Sequence[tuple[Text, Any]]:
    application = case.application
    facts: list[tuple[Text, Any]] = [
        (_("Full name"), crypto.unless_shredded(lambda: application.full_name, ERASED)),
        (_("Tax id"), crypto.unless_shredded(lambda: application.tax_id, ERASED)),
        (_("Country"), application.get_country_display()),
        (_("E-mail address"), application.user.email),
        (_("Wallet"), _wallet(wallet)),
        (_("Application"), application.get_status_display()),
        (_("Tier now"), application.tier_id),
        (_("Tier wanted"), f"{case.tier_id} ({plain(case.tier.daily_limit_usd)} USD)"),
        (_("Applied"), f"{application.submitted_at:%Y-%m-%d %H:%M} UTC"),
    ]
    if case.outcome:
        facts.append((_("Outcome"), case.get_outcome_display()))
    return facts


def _where(code: str, case: Case, wallet: Wallet | None) -> str:
    """Where to look for a required action."""
    if code == "MATCHES":
        query = urlencode({"application__id__exact": str(case.application_id)})
        return f"{reverse('admin:kyc_screeningmatch_changelist')}?{query}"
    if code == "LOOK_UP":
        return reverse("admin:kyc_screeninglist_changelist")
    if code == Check.WALLET:
        return reverse("admin:accounts_wallet_change", args=[wallet.pk]) if wallet else ""
    return "#viewer"


def _wallet(wallet: Wallet | None) -> Text:
    if wallet is None:
        return _("none")
    proved = wallet.state == Wallet.State.VERIFIED
    return f"{wallet.address} ({wallet.get_method_display() if proved else wallet.state.label})"


def _moments(case: Case) -> list[Moment]:
    """What happened, newest first; the person's key and the names of documents are read once."""
    key = crypto.unless_shredded(lambda: key_for(case.application.user_id), None)
    kinds = {
        str(pk): kind
        for pk, kind in Document.objects.filter(application=case.application_id).values_list(
            "pk", "kind"
        )
    }
    return [
        Moment(
            at=event.at,
            kind=CaseEvent.Kind(event.kind),
            by=event.by.email if event.by else "Agora",
            text=_text(event, key),
            facts=list(_told(event.facts, kinds)),
            for_person=event.for_person,
        )
        for event in case.events.select_related("by").order_by("-id")
    ]


def _text(event: CaseEvent, key: crypto.DataKey | None) -> str:
    if event.text_encrypted is not None and key is None:
        return str(ERASED)
    return cases.text_of(event, key=key)


def _told(facts: dict[str, Any], kinds: dict[str, str]) -> Sequence[Text]:
    """The codes of an event in words; ids stay in the audit trail."""
    told: list[Text] = []
    if "outcome" in facts:
        told.append(Outcome(facts["outcome"]).label)
    if "check" in facts:
        told.append(Check(facts["check"]).label)
    if "document_state" in facts:
        kind = kinds.get(facts["document"])
        name = Document.Kind(kind).label if kind else ""
        told.append(f"{name}: {Document.State(facts['document_state']).label}")
    told += [Need(code).label for code in facts.get("needs", [])]
    if "group" in facts:
        told.append(str(facts["group"]))
    return told


def _panes(request: HttpRequest, shown: Sequence[Document]) -> list[Pane]:
    """Two pages side by side, as the address asks for them; else what waits, else the first documents."""
    if not shown:
        return []
    asked = {side: _wanted(request.GET.get(side, ""), shown) for side in ("left", "right")}
    taken = {place[0].pk for place in asked.values() if place}
    others = sorted(
        (one for one in shown if one.pk not in taken),
        key=lambda one: one.state != Document.State.PENDING,
    )
    free = iter(others)
    sides = {side: place or (next(free, shown[0]), 1) for side, place in asked.items()}
    return [_pane(side, sides, shown) for side in sides]


Place = tuple[Document, int]


def _wanted(text: str, shown: Sequence[Document]) -> Place | None:
    """The document and page that a part of the address names: `id.page`."""
    wanted, _dot, number = text.partition(".")
    document = next((one for one in shown if str(one.pk) == wanted), None)
    if document is None:
        return None
    page = int(number) if number.isdecimal() and len(number) < 4 else 1
    return document, min(max(page, 1), document.page_count)


def _pane(side: str, sides: dict[str, Place], shown: Sequence[Document]) -> Pane:
    document, page = sides[side]

    def link(label: Text, *place: Any) -> Choice:
        address = f"?{_query({**sides, side: place})}#viewer"
        return Choice(label, address, place == (document, page))

    numbers = range(1, document.page_count + 1)
    return Pane(
        document=document,
        colour=_DOCUMENT_COLOURS[document.state],
        image=reverse("admin:kyc_document_page", args=[document.pk, page]),
        documents=[
            Choice(one.get_kind_display(), link("", one, 1).address, one == document)
            for one in shown
        ],
        pages=[link(str(number), document, number) for number in numbers],
        view=_query(sides),
    )


def _query(sides: Mapping[str, Place]) -> str:
    """The part of the address that says what both sides show."""
    return urlencode({name: f"{one.pk}.{number}" for name, (one, number) in sides.items()})
