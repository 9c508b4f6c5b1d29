"""Decisions about people, taken by two: what each does to tier, limit, case and person (ID-2)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone, translation

from accounts.erasure import close
from accounts.models import Notice, User
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases, erasure
from kyc.cases import CaseError
from kyc.models import Application, Case, CaseEvent, DailyLimit, Document
from kyc.selectors import is_approved
from kyc.states import Outcome, State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import application, fresh, officer

pytestmark = pytest.mark.django_db
Status = Application.Status


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, check=lambda error: error.code == code)


def told(person: User) -> list[str]:
    return list(
        Notice.objects.filter(user=person).order_by("created_at").values_list("kind", flat=True)
    )


def pending_by_match() -> Case:
    """A person whose onboarding waits for officers."""
    person = people.onboarded()
    Application.objects.filter(user=person).update(
        status=Status.PENDING, decided_at=None, decided_by=""
    )
    DailyLimit.objects.filter(application__user=person).delete()
    return matched(person)


def matched(person: User) -> Case:
    case = cases.open_for_match(
        application=Application.objects.get(user=person), now=timezone.now()
    )
    assert case is not None
    return case


def test_approval_by_a_second_person_grants_the_tier_and_its_limit() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    assert application(case).tier_id == 1
    checker = officer()

    casework.approve(proposal, checker)

    person = application(case)
    assert (person.tier_id, person.status) == (2, Status.APPROVED)
    assert person.daily_limit.limit_usd == Decimal("5000.00")
    assert person.decided_by == f"user:{checker.pk}"
    closed = fresh(case)
    assert (closed.state, closed.outcome) == (State.APPROVED, Outcome.VERIFIED)
    assert closed.lock_until is None
    assert told(person.user) == ["verification-approved"]


def test_what_was_escalated_to_a_group_is_decided_in_it() -> None:
    mine, lead, second, outsider = (officer() for _ in range(4))
    superuser = officer()
    superuser.is_superuser = True
    superuser.save()
    team = casework.team()
    for member in (lead, second):
        member.groups.add(team)
    case, now = casework.taken(mine), timezone.now()
    case = cases.escalate(
        case_id=case.pk, officer=mine, group=team, text="Hard.", version=case.version, now=now
    )
    case = cases.take(case_id=case.pk, officer=lead, version=case.version, now=now)
    proposal = casework.rejection_proposed(lead, case)

    for asked, person in ((True, second), (False, lead), (False, outsider), (True, superuser)):
        assert (proposal in four_eyes.waiting_for(person, now=now)) is asked
        assert Notice.objects.filter(user=person, kind="decision_waits").exists() is asked
    with refused("other_group"):
        casework.approve(proposal, outsider)
    with refused("other_group"):
        four_eyes.refuse(proposal_id=proposal.pk, checker=outsider, note="No.", now=now)

    assert (fresh(case).state, Proposal.objects.get().state) == (State.AWAITING_SECOND, "OPEN")
    casework.approve(proposal, second)
    assert fresh(case).state == State.REJECTED


def test_in_a_group_without_a_second_person_nothing_is_proposed() -> None:
    mine, lead, second = (officer() for _ in range(3))
    alone, both = casework.team(), casework.team()
    lead.groups.add(alone, both)
    second.groups.add(both)
    case, now = casework.taken(mine), timezone.now()
    case = cases.escalate(
        case_id=case.pk, officer=mine, group=alone, text="Hard.", version=case.version, now=now
    )
    case = cases.take(case_id=case.pk, officer=lead, version=case.version, now=now)

    with refused("no_second"):
        casework.rejection_proposed(lead, case)

    case = cases.escalate(
        case_id=case.pk, officer=lead, group=both, text="Both.", version=case.version, now=now
    )
    case = cases.take(case_id=case.pk, officer=lead, version=case.version, now=now)
    assert casework.rejection_proposed(lead, case).state == "OPEN"


def test_many_groups_ask_no_more_queries(django_assert_max_num_queries: Any) -> None:
    person = User.objects.get(pk=officer().pk)
    person.groups.add(*(casework.team() for _ in range(3)))

    with django_assert_max_num_queries(4):  # the permissions twice, the unmarked, the count
        four_eyes.waiting_for(person, now=timezone.now()).count()


def test_what_is_decided_names_the_person_until_they_are_erased() -> None:
    proposal = casework.approval_proposed(officer())
    person = application(Case.objects.get(pk=proposal.object_id)).user

    assert _lines(proposal)["Person"] == person.email

    close(user=person, now=timezone.now())
    assert _lines(proposal)["Person"] == "erased"


def _lines(proposal: Proposal) -> dict[str, str]:
    lines = four_eyes.kind_of(proposal.kind).lines(proposal)
    return {str(name): str(text) for name, text in lines}


@pytest.mark.parametrize(
    ("language", "limit"), [("en", "$5,000.00"), ("es", "USD 5.000,00"), ("pt-br", "US$ 5.000,00")]
)
def test_the_person_reads_their_limit_as_on_the_pages(language: str, limit: str) -> None:
    proposal = casework.approval_proposed(officer())
    person = application(Case.objects.get(pk=proposal.object_id)).user
    User.objects.filter(pk=person.pk).update(language=language)

    casework.approve(proposal, officer())

    with translation.override(language):
        assert limit in Notice.objects.get(user=person).text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_new_tiers_limit_takes_the_place_of_a_personal_one() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    DailyLimit.objects.filter(application=case.application_id).update(
        limit_usd=300, is_personal=True, used_usd=120
    )

    casework.approve(proposal, officer())

    limit = application(case).daily_limit
    assert (limit.limit_usd, limit.used_usd) == (Decimal(5000), Decimal(120))
    assert not limit.is_personal


def test_who_proposed_cannot_approve() -> None:
    mine = officer()
    proposal = casework.approval_proposed(mine)

    with refused("same_person"):
        casework.approve(proposal, mine)
    assert fresh(Case.objects.get(pk=proposal.object_id)).state == State.AWAITING_SECOND


def test_nobody_decides_on_themselves() -> None:
    proposal = casework.approval_proposed(officer())
    person = Case.objects.get(pk=proposal.object_id).application.user
    casework.allow(person, *casework.WORKS)
    person = User.objects.get(pk=person.pk)

    with pytest.raises(Proposal.DoesNotExist):
        casework.approve(proposal, person)
    with pytest.raises(Proposal.DoesNotExist):
        four_eyes.refuse(proposal_id=proposal.pk, checker=person, note="No.", now=timezone.now())


def test_approval_cannot_be_proposed_while_actions_are_open() -> None:
    mine = officer()
    case = casework.taken(mine)

    with refused("actions_open") as caught:
        cases.propose_approval(
            case_id=case.pk,
            officer=mine,
            outcome="VERIFIED",
            reason="Fine.",
            version=case.version,
            now=timezone.now(),
        )

    assert "Identity document accepted" in str(caught.value)
    assert fresh(case).state == State.UNDER_REVIEW
    assert not case.events.filter(kind=CaseEvent.Kind.PROPOSED).exists()


def test_an_approval_fails_when_an_action_is_open_again_meanwhile() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    case.application.documents.filter(kind=Document.Kind.SELFIE).update(
        state="REJECTED", reason="unreadable"
    )

    with refused("actions_open"):
        casework.approve(proposal, officer())
    assert application(case).tier_id == 1


def test_only_who_reviews_may_propose() -> None:
    case = casework.applied()
    mine = officer()

    with refused("not_reviewing"):
        casework.rejection_proposed(mine, case)


def test_proposing_needs_the_permission() -> None:
    case = casework.applied()

    with pytest.raises(PermissionDenied):
        casework.rejection_proposed(officer(*casework.LOOKS), case)


def test_an_outcome_has_to_fit_the_decision() -> None:
    mine = officer()
    case = casework.taken(mine)

    with refused("outcome_wrong"):
        casework.rejection_proposed(mine, case, outcome="VERIFIED")


@pytest.mark.parametrize("end", ["withdrawn", "refused", "expired"])
def test_a_case_goes_back_under_review_when_its_proposal_falls(end: str) -> None:
    mine = officer()
    proposal = casework.approval_proposed(mine)
    case = Case.objects.get(pk=proposal.object_id)
    now = timezone.now()

    if end == "withdrawn":
        cases.take_back(case_id=case.pk, officer=mine, now=now)
    elif end == "refused":
        four_eyes.refuse(proposal_id=proposal.pk, checker=officer(), note="No.", now=now)
    else:
        four_eyes.expire(now=now + timedelta(days=8))

    case = fresh(case)
    assert (case.state, case.assigned_to) == (State.UNDER_REVIEW, mine)
    assert case.events.last() is not None
    assert case.events.filter(kind=CaseEvent.Kind.RETURNED).count() == 1


def test_only_ones_own_proposal_can_be_taken_back() -> None:
    proposal = casework.approval_proposed(officer())

    with refused("no_proposal"):
        cases.take_back(case_id=UUID(proposal.object_id), officer=officer(), now=timezone.now())


def test_a_rejected_application_for_a_higher_tier_leaves_the_person_as_they_are() -> None:
    proposal = casework.rejection_proposed(officer())

    casework.approve(proposal, officer())

    case = Case.objects.get(pk=proposal.object_id)
    person = application(case)
    assert (person.status, person.tier_id) == (Status.APPROVED, 1)
    assert (case.state, case.outcome) == (State.REJECTED, Outcome.EXPIRED)
    assert told(person.user) == ["verification-rejected"]
    stands = cases.standing(user=person.user, now=timezone.now())
    assert stands is not None
    assert stands.result == "One of your documents has expired."
    assert stands.explanation == "Your passport ran out in May."


def test_a_rejected_person_may_apply_again_after_the_stated_time() -> None:
    proposal = casework.rejection_proposed(officer())
    casework.approve(proposal, officer())
    person = Case.objects.get(pk=proposal.object_id).application.user
    soon, later = (timezone.now() + timedelta(days=days) for days in (29, 31))

    with refused("too_early"):
        cases.hand_in(user=person, now=soon)
    case = cases.hand_in(user=person, now=later)

    assert (case.state, case.cause) == (State.PENDING, Case.Cause.TIER)


def test_a_person_rejected_at_onboarding_applies_again_for_their_first_tier() -> None:
    mine = officer()
    case = pending_by_match()
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    casework.approve(casework.rejection_proposed(mine, case, "OTHER"), officer())
    person = application(case).user
    assert application(case).status == Status.REJECTED
    casework.with_documents(person)

    again = cases.hand_in(user=person, now=timezone.now() + timedelta(days=31))

    assert (again.cause, again.tier_id) == (Case.Cause.AGAIN, 1)
    assert application(again).status == Status.PENDING


def test_a_match_at_onboarding_waits_for_two_people_before_the_person_may_buy() -> None:
    mine = officer()
    case = pending_by_match()
    person = case.application.user
    assert case.cause == Case.Cause.ONBOARDING
    assert not is_approved(person)

    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="NO_RISK",
        reason="Another birth year.",
        version=case.version,
        now=timezone.now(),
    )
    casework.approve(proposal, officer())

    assert is_approved(person)
    assert application(case).daily_limit.limit_usd == Decimal("1000.00")


def test_a_later_match_opens_a_case_and_the_person_goes_on_buying() -> None:
    person = people.onboarded()

    case = matched(person)

    assert (case.cause, case.state) == (Case.Cause.SCREENING, State.PENDING)
    assert is_approved(person)


def test_a_match_is_told_to_the_case_that_is_open_already() -> None:
    case = casework.applied()

    again = matched(case.application.user)

    assert again == case
    assert again.version == case.version + 1
    assert case.events.filter(kind=CaseEvent.Kind.MATCHED).count() == 1


def test_a_match_calls_a_case_back_that_waits_for_the_person() -> None:
    mine = officer()
    case = casework.taken(mine)
    case = cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["SELFIE"],
        text="Again.",
        version=case.version,
        now=timezone.now(),
    )

    assert matched(case.application.user).state == State.PENDING


def test_no_case_is_opened_for_a_rejected_person() -> None:
    person = people.onboarded()
    Application.objects.filter(user=person).update(status=Status.REJECTED)

    found = cases.open_for_match(
        application=Application.objects.get(user=person), now=timezone.now()
    )

    assert found is None


def test_a_confirmed_match_suspends_and_says_nothing_of_lists() -> None:
    mine = officer()
    person = people.onboarded()
    case = matched(person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())

    casework.approve(casework.rejection_proposed(mine, case, "RISK_CONFIRMED"), officer())

    assert application(case).status == Status.SUSPENDED
    assert not is_approved(person)
    assert told(person) == ["verification-suspended"]
    stands = cases.standing(user=person, now=timezone.now())
    assert stands is not None
    assert (stands.code, stands.result, stands.explanation) == ("suspended", "", "")


def test_suspending_and_its_end_take_two_people_each() -> None:
    person = people.onboarded()
    chief, second = officer(*casework.LEADS), officer()

    proposal = cases.propose_suspension(
        application=person.kyc_application, officer=chief, reason="Odd.", now=timezone.now()
    )
    assert is_approved(person)
    casework.approve(proposal, second)
    assert not is_approved(person)

    back = cases.propose_reinstatement(
        application=person.kyc_application, officer=chief, reason="Clear.", now=timezone.now()
    )
    casework.approve(back, second)
    assert is_approved(person)
    assert told(person) == ["verification-suspended", "verification-reinstated"]
    trail = audit.history(object_type="kyc_application", object_id=str(person.kyc_application.pk))
    actions = [row.action for row in trail]
    assert actions.index("kyc.suspended") < actions.index("kyc.reinstated")


def test_what_was_decided_about_an_erased_person_stays_readable() -> None:
    proposal = casework.rejection_proposed(officer())
    casework.approve(proposal, officer())
    case = Case.objects.select_related("application").get(pk=proposal.object_id)

    erasure.forget(user_id=case.application.user_id, now=timezone.now())

    lines = four_eyes.kind_of(proposal.kind).lines(Proposal.objects.get(pk=proposal.pk))
    assert ("Text for the person", "erased") in [(str(name), str(value)) for name, value in lines]


def test_suspending_needs_its_permission() -> None:
    person = people.onboarded()

    with pytest.raises(PermissionDenied):
        cases.propose_suspension(
            application=person.kyc_application, officer=officer(), reason="Odd.", now=timezone.now()
        )


def test_a_suspended_person_can_hand_in_nothing() -> None:
    casework.second_tier()
    person = casework.with_documents(people.onboarded())
    Application.objects.filter(user=person).update(status=Status.SUSPENDED)

    with pytest.raises(CaseError):
        cases.hand_in(user=person, now=timezone.now())


def test_a_suspended_person_is_not_approved_for_more() -> None:
    proposal = casework.approval_proposed(officer())
    case = Case.objects.get(pk=proposal.object_id)
    Application.objects.filter(pk=case.application_id).update(status=Status.SUSPENDED)

    with refused("suspended"):
        casework.approve(proposal, officer())


def test_the_second_person_reads_what_is_proposed() -> None:
    proposal = casework.rejection_proposed(officer())

    lines = {
        str(label): str(value) for label, value in four_eyes.kind_of("kyc.reject").lines(proposal)
    }

    assert lines["Outcome"] == "A document has expired"
    assert lines["Text for the person"] == "Your passport ran out in May."
    assert "May" not in str(proposal.payload)


def proposed_rejection_of(case: Case, outcome: str = "OTHER") -> Proposal:
    mine = officer()
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    return casework.rejection_proposed(mine, case, outcome)


def of_a_match() -> Case:
    return matched(people.onboarded())


def joined_by_the_person() -> Case:
    """A review that nobody had asked for, which the person's own application joined."""
    casework.second_tier()
    person = casework.with_documents(people.onboarded())
    matched(person)
    return cases.hand_in(user=person, now=timezone.now())


