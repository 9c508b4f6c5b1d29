"""A match by number with somebody under sanctions pauses buying until two people dismiss it (ID-2)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc import cases, corrections, erasure, holds, screening
from kyc.models import Application, Case, ScreeningMatch
from kyc.screening import ScreeningError, lists
from tests import people
from tests.kyc import casework
from tests.kyc.casework import approve, dismissal_proposed, officer
from tests.kyc.test_screening import apply, row, written

pytestmark = pytest.mark.django_db
By, State = ScreeningMatch.By, ScreeningMatch.State
LISTED = "Zoltan Invented"


@pytest.fixture
def person() -> Application:
    return people.onboarded().kyc_application


@pytest.fixture
def match(person: Application) -> ScreeningMatch:
    return casework.a_match(person, by=By.IDENTIFIER)


def is_held(match: ScreeningMatch) -> bool:
    return holds.is_held(match.application_id)


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, check=lambda error: error.code == code)


def load(tmp_path: Path, number: str, **cells: str) -> None:
    """A list of sanctions with one person, who has this number."""
    entry = row("x-1", LISTED, identifiers=number, sanctions="Invented programme", **cells)
    path = written(tmp_path, entry)
    lists.load(path=path, name="default", actor="system:test", now=timezone.now(), force=True)


def found(person: Application) -> ScreeningMatch:
    with transaction.atomic():
        (match,) = screening.screen(application=person, now=timezone.now())
    return match


@pytest.mark.parametrize("is_sanctioned", [True, False])
@pytest.mark.parametrize("by", By)
@pytest.mark.parametrize("state", State)
def test_python_and_the_database_agree_on_what_holds(
    match: ScreeningMatch,
    is_sanctioned: bool,
    by: ScreeningMatch.By,
    state: ScreeningMatch.State,
) -> None:
    match.is_sanctioned, match.by, match.state = is_sanctioned, by, state
    if state != State.OPEN:
        match.decided_by, match.decided_at, match.reason = officer(), timezone.now(), "Seen."
    match.save()

    assert match.holds == is_held(match)


def test_one_officer_alone_ends_no_pause(match: ScreeningMatch) -> None:
    with pytest.raises(ScreeningError, match="two people end it"):
        screening.dismiss(
            match_id=match.pk,
            officer=officer("kyc.review_match"),
            reason="Another.",
            now=timezone.now(),
        )

    assert is_held(match)


def test_the_pause_goes_on_until_a_second_person_approves(match: ScreeningMatch) -> None:
    proposal = dismissal_proposed(match)
    match.refresh_from_db()
    assert (match.state, is_held(match)) == (State.OPEN, True)

    second = officer()
    approve(proposal, second)

    match.refresh_from_db()
    assert (match.state, match.reason) == (State.DISMISSED, "Born in another year.")
    assert (match.decided_by, is_held(match)) == (second, False)
    last = audit.history(object_type="kyc_application", object_id=str(match.application_id))[-1]
    assert (last.action, last.actor) == ("screening.dismissed", f"user:{second.pk}")


def test_refused_the_match_stays_open_and_the_pause_goes_on(match: ScreeningMatch) -> None:
    proposal = dismissal_proposed(match)

    four_eyes.refuse(
        proposal_id=proposal.pk, checker=officer(), note="It is them.", now=timezone.now()
    )

    match.refresh_from_db()
    assert (match.state, is_held(match)) == (State.OPEN, True)
    assert dismissal_proposed(match).kind == "kyc.dismiss_match"  # and can be proposed anew


def test_who_proposed_it_does_not_approve_it(match: ScreeningMatch) -> None:
    mine = officer(*casework.WORKS, "kyc.review_match")
    proposal = dismissal_proposed(match, mine)

    with refused("same_person"):
        approve(proposal, mine)

    assert is_held(match)


def test_what_is_proposed_lapses_with_the_account(match: ScreeningMatch) -> None:
    proposal = dismissal_proposed(match)

    with transaction.atomic():
        erasure.close(user=match.application.user, now=timezone.now())

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.EXPIRED


def test_it_takes_the_permission_and_somebody_else_s_match(match: ScreeningMatch) -> None:
    with pytest.raises(PermissionDenied):
        dismissal_proposed(match, officer(*casework.LOOKS))
    themselves = match.application.user
    casework.allow(themselves, "kyc.review_match")

    with refused("own_case"):
        dismissal_proposed(match, User.objects.get(pk=themselves.pk))


@pytest.mark.parametrize("what", [{"by": By.NAME}, {"is_sanctioned": False}], ids=["name", "pep"])
def test_what_pauses_nothing_one_officer_dismisses(
    person: Application, what: dict[str, object]
) -> None:
    match = casework.a_match(person, **{"by": By.IDENTIFIER, **what})  # type: ignore[arg-type]

    with refused("takes_one"):
        dismissal_proposed(match)
    screening.dismiss(
        match_id=match.pk, officer=officer("kyc.review_match"), reason="x", now=timezone.now()
    )

    match.refresh_from_db()
    assert match.state == State.DISMISSED


def test_confirmed_meanwhile_it_is_not_dismissed_by_the_older_proposal(
    match: ScreeningMatch,
) -> None:
    proposal = dismissal_proposed(match)

    screening.confirm(
        match_id=match.pk, officer=officer("kyc.review_match"), reason="x", now=timezone.now()
    )

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.EXPIRED
    with refused("decided"):
        approve(proposal, officer())
    with refused("decided"):
        dismissal_proposed(match)
    assert is_held(match)


def test_it_is_looked_at_again_once_the_list_says_something_else(
    person: Application, tmp_path: Path
) -> None:
    load(tmp_path, person.tax_id)
    match = found(person)
    proposal = dismissal_proposed(match)
    load(tmp_path, person.tax_id, last_seen="2026-11-01")  # the same of who it is
    assert dismissed_for_a_moment(proposal)

    load(tmp_path, person.tax_id, birth_date="1970-01-01")
    with refused("changed"):
        approve(proposal, officer())
    assert is_held(match)

    four_eyes.withdraw(
        proposal_id=proposal.pk,
        maker=User.objects.get(pk=proposal.maker_id),
        now=timezone.now() + timedelta(seconds=1),
    )
    newer = found(person)
    for each in (match, newer):
        assert is_held(match)
        approve(dismissal_proposed(each), officer())
    assert not is_held(match)


def dismissed_for_a_moment(proposal: Proposal) -> bool:
    """Whether the approval would go through; it is undone."""
    with transaction.atomic():
        approve(proposal, officer())
        transaction.set_rollback(True)
    return True


def test_the_second_person_reads_what_it_is_about(match: ScreeningMatch) -> None:
    lines = four_eyes.lines_of(dismissal_proposed(match))

    told = {str(name): str(value) for name, value in lines}
    assert told["Person"] == match.application.user.email
    assert (told["Under sanctions"], told["Found by"]) == ("yes", "Tax id or another number")
    assert told["What follows"] == "Buying goes on, unless another match pauses it."


def test_neither_the_entry_nor_the_reason_is_in_the_trail(
    person: Application, tmp_path: Path
) -> None:
    load(tmp_path, person.tax_id)
    match = found(person)

    approve(dismissal_proposed(match), officer())

    rows = audit.history(object_type="screening_match", object_id=str(match.pk))
    assert [one.action for one in rows] == ["proposal.made", "proposal.approved"]
    told = str([one.evidence for one in rows])
    for telling in (match.digest, match.source_id, LISTED, "Born in another year"):
        assert telling not in told


def test_dismissed_by_two_it_does_not_stand_against_the_approval_for_tier_1(tmp_path: Path) -> None:
    number = people.new_cpf()
    load(tmp_path, number)
    person = apply("Ana Pereira", cpf=number)
    assert person.status == Application.Status.PENDING
    mine = officer(*casework.WORKS, "kyc.review_match")
    case = Case.objects.get(application=person)
    case = cases.take(case_id=case.pk, officer=mine, version=case.version, now=timezone.now())

    approve(dismissal_proposed(ScreeningMatch.objects.get(), mine), officer())

    case = casework.all_done(casework.fresh(case), mine)
    proposal = cases.propose_approval(
        case_id=case.pk,
        officer=mine,
        outcome="NO_RISK",
        reason="Another person.",
        version=case.version,
        now=timezone.now(),
    )
    approve(proposal, officer())
    person.refresh_from_db()
    assert person.is_approved


# A correction


def corrected(person: Application, **values: str) -> None:
    """Two people put the person's name or number right."""
    asked = {"full_name": "", "tax_id": "", **values}
    correction = corrections.ask(
        user=person.user, **asked, reason="I typed it wrong.", now=timezone.now()
    )
    proposal = corrections.propose(
        correction_id=correction.pk, officer=officer(), reason="As shown.", now=timezone.now()
    )
    approve(proposal, officer())


