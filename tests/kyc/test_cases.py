"""Cases: the queue, the review, and who may do what when (ID-2)."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.utils import timezone, translation

from accounts.models import Notice, User
from agora.lib.states import IllegalMove
from compliance import audit
from kyc import cases, documents
from kyc.cases import CaseError
from kyc.documents import DocumentRefused
from kyc.models import Case, CaseEvent, Document
from kyc.states import MOVES, State
from tests import people
from tests.kyc import casework
from tests.kyc.casework import applied, fresh, officer, taken

pytestmark = pytest.mark.django_db


def refused(code: str) -> "pytest.RaisesExc[CaseError]":
    return pytest.raises(CaseError, check=lambda error: error.code == code)


def test_the_next_case_is_the_one_due_first() -> None:
    now = timezone.now()
    later, first = applied(now=now), applied(now=now - timedelta(hours=3))
    mine = officer()

    assert cases.take_next(officer=mine, now=now) == first
    assert cases.take_next(officer=mine, now=now) == later
    assert cases.take_next(officer=mine, now=now) is None


def test_taking_a_case_assigns_locks_and_notes_the_first_look() -> None:
    now = timezone.now()
    applied(now=now - timedelta(hours=1))
    mine = officer()

    case = cases.take_next(officer=mine, now=now)

    assert case is not None
    assert (case.state, case.assigned_to, case.first_look_at) == (State.UNDER_REVIEW, mine, now)
    assert case.lock_holder(now) == mine.pk
    assert case.lock_holder(now + timedelta(hours=1)) is None


def test_an_action_leaves_an_event_and_an_audit_row_without_what_was_written() -> None:
    mine = officer()
    case = taken(mine)

    cases.note(
        case_id=case.pk, officer=mine, text="Ana's flat", version=case.version, now=timezone.now()
    )

    event = case.events.get(kind=CaseEvent.Kind.NOTED)
    assert cases.text_of(event) == "Ana's flat"
    assert b"flat" not in bytes(event.text_encrypted or b"")
    rows = audit.history(object_type="kyc_case", object_id=str(case.pk))
    assert [row.action for row in rows] == [
        "kyc.case.opened",
        "kyc.case.taken",
        "kyc.case.noted",
    ]
    assert "flat" not in str(rows[-1].evidence)


def test_events_cannot_be_changed_or_removed() -> None:
    event = applied().events.get()

    with pytest.raises(DatabaseError), transaction.atomic():
        CaseEvent.objects.filter(pk=event.pk).update(kind="NOTED")
    with pytest.raises(DatabaseError), transaction.atomic():
        event.delete()


def test_others_keep_off_a_locked_case_until_the_lock_ends() -> None:
    now = timezone.now()
    case = taken(officer(), now=now)
    other = officer()

    with refused("locked"):
        cases.note(case_id=case.pk, officer=other, text="Hi", version=case.version, now=now)
    assert fresh(case).version == case.version

    hours = now + timedelta(hours=1)
    cases.note(case_id=case.pk, officer=other, text="Hi", version=case.version, now=hours)


def test_a_renewed_lock_holds_longer_and_counts_as_no_change() -> None:
    now = timezone.now()
    mine = officer()
    case = taken(mine, now=now)
    later = now + timedelta(minutes=10)

    until = cases.keep_lock(case_id=case.pk, officer=mine, now=later)

    assert until == later + timedelta(seconds=900)
    assert fresh(case).version == case.version


def test_a_lock_cannot_be_renewed_by_others() -> None:
    now = timezone.now()
    case = taken(officer(), now=now)

    with refused("not_reviewing"):
        cases.keep_lock(case_id=case.pk, officer=officer(), now=now)


def test_an_action_begun_on_an_older_version_is_refused() -> None:
    mine = officer()
    case = taken(mine)
    now = timezone.now()
    cases.note(case_id=case.pk, officer=mine, text="One", version=case.version, now=now)

    with refused("stale"):
        cases.note(case_id=case.pk, officer=mine, text="Two", version=case.version, now=now)
    assert case.events.filter(kind=CaseEvent.Kind.NOTED).count() == 1


def test_a_released_case_is_anybodys_again_with_its_due_time() -> None:
    now = timezone.now()
    mine, other = officer(), officer()
    case = taken(mine, now=now)

    cases.release(case_id=case.pk, officer=mine, version=case.version, now=now)

    again = cases.take_next(officer=other, now=now)
    assert again == case
    assert again is not None
    assert again.due_at == case.due_at


def test_nobody_else_takes_an_assigned_case() -> None:
    now = timezone.now()
    chief, theirs, other = officer(*casework.LEADS), officer(), officer()
    case = applied(now=now)
    case = cases.assign(case_id=case.pk, officer=chief, to=theirs, version=case.version, now=now)

    assert cases.take_next(officer=other, now=now) is None
    with refused("assigned"):
        cases.take(case_id=case.pk, officer=other, version=case.version, now=now)
    assert cases.take_next(officer=theirs, now=now) == case


def test_assigning_a_case_under_review_ends_the_review() -> None:
    now = timezone.now()
    chief, first, second = officer(*casework.LEADS), officer(), officer()
    case = taken(first, now=now)

    case = cases.assign(case_id=case.pk, officer=chief, to=second, version=case.version, now=now)

    assert (case.state, case.assigned_to, case.lock_until) == (State.PENDING, second, None)
    with refused("not_reviewing"):
        cases.check(case_id=case.pk, officer=first, code="NAME", version=case.version, now=now)


def test_assigning_needs_its_permission() -> None:
    now = timezone.now()
    case = applied()

    with pytest.raises(PermissionDenied):
        cases.assign(
            case_id=case.pk, officer=officer(), to=officer(), version=case.version, now=now
        )


def test_a_case_goes_only_to_who_may_work_on_it() -> None:
    case = applied()
    chief, visitor = officer(*casework.LEADS), officer(*casework.LOOKS)

    with refused("not_theirs"):
        cases.assign(
            case_id=case.pk, officer=chief, to=visitor, version=case.version, now=timezone.now()
        )


def test_who_may_only_look_cannot_take() -> None:
    applied()

    with pytest.raises(PermissionDenied):
        cases.take_next(officer=officer(*casework.LOOKS), now=timezone.now())


def test_nobody_works_on_their_own_case() -> None:
    case = applied()
    person = case.application.user
    casework.allow(person, *casework.WORKS)
    person = type(person).objects.get(pk=person.pk)
    now = timezone.now()

    assert cases.take_next(officer=person, now=now) is None
    with refused("own_case"):
        cases.take(case_id=case.pk, officer=person, version=case.version, now=now)


def test_asking_tells_the_person_and_waits_for_them() -> None:
    mine = officer()
    case = taken(mine)
    now = timezone.now()

    case = cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ADDRESS", "ANSWER"],
        text="Your bill is from 2019.",
        version=case.version,
        now=now,
    )

    assert (case.state, case.needs, case.assigned_to) == (
        State.INFO_REQUESTED,
        ["ADDRESS", "ANSWER"],
        mine,
    )
    stands = cases.standing(user=case.application.user, now=now)
    assert stands is not None
    assert (stands.code, stands.question) == ("needs_you", "Your bill is from 2019.")
    notice = Notice.objects.get(user=case.application.user, kind="verification-asked")
    assert "A proof of your address, An answer in your own words" in notice.text
    assert "2019" not in notice.text


def test_what_is_needed_is_told_in_the_language_of_the_one_who_reads() -> None:
    mine = officer()
    case = taken(mine)

    cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ADDRESS", "ANSWER"],
        text="Otra, por favor.",
        version=case.version,
        now=timezone.now(),
    )

    notice = Notice.objects.get(user=case.application.user, kind="verification-asked")
    with translation.override("es"):
        assert "necesitamos: Un comprobante de domicilio, Una respuesta" in notice.text
    with translation.override("en"):
        assert "we need: A proof of your address, An answer in your own words." in notice.text


@pytest.mark.parametrize(("needs", "text"), [([], "Text"), (["ADDRESS"], "  ")])
def test_asking_for_nothing_or_without_words_is_refused(needs: list[str], text: str) -> None:
    mine = officer()
    case = taken(mine)

    with pytest.raises(CaseError):
        cases.ask(
            case_id=case.pk,
            officer=mine,
            needs=needs,
            text=text,
            version=case.version,
            now=timezone.now(),
        )
    assert fresh(case).state == State.UNDER_REVIEW
    assert not Notice.objects.filter(kind="verification-asked").exists()


def test_an_answer_brings_the_case_back_to_its_officer_due_anew_and_unchecked() -> None:
    now = timezone.now()
    mine = officer()
    case = casework.all_done(taken(mine, now=now), mine, now=now)
    case = cases.ask(
        case_id=case.pk, officer=mine, needs=["ANSWER"], text="Why?", version=case.version, now=now
    )
    later = now + timedelta(days=3)

    cases.hand_in(user=case.application.user, answer="Because.", now=later)

    case = fresh(case)
    assert (case.state, case.assigned_to, case.needs) == (State.PENDING, mine, [])
    assert case.due_at == later + timedelta(hours=24)
    assert not case.checks.exists()
    answer = case.events.get(kind=CaseEvent.Kind.ANSWERED)
    assert cases.text_of(answer) == "Because."
    assert cases.take_next(officer=mine, now=later) == case


def judge(case: Case, by: User, *, accept: bool = True) -> Document:
    """Decide about the case's passport."""
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    cases.judge_document(
        case_id=case.pk,
        officer=by,
        document_id=passport.pk,
        accept=accept,
        reason="" if accept else "expired",
        version=case.version,
        now=timezone.now(),
    )
    passport.refresh_from_db()
    return passport


