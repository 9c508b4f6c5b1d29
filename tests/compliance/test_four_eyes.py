"""A decision by two people takes effect once, and never by one alone."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from compliance import audit, four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import AuditRow, ErasureRequest, Proposal
from kyc.models import Tier
from tests.people import new_user

pytestmark = pytest.mark.django_db
KIND = "test.tier"


def _check(proposal: Proposal) -> None:
    if proposal.payload["daily_limit_usd"] == "0":
        raise Refused("not_positive", "A limit is above zero.")


def _effect(proposal: Proposal, now: datetime) -> None:
    Tier.objects.filter(pk=1).update(daily_limit_usd=proposal.payload["daily_limit_usd"])
    if proposal.payload.get("fails"):
        raise Refused("gone", "What it is about is gone.")


def _about(proposal: Proposal) -> uuid.UUID | None:
    about = proposal.payload.get("about")
    return uuid.UUID(about) if about else None


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    four_eyes.register(
        Kind(
            name=KIND,
            title="Limit of a tier",
            maker_permission="kyc.change_tier",
            check=_check,
            effect=_effect,
            lines=lambda proposal: [("Limit", proposal.payload["daily_limit_usd"])],
            subject=_about,
        )
    )
    yield
    four_eyes._kinds.pop(KIND)


def an_officer(*permissions: str) -> User:
    user = new_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def maker() -> User:
    return an_officer("change_tier", "decide_proposal")


@pytest.fixture
def checker() -> User:
    return an_officer("decide_proposal")


def proposed(maker: User, *, limit: str = "900", **payload: object) -> Proposal:
    return four_eyes.propose(
        kind=KIND,
        object_type="tier",
        object_id=1,
        payload={"daily_limit_usd": limit, **payload},
        reason="A calmer start.",
        maker=maker,
        now=timezone.now(),
    )


def limit() -> str:
    return str(Tier.objects.get(pk=1).daily_limit_usd)


def test_a_second_person_s_approval_carries_it_out(maker: User, checker: User) -> None:
    proposal = proposed(maker)
    assert limit() == "1000.00"

    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())

    assert limit() == "900.00"


def test_who_proposed_it_cannot_approve_it(maker: User) -> None:
    proposal = proposed(maker)

    with pytest.raises(Refused, match="second person") as refusal:
        four_eyes.approve(proposal_id=proposal.pk, checker=maker, now=timezone.now())

    assert refusal.value.code == "same_person"
    assert limit() == "1000.00"


@pytest.mark.parametrize("lost", ["account", "permission"])
def test_what_its_maker_may_not_propose_any_more_is_not_approved(
    maker: User, checker: User, lost: str
) -> None:
    proposal = proposed(maker)
    if lost == "account":
        User.objects.filter(pk=maker.pk).update(is_active=False)
    else:
        maker.user_permissions.set(Permission.objects.filter(codename="decide_proposal"))

    with pytest.raises(Refused) as refusal:
        four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())

    assert refusal.value.code == "maker_gone"
    assert limit() == "1000.00"
    four_eyes.refuse(proposal_id=proposal.pk, checker=checker, note="Gone.", now=timezone.now())


def test_whom_it_is_about_neither_reads_nor_decides_it(maker: User, checker: User) -> None:
    proposal = proposed(maker, about=str(checker.pk))
    now = timezone.now()

    assert proposal not in four_eyes.readable_by(checker)
    assert proposal not in four_eyes.waiting_for(checker, now=now)
    for act in (four_eyes.approve, four_eyes.refuse):
        with pytest.raises(Proposal.DoesNotExist):
            act(proposal_id=proposal.pk, checker=checker, note="Mine.", now=now)
    assert proposal in four_eyes.waiting_for(an_officer("decide_proposal"), now=now)


def test_whom_it_is_about_is_found_where_an_earlier_release_did_not_note_it(
    maker: User, checker: User
) -> None:
    now = timezone.now()
    proposal = Proposal.objects.create(
        kind=KIND,
        object_type="tier",
        object_id="1",
        payload={"daily_limit_usd": "900", "about": str(checker.pk)},
        reason="A calmer start.",
        maker_id=maker.pk,
        proposed_at=now,
        expires_at=now + timedelta(days=1),
    )

    assert proposal not in four_eyes.readable_by(checker)
    for act in (four_eyes.approve, four_eyes.refuse):
        with pytest.raises(Proposal.DoesNotExist):
            act(proposal_id=proposal.pk, checker=checker, note="Mine.", now=now)
    assert limit() == "1000.00"
    assert proposal in four_eyes.waiting_for(an_officer("decide_proposal"), now=now)


def test_nobody_proposes_what_is_about_themselves(maker: User) -> None:
    with pytest.raises(Refused) as refusal:
        proposed(maker, about=str(maker.pk))

    assert refusal.value.code == "own_case"


@pytest.mark.parametrize("role", ["maker", "checker"])
def test_the_database_itself_refuses_whom_it_is_about(
    maker: User, checker: User, role: str
) -> None:
    about = {"maker": maker, "checker": checker}[role]
    proposal = Proposal(
        kind=KIND,
        object_type="tier",
        object_id="1",
        reason="A calmer start.",
        maker_id=maker.pk,
        subject_id=about.pk,
        proposed_at=timezone.now(),
        expires_at=timezone.now(),
    )

    def decided() -> None:
        proposal.save(force_insert=True)
        Proposal.objects.filter(pk=proposal.pk).update(
            state=Proposal.State.APPROVED, checker_id=checker.pk, decided_at=timezone.now()
        )

    with pytest.raises(IntegrityError, match="not_by_whom_it_is_about"), transaction.atomic():
        decided()


def test_the_database_itself_refuses_a_decision_that_nobody_proposed(
    maker: User, checker: User
) -> None:
    decided = proposed(maker)
    decided.pk, decided.object_id = uuid.uuid4(), "2"
    decided.state, decided.checker_id = Proposal.State.APPROVED, checker.pk
    decided.decided_at = timezone.now()

    with pytest.raises(DatabaseError, match="proposed before it is taken"), transaction.atomic():
        decided.save(force_insert=True)


def test_the_database_itself_refuses_one_person_as_maker_and_checker(maker: User) -> None:
    proposal = proposed(maker)

    with pytest.raises(IntegrityError, match="maker_is_not_checker"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).update(
            state="APPROVED", checker_id=maker.pk, decided_at=timezone.now()
        )


@pytest.mark.parametrize(
    "change",
    [
        {"payload": {"daily_limit_usd": "5"}},
        {"maker_id": uuid.uuid4()},
        {"subject_id": uuid.uuid4()},
    ],
)
def test_what_was_proposed_cannot_be_changed(maker: User, change: dict[str, object]) -> None:
    proposal = proposed(maker)

    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).update(**change)


def test_a_decided_proposal_neither_changes_nor_goes(maker: User, checker: User) -> None:
    proposal = proposed(maker)
    four_eyes.refuse(proposal_id=proposal.pk, checker=checker, note="Too low.", now=timezone.now())

    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).update(note="Fine.")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).delete()


def erased(user: User) -> None:
    ErasureRequest.objects.create(
        user_id=user.pk,
        requested_by="test",
        requested_at=timezone.now(),
        execute_after=timezone.now(),
        closed_at=timezone.now(),
        erased_at=timezone.now(),
        state=ErasureRequest.State.ERASED,
    )


def words(proposal: Proposal) -> tuple[str, str]:
    proposal.refresh_from_db()
    return proposal.reason, proposal.note


def test_of_decisions_about_who_is_erased_the_words_go_and_the_decisions_stay(
    maker: User, checker: User
) -> None:
    person = new_user()
    refused = proposed(maker, about=str(person.pk))
    four_eyes.refuse(proposal_id=refused.pk, checker=checker, note="No.", now=timezone.now())
    withdrawn = proposed(maker, about=str(person.pk))
    four_eyes.withdraw(proposal_id=withdrawn.pk, maker=maker, now=timezone.now())
    others = proposed(maker, about=str(new_user().pk))
    four_eyes.withdraw(proposal_id=others.pk, maker=maker, now=timezone.now())
    erased(person)

    four_eyes.forget(subject_id=person.pk)

    assert (words(refused), words(withdrawn)) == (("–", "–"), ("–", ""))
    assert (refused.state, refused.maker_id, refused.checker_id) == (
        "REFUSED",
        maker.pk,
        checker.pk,
    )
    assert words(others) == ("A calmer start.", "")


def test_what_is_decided_about_somebody_after_their_erasure_keeps_no_words(
    maker: User, checker: User
) -> None:
    person = new_user()
    erased(person)
    proposal = proposed(maker, about=str(person.pk))

    four_eyes.approve(
        proposal_id=proposal.pk, checker=checker, note="They wrote.", now=timezone.now()
    )

    assert words(proposal) == ("–", "–")
    row = AuditRow.objects.get(action="proposal.approved")
    assert row.evidence["reason_digest"] == four_eyes.text_digest(proposal, "A calmer start.")
    assert row.evidence["note_digest"] == four_eyes.text_digest(proposal, "They wrote.")


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "–", "note": "–", "state": "APPROVED"},
        {"reason": "–", "note": "Fine."},
        {"reason": "Another one.", "note": "–"},
    ],
)
def test_of_who_is_erased_nothing_but_the_words_goes(
    maker: User, checker: User, change: dict[str, object]
) -> None:
    person = new_user()
    proposal = proposed(maker, about=str(person.pk))
    four_eyes.refuse(proposal_id=proposal.pk, checker=checker, note="No.", now=timezone.now())
    erased(person)

    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        Proposal.objects.filter(pk=proposal.pk).update(**change)


def test_while_somebody_is_not_erased_the_words_about_them_stay(maker: User, checker: User) -> None:
    person = new_user()
    proposal = proposed(maker, about=str(person.pk))
    four_eyes.refuse(proposal_id=proposal.pk, checker=checker, note="No.", now=timezone.now())

    with pytest.raises(DatabaseError, match="do not change"), transaction.atomic():
        four_eyes.forget(subject_id=person.pk)


@pytest.mark.parametrize("again", [four_eyes.approve, four_eyes.refuse])
def test_a_decision_is_taken_once(maker: User, checker: User, again: object) -> None:
    proposal = proposed(maker)
    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())
    Tier.objects.filter(pk=1).update(daily_limit_usd=1000)

    with pytest.raises(Refused, match="decided already"):
        again(proposal_id=proposal.pk, checker=checker, note="x", now=timezone.now())  # type: ignore[operator]

    assert limit() == "1000.00"


def test_without_the_permission_nobody_proposes_or_decides(maker: User, checker: User) -> None:
    with pytest.raises(PermissionDenied):
        proposed(checker)
    proposal = proposed(maker)
    with pytest.raises(PermissionDenied):
        four_eyes.approve(proposal_id=proposal.pk, checker=an_officer(), now=timezone.now())

    assert limit() == "1000.00"


@pytest.mark.parametrize(
    ("reason", "code"), [("  ", "reason_missing"), ("x" * 1001, "reason_too_long")]
)
def test_a_proposal_needs_a_reason_of_bearable_length(maker: User, reason: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        four_eyes.propose(
            kind=KIND, object_type="tier", object_id=1, payload={"daily_limit_usd": "900"},
            reason=reason, maker=maker, now=timezone.now(),
        )  # fmt: skip

    assert refusal.value.code == code
    assert not Proposal.objects.exists()


def test_a_refusal_says_why(maker: User, checker: User) -> None:
    proposal = proposed(maker)

    with pytest.raises(Refused, match="Say why"):
        four_eyes.refuse(proposal_id=proposal.pk, checker=checker, note="", now=timezone.now())


def test_the_same_decision_about_one_object_waits_once(maker: User) -> None:
    proposed(maker)

    with pytest.raises(Refused, match="proposed already"):
        proposed(maker, limit="800")


def test_what_the_kind_itself_refuses_is_not_proposed(maker: User) -> None:
    with pytest.raises(Refused, match="above zero"):
        proposed(maker, limit="0")

    assert not Proposal.objects.exists()


def test_an_effect_that_fails_leaves_the_proposal_open_and_nothing_changed(
    maker: User, checker: User
) -> None:
    proposal = proposed(maker, fails=True)

    with pytest.raises(Refused, match="gone"):
        four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.OPEN
    assert limit() == "1000.00"


def test_a_proposal_expires(maker: User, checker: User) -> None:
    proposal = proposed(maker)
    later = timezone.now() + four_eyes.LIFETIME

    with pytest.raises(Refused, match="expired"):
        four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=later)
    assert four_eyes.expire(now=later - timedelta(minutes=1)) == 0
    assert four_eyes.expire(now=later) == 1

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.EXPIRED


def test_only_its_maker_withdraws_a_proposal(maker: User, checker: User) -> None:
    proposal = proposed(maker)

    with pytest.raises(Proposal.DoesNotExist):
        four_eyes.withdraw(proposal_id=proposal.pk, maker=checker, now=timezone.now())
    four_eyes.withdraw(proposal_id=proposal.pk, maker=maker, now=timezone.now())

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.WITHDRAWN


def test_each_step_is_in_the_trail_of_its_object(maker: User, checker: User) -> None:
    proposal = proposed(maker)
    four_eyes.approve(proposal_id=proposal.pk, checker=checker, note="Seen.", now=timezone.now())

    made, approved = AuditRow.objects.filter(object_type="tier", object_id="1").order_by("id")
    assert (made.action, made.actor) == ("proposal.made", audit.actor_of(maker))
    assert (approved.action, approved.actor) == ("proposal.approved", audit.actor_of(checker))
    assert approved.evidence["maker"] == str(maker.pk)
    assert approved.evidence["note_digest"] == four_eyes.text_digest(proposal, "Seen.")


def test_a_person_is_shown_what_others_wait_for(maker: User, checker: User) -> None:
    proposal = proposed(maker)
    now = timezone.now()

    assert list(four_eyes.waiting_for(checker, now=now)) == [proposal]
    assert not four_eyes.waiting_for(maker, now=now)
    assert not four_eyes.waiting_for(an_officer("change_tier"), now=now)
