"""Officers propose and decide in the back office."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.decisions import propose_role
from accounts.models import User
from agora import roles
from compliance import four_eyes
from compliance.models import AuditRow, Proposal
from kyc.limit_decisions import propose_tier_limit
from kyc.models import Tier
from tests.kyc import casework
from tests.people import new_officer, new_user, onboarded
from tokens.models import Attestation

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "True"}
LIST = "admin:compliance_proposal_changelist"


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def maker() -> User:
    return new_officer(
        "view_proposal", "view_tier", "change_tier", "decide_proposal", "view_dailylimit",
        "change_dailylimit", "view_user", "assign_role", "view_attestation", "add_attestation",
    )  # fmt: skip


@pytest.fixture
def checker() -> User:
    return new_officer("view_proposal", "decide_proposal")


@pytest.fixture
def proposal(maker: User) -> Proposal:
    return propose_tier_limit(
        number=1, daily_limit_usd="900", reason="Calmer.", maker=maker, now=timezone.now()
    )


def act(user: User, name: str, proposal: Proposal, **form: str) -> list[str]:
    """Submit a dialog of the proposal's page; what the page then tells."""
    browser = browser_of(user)
    answer = browser.post(
        reverse(f"admin:compliance_proposal_{name}", args=[proposal.pk]), {**DIALOG, **form}
    )
    if "HX-Redirect" not in answer.headers:
        return [f"{answer.status_code}"]
    page = browser.get(answer.headers["HX-Redirect"])
    return [str(message) for message in page.context["messages"]]


def limit() -> Decimal:
    return Tier.objects.get(pk=1).daily_limit_usd


def test_the_second_officer_reads_what_it_does_and_approves(
    proposal: Proposal, checker: User
) -> None:
    page = browser_of(checker).get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))
    assert "Daily limit of a tier" in page.text
    assert "Calmer." in page.text

    assert act(checker, "approve", proposal) == ["Approved. It has taken effect."]

    assert limit() == 900


def test_who_decides_lands_on_the_decision(proposal: Proposal, checker: User) -> None:
    page = reverse("admin:compliance_proposal_approve", args=[proposal.pk])

    answer = browser_of(checker).post(page, DIALOG)

    decided = reverse("admin:compliance_proposal_change", args=[proposal.pk])
    assert answer.headers["HX-Redirect"] == decided


def test_the_first_officer_is_told_that_a_second_one_has_to_decide_and_is_offered_no_more(
    proposal: Proposal, maker: User
) -> None:
    page = browser_of(maker).get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))

    assert "A second person reads what it does" in page.text
    assert reverse("admin:compliance_proposal_approve", args=[proposal.pk]) not in page.text
    assert reverse("admin:compliance_proposal_withdraw", args=[proposal.pk]) in page.text
    assert act(maker, "approve", proposal) == ["403"]
    assert limit() == 1000


def test_whom_it_is_about_finds_nothing(maker: User, checker: User) -> None:
    proposal = propose_role(
        person=checker,
        role=roles.AUDITOR,
        give=True,
        reason="New.",
        maker=maker,
        now=timezone.now(),
    )
    browser = browser_of(checker)

    page = reverse("admin:compliance_proposal_change", args=[proposal.pk])
    assert "Role of a person" not in browser.get(reverse(LIST)).text
    assert browser.get(page).status_code == 302  # leads away from a row that is not there
    for name in ("approve", "refuse"):
        assert act(checker, name, proposal, note="x") == ["404"]


def test_a_look_at_a_text_for_a_person_is_noted() -> None:
    proposal = casework.rejection_proposed(casework.officer())
    reader = casework.officer("compliance.view_proposal", "kyc.view_case")

    page = browser_of(reader).get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))

    assert "Text for the person" in page.text
    look = AuditRow.objects.get(action="personal_data.viewed")
    assert (look.actor, look.object_id) == (f"user:{reader.pk}", proposal.object_id)


def test_who_may_not_see_cases_finds_no_decisions_on_them(checker: User) -> None:
    proposal = casework.rejection_proposed(casework.officer())
    browser = browser_of(checker)

    assert "Reject a person" not in browser.get(reverse(LIST)).text
    page = browser.get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))
    assert page.status_code == 302
    assert act(checker, "approve", proposal) == ["404"]


def test_a_refusal_needs_its_reason(proposal: Proposal, checker: User) -> None:
    assert act(checker, "refuse", proposal, note="") == ["200"]
    assert act(checker, "refuse", proposal, note="Too low.") == ["Refused. Nothing was changed."]

    proposal.refresh_from_db()
    assert (proposal.state, proposal.note) == (Proposal.State.REFUSED, "Too low.")