@pytest.mark.parametrize("accept", [True, False])
def test_documents_of_an_open_case_are_judged_in_the_case_alone(accept: bool) -> None:
    mine = officer()
    case = taken(mine)
    passport = case.application.documents.get(kind=Document.Kind.PASSPORT)
    beside = documents.accept if accept else partial(documents.reject, reason="expired")

    with pytest.raises(DocumentRefused, check=lambda error: error.code == "in_case"):
        beside(document_id=passport.pk, officer=mine, now=timezone.now())
    passport.refresh_from_db()
    assert passport.state == "PENDING"

    assert judge(case, mine, accept=accept).state == ("ACCEPTED" if accept else "REJECTED")
    event = case.events.get(kind=CaseEvent.Kind.CHECKED)
    assert event.facts["document"] == str(passport.pk)


def test_documents_of_a_case_that_somebody_else_reviews_are_theirs_to_judge() -> None:
    case = taken(officer())

    with refused("locked"):
        judge(case, officer())


def test_an_escalated_case_is_its_groups_alone() -> None:
    now = timezone.now()
    mine, senior = officer(), officer()
    group = casework.team()
    senior.groups.add(group)
    case = taken(mine, now=now)

    case = cases.escalate(
        case_id=case.pk, officer=mine, group=group, text="Odd.", version=case.version, now=now
    )

    assert (case.state, case.assigned_to) == (State.ESCALATED, None)
    with refused("other_group"):
        cases.take(case_id=case.pk, officer=mine, version=case.version, now=now)
    assert cases.take_next(officer=mine, now=now) is None
    assert cases.take_next(officer=senior, now=now) == case


