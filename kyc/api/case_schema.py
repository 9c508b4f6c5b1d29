"""Cases on the wire, as officers see them."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.keys import key_for
from accounts.models import User, Wallet
from agora.lib import crypto, rest
from kyc import cases, selectors
from kyc.api.documents import KINDS, REASONS, TYPES
from kyc.api.documents import STATES as DOCUMENT_STATES
from kyc.api.onboarding import DailyLimitView, daily_limit_json
from kyc.api.verification import NEEDS
from kyc.cases.deciding import open_proposal
from kyc.cases.queue import urgency
from kyc.models import Application, Case, CaseEvent, Document, ScreeningMatch
from kyc.states import Outcome, State

STATES = [(value, value) for value in State.values]
CAUSES = [(value, value) for value in Case.Cause.values]
OUTCOMES = [(value, value) for value in Outcome.values]
URGENCIES = [(value, value) for value in ("overdue", "soon", "in_time")]
EVENTS = [(value, value) for value in CaseEvent.Kind.values]
STATUSES = [(value, value) for value in Application.Status.values]
MATCH_STATES = [(value, value) for value in ScreeningMatch.State.values]
MATCH_BY = [(value, value) for value in ScreeningMatch.By.values]


class OfficerView(serializers.Serializer[Any]):
    """An officer."""

    id = serializers.UUIDField()
    email = serializers.CharField()


class CaseView(serializers.Serializer[Any]):
    """A case without anything personal about its person. `version` goes back with every action."""

    id = serializers.UUIDField()
    application_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    country = serializers.ChoiceField(choices=Application.Country.choices)
    cause = serializers.ChoiceField(choices=CAUSES)
    tier = serializers.IntegerField(help_text="What the person has once it is approved.")
    state = serializers.ChoiceField(choices=STATES)
    outcome = serializers.ChoiceField(choices=OUTCOMES, allow_null=True)
    group = serializers.CharField(allow_null=True, help_text="The group it was escalated to.")
    assigned_to = OfficerView(allow_null=True)
    locked_by = OfficerView(allow_null=True, help_text="Who reviews it just now.")
    locked_until = serializers.DateTimeField(allow_null=True)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=NEEDS), help_text="What the person was asked for."
    )
    unanswered = serializers.BooleanField(help_text="They were asked and did not answer in time.")
    asked_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    urgency = serializers.ChoiceField(
        choices=URGENCIES, allow_null=True, help_text="Null while the clock stands still."
    )
    first_look_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()


class CasePage(rest.Page):
    """A page of cases."""

    results = CaseView(many=True)


class CaseWallet(serializers.Serializer[Any]):
    """The person's wallet."""

    address = serializers.CharField()
    verified_at = serializers.DateTimeField(allow_null=True)


class CasePerson(serializers.Serializer[Any]):
    """Who it is about. Name and tax id are null once the person's data was erased."""

    full_name = serializers.CharField(allow_null=True)
    tax_id = serializers.CharField(allow_null=True)
    email = serializers.CharField()
    wallet = CaseWallet(allow_null=True)


class RequirementView(serializers.Serializer[Any]):
    """A required action; all of them are done before an approval can be proposed."""

    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    done = serializers.BooleanField()
    possible = serializers.BooleanField(help_text="Whether there is something to act on.")
    detail = serializers.CharField()
    by_hand = serializers.BooleanField(help_text="Ticked with `check`.")


class CaseEventView(serializers.Serializer[Any]):
    """What happened to a case."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=EVENTS)
    at = serializers.DateTimeField()
    by = OfficerView(allow_null=True, help_text="Null: Agora itself, or the person.")
    by_person = serializers.BooleanField()
    text = serializers.CharField(allow_null=True, help_text="What was written.")
    for_person = serializers.BooleanField(help_text="Whether the person reads the text.")
    facts = serializers.DictField()


class CaseDocument(serializers.Serializer[Any]):
    """A document of the person; its pages are pictures at addresses of their own."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=DOCUMENT_STATES)
    reason = serializers.ChoiceField(choices=REASONS, allow_null=True)
    note = serializers.CharField(allow_null=True, help_text="For the person, from the officer.")
    media_type = serializers.ChoiceField(choices=TYPES)
    sha256 = serializers.CharField()
    page_count = serializers.IntegerField()
    uploaded_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True)


