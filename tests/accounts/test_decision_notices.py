"""Officers are told what waits for them and how theirs ended, and never by name whom it is about."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts import decision_notices, notices
from accounts.decisions import propose_role
from accounts.models import Notice, User
from compliance import four_eyes
from compliance.models import Proposal
from kyc import cases
from kyc.limit_decisions import propose_tier_limit
from tests.kyc import casework
from tests.people import new_officer, new_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker() -> User:
    return new_officer("change_tier", "decide_proposal")


@pytest.fixture
def checker() -> User:
    return new_officer("decide_proposal")


def proposed(maker: User) -> Proposal:
    return propose_tier_limit(
        number=1, daily_limit_usd="900", reason="Calmer.", maker=maker, now=timezone.now()
    )


def told(user: User) -> list[str]:
    return list(
        Notice.objects.filter(user=user).order_by("created_at").values_list("kind", flat=True)
    )


def test_who_may_decide_is_told_what_waits_and_nobody_else(maker: User, checker: User) -> None:
    bystander, gone = new_officer("view_proposal"), new_officer("decide_proposal")
    User.objects.filter(pk=gone.pk).update(is_active=False)

    proposal = proposed(maker)

    notice = Notice.objects.get(user=checker)
    assert notice.kind == "decision_waits"
    assert notice.url == reverse("admin:compliance_proposal_change", args=[proposal.pk])
    assert notice.next_attempt_at is not None
    assert (told(maker), told(bystander), told(gone)) == ([], [], [])


def test_it_is_read_in_the_reader_s_language(maker: User, checker: User) -> None:
    with translation.override("es"):
        proposed(maker)
    notice = Notice.objects.get(user=checker)

    with translation.override("en"):
        assert notice.title == "Daily limit of a tier"
    with translation.override("es"):
        assert notice.title == "Límite diario de un nivel"


def test_whom_it_is_about_is_not_told_and_nobody_reads_who_it_is() -> None:
    reviewer = casework.officer()
    case = casework.taken(reviewer)
    person = case.application.user
    casework.allow(person, *casework.WORKS)
    User.objects.filter(pk=person.pk).update(is_staff=True)
    reader, without = casework.officer(), new_officer("decide_proposal")

    casework.rejection_proposed(reviewer, case)

    assert "decision_waits" not in told(person)
    assert told(without) == []
    notice = Notice.objects.get(user=reader)
    assert person.email not in f"{notice.title}{notice.text}{notice.params}"


@pytest.mark.parametrize("act", ["approve", "refuse"])
def test_the_maker_is_told_how_it_was_decided(maker: User, checker: User, act: str) -> None:
    proposal = proposed(maker)

    getattr(four_eyes, act)(
        proposal_id=proposal.pk, checker=checker, note="Secret note.", now=timezone.now()
    )

    notice = Notice.objects.get(user=maker)
    assert notice.kind == {"approve": "decision_approved", "refuse": "decision_refused"}[act]
    assert "Secret note." not in notice.text


def test_the_maker_is_told_a_day_before_it_expires_once_and_when_it_has(maker: User) -> None:
    proposal = proposed(maker)
    decision_notices.remind(now=proposal.expires_at - timedelta(hours=25))
    assert told(maker) == []

    for hours in (24, 23):
        decision_notices.remind(now=proposal.expires_at - timedelta(hours=hours))
    assert told(maker) == ["decision_expires"]

    four_eyes.expire(now=proposal.expires_at)
    assert told(maker) == ["decision_expires", "decision_expired"]


def test_one_s_own_withdrawal_is_no_news(maker: User, checker: User) -> None:
    proposal = proposed(maker)

    four_eyes.withdraw(proposal_id=proposal.pk, maker=maker, now=timezone.now())

    assert told(maker) == []


@pytest.mark.parametrize("end", ["approve", "refuse", "withdraw", "expire"])
def test_what_waits_no_more_is_unread_by_nobody(maker: User, checker: User, end: str) -> None:
    other = new_officer("decide_proposal")
    proposal, still = proposed(maker), role_proposed()
    now = timezone.now()

    match end:
        case "withdraw":
            four_eyes.withdraw(proposal_id=proposal.pk, maker=maker, now=now)
        case "expire":
            four_eyes.lapse(object_type="tier", object_id=1, now=now)
        case _:
            act = getattr(four_eyes, end)
            act(proposal_id=proposal.pk, checker=checker, note="Seen.", now=now)

    for reader in (checker, other):
        (unread,) = Notice.objects.filter(user=reader, kind="decision_waits", read_at=None)
        assert unread.url.endswith(f"{still.pk}/change/")


def role_proposed() -> Proposal:
    return propose_role(
        person=new_user(), role="Auditor", give=True, reason="Joins.",
        maker=new_officer("assign_role"), now=timezone.now(),
    )  # fmt: skip


def test_others_notices_of_decisions_and_cases_are_in_no_list(maker: User, client: Client) -> None:
    """A notice whose page is not found by the reader alone would be about the reader."""
    reader = new_officer("view_notice", "decide_proposal")
    proposed(maker)
    notices.notify(
        user=maker, kind="weekly", subject="Of others", body="x", params={}, url="",
        level=Notice.Level.INFO, now=timezone.now(),
    )  # fmt: skip
    Notice.objects.create(
        user=maker, kind="case_escalated", subject="x", body="x", created_at=timezone.now()
    )
    mine = Notice.objects.get(user=reader)
    Notice.objects.create(
        user=maker, kind="decision_waits", subject="x", body="x", created_at=timezone.now()
    )
    client.force_login(reader)

    listed = client.get(reverse("admin:accounts_notice_changelist")).context["cl"].queryset

    assert {(row.user, row.kind) for row in listed} == {
        (reader, "decision_waits"),
        (maker, "weekly"),
    }
    for row in Notice.objects.exclude(pk=mine.pk).exclude(kind="weekly"):
        page = client.get(reverse("admin:accounts_notice_change", args=[row.pk]))
        assert page.status_code in (302, 404)


def test_a_group_is_told_of_a_case_that_it_is_handed(maker: User) -> None:
    group = casework.team()
    member, reviewer = new_user(is_staff=True), casework.officer()
    for one in (member, reviewer):
        one.groups.add(group)
    case = casework.taken(reviewer)

    cases.escalate(
        case_id=case.pk,
        officer=reviewer,
        group=group,
        text="Look at the stamp.",
        version=case.version,
        now=timezone.now(),
    )

    notice = Notice.objects.get(user=member)
    assert notice.kind == "case_escalated"
    assert notice.url == reverse("admin:kyc_case_change", args=[case.pk])
    assert told(reviewer) == []