def test_a_case_cannot_be_escalated_to_people_who_work_on_none() -> None:
    from django.contrib.auth.models import Group

    mine = officer()
    case = taken(mine)

    with refused("no_such_group"):
        cases.escalate(
            case_id=case.pk,
            officer=mine,
            group=Group.objects.create(name="Visitors"),
            text="Odd.",
            version=case.version,
            now=timezone.now(),
        )


def test_required_actions_name_what_is_there_and_what_is_done() -> None:
    mine = officer()
    case = taken(mine)

    before = {item.code: item.done for item in cases.requirements(case)}
    after = {item.code: item.done for item in cases.requirements(casework.all_done(case, mine))}

    assert before == dict.fromkeys(
        ["IDENTITY", "ADDRESS", "SELFIE", "NAME", "FACE", "WALLET"], False
    )
    assert all(after.values())


def test_an_identity_card_needs_both_sides() -> None:
    case = applied()
    shown = case.application.documents
    shown.filter(kind=Document.Kind.PASSPORT).update(kind=Document.Kind.IDENTITY_FRONT)
    shown.update(state="ACCEPTED", decided_at=timezone.now())

    identity = cases.requirements(case)[0]
    assert (identity.code, identity.done) == ("IDENTITY", False)


def test_every_move_in_the_table_and_no_other_is_allowed() -> None:
    for old in State:
        for new in State:
            if (old, new) in MOVES.pairs:
                MOVES.check(old, new)
            else:
                with pytest.raises(IllegalMove):
                    MOVES.check(old, new)
    assert MOVES.terminal == {State.APPROVED, State.REJECTED, State.ENDED}


def test_a_person_has_at_most_one_open_case() -> None:
    case = applied()

    with refused("in_review"):
        cases.hand_in(user=case.application.user, now=timezone.now())


def test_applying_needs_every_document() -> None:
    casework.second_tier()
    person = people.onboarded()
    casework.document(person, Document.Kind.PASSPORT)

    with refused("documents_missing"):
        cases.hand_in(user=person, now=timezone.now())
    stands = cases.standing(user=person, now=timezone.now())
    assert stands is not None
    assert stands.missing == ["ADDRESS", "SELFIE"]


def test_a_rejected_document_has_to_be_handed_in_again() -> None:
    casework.second_tier()
    person = casework.with_documents(people.onboarded())
    person.kyc_application.documents.filter(kind="selfie").update(
        state="REJECTED", reason="unreadable", decided_at=timezone.now()
    )

    with refused("documents_missing"):
        cases.hand_in(user=person, now=timezone.now())


def test_there_is_nothing_to_apply_for_above_the_highest_tier() -> None:
    from kyc.models import Tier

    Tier.objects.exclude(number=1).delete()
    person = casework.with_documents(people.onboarded())

    with refused("nothing_higher"):
        cases.hand_in(user=person, now=timezone.now())


def test_what_is_asked_for_again_has_to_be_newer_than_the_question() -> None:
    mine = officer()
    case = taken(mine)
    person, now = case.application.user, timezone.now()
    cases.ask(
        case_id=case.pk,
        officer=mine,
        needs=["ADDRESS"],
        text="Newer, please.",
        version=case.version,
        now=now,
    )

    with refused("documents_missing"):
        cases.hand_in(user=person, now=now)
    person.kyc_application.documents.filter(kind="proof_of_address").update(
        state="WITHDRAWN", decided_at=now
    )
    casework.document(person, "proof_of_address", now=now + timedelta(minutes=1))

    assert cases.hand_in(user=person, now=now + timedelta(minutes=2)).state == State.PENDING


def test_a_newer_document_that_waits_has_to_be_looked_at_too() -> None:
    mine = officer()
    case = casework.all_done(taken(mine), mine)

    casework.document(case.application.user, Document.Kind.PASSPORT)

    left = [item.code for item in cases.requirements(case) if not item.done]
    assert left == ["IDENTITY"]