def named(person: Application, name: str) -> Application:
    person.full_name_encrypted = person.seal(column="full_name", text=name)
    person.save(update_fields=["full_name_encrypted"])
    return person


def test_a_number_put_right_pauses_nothing_any_more(person: Application, tmp_path: Path) -> None:
    load(tmp_path, person.tax_id)
    match = found(named(person, "Soltan Invented"))
    approve(dismissal_proposed(match), officer())

    corrected(person, tax_id=people.new_cpf())

    match.refresh_from_db()
    assert (match.state, match.by) == (State.OPEN, By.NAME)
    assert match.score < 100
    assert not is_held(match)


def test_a_name_put_right_is_as_alike_as_it_is_now(person: Application, tmp_path: Path) -> None:
    load(tmp_path, "")
    match = found(named(person, LISTED))
    assert match.score == Decimal(100)
    screening.dismiss(
        match_id=match.pk, officer=officer("kyc.review_match"), reason="x", now=timezone.now()
    )

    corrected(person, full_name="Soltan Invented")

    match.refresh_from_db()
    assert (match.state, match.by) == (State.OPEN, By.NAME)
    assert match.score < 100


def test_an_open_match_by_number_pauses_on_after_a_correction(
    person: Application, tmp_path: Path
) -> None:
    load(tmp_path, person.tax_id)
    match = found(named(person, LISTED))

    corrected(person, tax_id=people.new_cpf())

    assert is_held(match)  # two people end it, who see what was corrected
