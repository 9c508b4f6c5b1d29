"""Officers, documents and cases for tests; cases are made by the services that pages use."""

import itertools
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import User
from compliance import four_eyes
from compliance.models import Proposal
from kyc import cases, screening
from kyc.cases.requirements import Check
from kyc.models import Application, Case, Document, ScreeningMatch, Tier
from tests import people

_numbers = itertools.count(1)
LOOKS = ("kyc.view_case", "kyc.view_application", "kyc.view_document", "kyc.view_documentpage")
WORKS = (*LOOKS, "kyc.work_case", "compliance.decide_proposal", "kyc.review_document")
LEADS = (*WORKS, "kyc.assign_case", "kyc.suspend_application")


def allow(holder: User | Group, *names: str) -> None:
    """Give permissions by `app.codename`."""
    for name in names:
        app, _dot, codename = name.partition(".")
        permission = Permission.objects.get(content_type__app_label=app, codename=codename)
        own = holder.permissions if isinstance(holder, Group) else holder.user_permissions
        own.add(permission)


def officer(*names: str) -> User:
    """A member of staff who works on cases, or has just these permissions."""
    user = people.new_user(email=f"officer{next(_numbers)}@example.com", is_staff=True)
    allow(user, *(names or WORKS))
    return User.objects.get(pk=user.pk)


def team(name: str = "") -> Group:
    """A group of officers who work on cases."""
    group = Group.objects.create(name=name or f"Team {next(_numbers)}")
    allow(group, *WORKS)
    return group


def second_tier() -> Tier:
    tier, _made = Tier.objects.get_or_create(
        number=2, defaults={"daily_limit_usd": Decimal("5000.00")}
    )
    return tier


def document(person: User, kind: str, *, now: datetime | None = None) -> Document:
    """A document that was handed in, without its pages."""
    return Document.objects.create(
        application=person.kyc_application,
        kind=kind,
        media_type="image/png",
        sha256="0" * 64,
        size=1,
        page_count=1,
        uploaded_at=now or timezone.now(),
    )


def with_documents(person: User) -> User:
    """Hand in one document of each kind that tier 2 needs."""
    for kind in (Document.Kind.PASSPORT, Document.Kind.PROOF_OF_ADDRESS, Document.Kind.SELFIE):
        document(person, kind)
    return person


def applied(*, now: datetime | None = None) -> Case:
    """The case of a new person who has applied for tier 2."""
    second_tier()
    person = with_documents(people.onboarded(now=now))
    return cases.hand_in(user=person, now=now or timezone.now())


def taken(by: User, *, now: datetime | None = None) -> Case:
    """A new case that the officer is reviewing."""
    case = applied(now=now)
    return cases.take(case_id=case.pk, officer=by, version=case.version, now=now or timezone.now())


def all_done(case: Case, by: User, *, now: datetime | None = None) -> Case:
    """The case with every required action done."""
    case.application.documents.update(
        state=Document.State.ACCEPTED, decided_at=now or timezone.now(), decided_by="test"
    )
    for code in Check.values:
        if any(item.code == code for item in cases.requirements(case)):
            case = cases.check(
                case_id=case.pk,
                officer=by,
                code=code,
                version=case.version,
                now=now or timezone.now(),
            )
    return case


def approval_proposed(by: User, *, now: datetime | None = None) -> Proposal:
    """A new case, ready, with its approval proposed."""
    case = all_done(taken(by, now=now), by, now=now)
    return cases.propose_approval(
        case_id=case.pk,
        officer=by,
        outcome="VERIFIED",
        reason="All compared.",
        version=case.version,
        now=now or timezone.now(),
    )


def rejection_proposed(by: User, case: Case | None = None, outcome: str = "EXPIRED") -> Proposal:
    """A case with its rejection proposed."""
    case = case or taken(by)
    return cases.propose_rejection(
        case_id=case.pk,
        officer=by,
        outcome=outcome,
        reason="The passport ran out.",
        text="Your passport ran out in May.",
        version=case.version,
        now=timezone.now(),
    )


def approve(proposal: Proposal, by: User, *, now: datetime | None = None) -> None:
    """A second person approves."""
    four_eyes.approve(proposal_id=proposal.pk, checker=by, now=now or timezone.now())


def a_match(
    person: Application,
    *,
    is_sanctioned: bool = True,
    source_id: str = "Q1",
    by: ScreeningMatch.By = ScreeningMatch.By.NAME,
) -> ScreeningMatch:
    """Somebody on a list who may be the person, without the case that screening opens for it."""
    return ScreeningMatch.objects.create(
        application=person,
        list_name="test",
        source_id=source_id,
        digest="0" * 64,
        entry={},
        is_sanctioned=is_sanctioned,
        by=by,
        score=Decimal(90),
        found_at=timezone.now(),
    )


def dismissal_proposed(match: ScreeningMatch, by: User | None = None) -> Proposal:
    """The dismissal of a match that pauses buying, proposed."""
    return screening.propose_dismissal(
        match_id=match.pk,
        officer=by or officer("kyc.review_match"),
        reason="Born in another year.",
        now=timezone.now(),
    )


def fresh(case: Case) -> Case:
    return Case.objects.select_related("application").get(pk=case.pk)


def application(case: Case) -> Application:
    return Application.objects.get(pk=case.application_id)