def of_somebody_suspended() -> Case:
    case = casework.applied()
    Application.objects.filter(pk=case.application_id).update(status=Status.SUSPENDED)
    return case


@pytest.mark.parametrize(
    ("begun", "outcome", "told_to_second", "becomes"),
    [
        (pending_by_match, "OTHER", "The person is rejected.", Status.REJECTED),
        (of_a_match, "OTHER", "The person is suspended.", Status.SUSPENDED),
        (casework.applied, "OTHER", "The person keeps tier 1.", Status.APPROVED),
        (casework.applied, "RISK_CONFIRMED", "The person is suspended.", Status.SUSPENDED),
        (joined_by_the_person, "OTHER", "The person keeps tier 1.", Status.APPROVED),
        (joined_by_the_person, "RISK_CONFIRMED", "The person is suspended.", Status.SUSPENDED),
        (of_somebody_suspended, "OTHER", "The person stays suspended.", Status.SUSPENDED),
    ],
)
def test_the_second_person_reads_what_a_rejection_does_and_it_does_that(
    begun: Callable[[], Case], outcome: str, told_to_second: str, becomes: Status
) -> None:
    proposal = proposed_rejection_of(begun(), outcome)

    assert _lines(proposal)["What happens"] == told_to_second

    casework.approve(proposal, officer())
    case = Case.objects.get(pk=proposal.object_id)
    assert application(case).status == becomes
    assert "What happens" not in _lines(Proposal.objects.get(pk=proposal.pk))