class MatchView(serializers.Serializer[Any]):
    """That a person may be somebody on a list."""

    id = serializers.UUIDField()
    application_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=MATCH_STATES)
    list_name = serializers.CharField()
    source_id = serializers.CharField(help_text="The entry's id on the list.")
    listed_name = serializers.CharField()
    is_sanctioned = serializers.BooleanField()
    by = serializers.ChoiceField(choices=MATCH_BY)
    score = serializers.CharField(help_text="Likeness in per cent.")
    holds = serializers.BooleanField(help_text="It pauses buying: two people dismiss it.")
    found_at = serializers.DateTimeField()
    decided_by = OfficerView(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class CaseDetail(CaseView):
    """A case with all that an officer needs. What is personal is null without the permission."""

    status = serializers.ChoiceField(choices=STATUSES, help_text="Of the application.")
    tier_now = serializers.IntegerField()
    person = CasePerson(allow_null=True)
    daily_limit = DailyLimitView(allow_null=True)
    requirements = RequirementView(many=True, help_text="None once the case is closed.")
    documents = CaseDocument(many=True)
    matches = MatchView(many=True, help_text="None without `kyc.view_screeningmatch`.")
    events = CaseEventView(many=True, help_text="Newest first.")
    proposal_id = serializers.UUIDField(
        allow_null=True, help_text="What waits for a second person."
    )


def officer_json(officer: User | None) -> dict[str, object] | None:
    """An officer on the wire."""
    return {"id": str(officer.pk), "email": officer.email} if officer else None


def lock_json(case: Case, now: datetime) -> dict[str, object]:
    """Who reviews the case just now, and until when."""
    holder = case.lock_holder(now)
    return {
        "locked_by": officer_json(case.locked_by) if holder else None,
        "locked_until": rest.moment(case.lock_until) if holder else None,
    }


def case_json(case: Case, now: datetime) -> dict[str, object]:
    """A case on the wire, without anything personal."""
    return {
        "id": str(case.pk),
        "application_id": str(case.application_id),
        "user_id": str(case.application.user_id),
        "country": case.application.country,
        "cause": case.cause,
        "tier": case.tier_id,
        "state": case.state,
        "outcome": case.outcome or None,
        "group": case.group.name if case.group else None,
        "assigned_to": officer_json(case.assigned_to),
        **lock_json(case, now),
        "needs": case.needs,
        "unanswered": case.is_unanswered,
        "asked_at": rest.moment(case.asked_at),
        "opened_at": rest.moment(case.opened_at),
        "due_at": rest.moment(case.due_at),
        "urgency": urgency(case, now) or None,
        "first_look_at": rest.moment(case.first_look_at),
        "closed_at": rest.moment(case.closed_at),
        "version": case.version,
    }


def case_detail(case: Case, *, personal: bool, suspected: bool, now: datetime) -> dict[str, object]:
    """A case with everything; `personal`: with what is decrypted, which the caller has logged.

    `suspected`: with what lists may say of the person.
    """
    application = case.application
    limit = selectors.limit_status(user=application.user, now=now)
    proposal = open_proposal(case.pk)
    key = _key_of(application) if personal else None
    required = cases.requirements(case) if case.is_open else []
    matches = application.matches.select_related("decided_by").order_by("-found_at", "-id")
    return {
        **case_json(case, now),
        "status": application.status,
        "tier_now": application.tier_id,
        "person": _person(application) if personal else None,
        "daily_limit": daily_limit_json(limit),
        "requirements": [_requirement(item) for item in required],
        "documents": [_document(one, key) for one in selectors.documents_of(application)],
        "matches": [match_json(match) for match in matches] if suspected else [],
        "events": [
            _event(event, application, key)
            for event in case.events.select_related("by").order_by("-id")
        ],
        "proposal_id": str(proposal.pk) if proposal else None,
    }


def _key_of(application: Application) -> crypto.DataKey | None:
    """The person's key, asked for once; None after their erasure."""
    return crypto.unless_shredded(lambda: key_for(application.user_id), None)


def _person(application: Application) -> dict[str, object]:
    wallet = Wallet.objects.filter(user=application.user).first()
    return {
        "full_name": crypto.unless_shredded(lambda: application.full_name, None),
        "tax_id": crypto.unless_shredded(lambda: application.tax_id, None),
        "email": application.user.email,
        "wallet": wallet
        and {"address": wallet.address, "verified_at": rest.moment(wallet.verified_at)},
    }


def _requirement(item: cases.Requirement) -> dict[str, object]:
    return {
        "code": str(item.code),
        "label": str(item.label),
        "done": item.done,
        "possible": item.possible,
        "detail": str(item.detail),
        "by_hand": item.by_hand,
    }


def _document(document: Document, key: crypto.DataKey | None) -> dict[str, object]:
    note = (
        crypto.decrypt(bytes(document.note_encrypted), key=key, **document.note_place)
        if document.note_encrypted and key
        else None
    )
    return {
        "id": str(document.pk),
        "kind": document.kind,
        "state": document.state,
        "reason": document.reason or None,
        "note": note,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "page_count": document.page_count,
        "uploaded_at": rest.moment(document.uploaded_at),
        "decided_at": rest.moment(document.decided_at),
        "decided_by": document.decided_by or None,
    }


def _event(
    event: CaseEvent, application: Application, key: crypto.DataKey | None
) -> dict[str, object]:
    by_person = event.by_id == application.user_id
    return {
        "id": str(event.uid),
        "kind": event.kind,
        "at": rest.moment(event.at),
        "by": None if by_person else officer_json(event.by),
        "by_person": by_person,
        "text": (cases.text_of(event, key=key) or None) if key else None,
        "for_person": event.for_person,
        "facts": event.facts,
    }


def match_json(match: ScreeningMatch) -> dict[str, object]:
    """A match on the wire, without the person's own name."""
    return {
        "id": str(match.pk),
        "application_id": str(match.application_id),
        "state": match.state,
        "list_name": match.list_name,
        "source_id": match.source_id,
        "listed_name": str(match.entry.get("name", match.source_id)),
        "is_sanctioned": match.is_sanctioned,
        "by": match.by,
        "score": f"{match.score:.2f}",
        "holds": match.holds,
        "found_at": rest.moment(match.found_at),
        "decided_by": officer_json(match.decided_by),
        "decided_at": rest.moment(match.decided_at),
    }