def test_who_proposed_it_can_withdraw_it_and_nobody_else(
    proposal: Proposal, maker: User, checker: User
) -> None:
    assert act(checker, "withdraw", proposal) == ["403"]
    assert act(maker, "withdraw", proposal) == ["Withdrawn. Nothing was changed."]


@pytest.mark.parametrize("name", ["approve", "refuse"])
def test_without_the_permission_nobody_decides(proposal: Proposal, name: str) -> None:
    assert act(new_officer("view_proposal"), name, proposal, note="x") == ["403"]

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.OPEN


def test_a_link_alone_decides_nothing(proposal: Proposal, checker: User) -> None:
    browser_of(checker).get(reverse("admin:compliance_proposal_approve", args=[proposal.pk]))

    assert limit() == 1000


def test_the_menu_counts_what_waits_for_the_reader(
    proposal: Proposal, maker: User, checker: User
) -> None:
    theirs = browser_of(checker).get(reverse(LIST), {"waits": "me"})
    own = browser_of(maker).get(reverse(LIST), {"waits": "me"})

    assert "tier 1" in theirs.text
    assert "tier 1" not in own.text


def propose_in(user: User, url: str, **form: str) -> Proposal | None:
    browser_of(user).post(url, {**DIALOG, **form})
    return Proposal.objects.first()


def test_a_tier_s_limit_is_proposed_on_its_page(maker: User) -> None:
    url = reverse("admin:kyc_tier_propose_limit", args=[1])

    proposal = propose_in(maker, url, daily_limit_usd="750", reason="Risk.")

    assert proposal is not None
    assert proposal.payload == {"daily_limit_usd": "750.00", "before": "1000.00"}


def test_a_person_s_limit_is_proposed_on_its_page(maker: User) -> None:
    application = onboarded().kyc_application
    url = reverse("admin:kyc_dailylimit_propose_limit", args=[application.pk])

    proposal = propose_in(maker, url, daily_limit_usd="100", reason="Asked for.")

    assert proposal is not None
    assert proposal.object_id == str(application.pk)


def test_a_role_is_proposed_on_the_person_s_page(maker: User) -> None:
    person = new_user()
    url = reverse("admin:accounts_user_propose_role", args=[person.pk])

    proposal = propose_in(maker, url, role=roles.AUDITOR, give="yes", reason="New auditor.")

    assert proposal is not None
    assert proposal.payload == {"role": roles.AUDITOR, "give": True}


def test_an_audit_of_the_contract_is_proposed_and_recorded(maker: User, checker: User) -> None:
    proposal = propose_in(
        maker,
        reverse("admin:tokens_attestation_propose"),
        bytecode_sha256="a" * 64,
        auditor="An auditor of this test",
        report_url="https://audits.example/r.pdf",
        report_sha256="b" * 64,
        audited_on="2026-01-05",
        reason="Read it.",
    )

    assert proposal is not None
    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())
    page = browser_of(maker).get(reverse("admin:tokens_attestation_changelist"))
    assert Attestation.objects.get().auditor in page.text


@pytest.mark.parametrize(
    "view",
    ["admin:kyc_tier_propose_limit", "admin:kyc_dailylimit_propose_limit"],
)
def test_who_may_only_look_proposes_nothing(view: str) -> None:
    application = onboarded().kyc_application
    officer = new_officer("view_tier", "view_dailylimit", "view_proposal")
    url = reverse(view, args=[application.pk if "daily" in view else 1])

    answer = browser_of(officer).post(url, {**DIALOG, "daily_limit_usd": "5", "reason": "x"})

    assert answer.status_code == 403
    assert not Proposal.objects.exists()


def test_the_second_officer_is_led_to_what_it_is_about(proposal: Proposal, checker: User) -> None:
    page = browser_of(checker).get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))

    assert reverse("admin:kyc_tier_change", args=[1]) in page.text


def test_the_menu_shows_no_empty_count(proposal: Proposal, maker: User, checker: User) -> None:
    counts = "text-[11px] text-center text-red-700"

    assert counts in browser_of(checker).get(reverse(LIST)).text
    assert counts not in browser_of(maker).get(reverse(LIST)).text


def test_an_empty_list_asks_nobody_to_add_a_row(checker: User) -> None:
    page = browser_of(checker).get(reverse(LIST))

    assert "Nothing here" in page.text
    assert "Create a new item" not in page.text


def test_a_decision_is_headed_by_what_it_is(proposal: Proposal, checker: User) -> None:
    page = browser_of(checker).get(reverse("admin:compliance_proposal_change", args=[proposal.pk]))

    assert f"Daily limit of a tier, {proposal.proposed_at:%Y-%m-%d %H:%M}" in page.text
    assert proposal.kind not in page.text