def test_the_second_person_reads_the_limit_that_a_new_tier_brings() -> None:
    proposal = casework.approval_proposed(officer())
    DailyLimit.objects.update(limit_usd=300, is_personal=True)

    assert _lines(proposal)["Daily limit then, USD"] == "5000"


def test_the_second_person_reads_the_persons_own_limit_where_the_tier_stays() -> None:
    person, mine = people.onboarded(), officer()
    DailyLimit.objects.filter(application__user=person).update(limit_usd=300, is_personal=True)
    case = matched(person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="NO_RISK",
        reason="Another birth year.",
        version=case.version,
        now=timezone.now(),
    )

    assert _lines(proposal)["Daily limit then, USD"] == "300"

    casework.approve(proposal, officer())
    assert application(case).daily_limit.limit_usd == 300


def test_a_person_does_not_learn_that_a_match_is_looked_at() -> None:
    casework.second_tier()
    person = people.onboarded()
    before = cases.standing(user=person, now=timezone.now())
    case = matched(person)
    during = cases.standing(user=person, now=timezone.now())
    mine = officer()
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="NO_RISK",
        reason="Another birth year.",
        version=case.version,
        now=timezone.now(),
    )
    casework.approve(proposal, officer())

    assert before == during == cases.standing(user=person, now=timezone.now())
    assert told(person) == []


def test_who_applies_while_a_match_is_looked_at_joins_that_case() -> None:
    casework.second_tier()
    person = casework.with_documents(people.onboarded())
    case = matched(person)

    joined = cases.hand_in(user=person, now=timezone.now())

    assert (joined, joined.cause, joined.tier_id) == (case, Case.Cause.TIER, 2)
    assert {item.code for item in cases.requirements(joined)} >= {"IDENTITY", "FACE"}


def test_a_proposal_on_the_smaller_case_is_not_approved_for_the_larger_one() -> None:
    casework.second_tier()
    person = casework.with_documents(people.onboarded())
    case, mine = matched(person), officer()
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())
    case = casework.all_done(case, mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="NO_RISK",
        reason="Another birth year.",
        version=case.version,
        now=timezone.now(),
    )
    cases.hand_in(user=person, now=timezone.now())

    with refused("changed"):
        casework.approve(proposal, officer())
    assert application(case).tier_id == 1


def test_who_waits_for_their_first_tier_applies_for_nothing_more() -> None:
    casework.second_tier()
    case = pending_by_match()

    stands = cases.standing(user=case.application.user, now=timezone.now())

    assert stands is not None
    assert (stands.code, stands.may_hand_in) == ("in_review", False)
    with refused("in_review"):
        cases.hand_in(user=case.application.user, now=timezone.now())
