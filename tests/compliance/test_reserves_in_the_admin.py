"""Proof of reserve in the back office: readable by officers, built, signed and exported by actions."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from compliance.models import Proposal, ReserveRow, ReserveSignature, ReserveSnapshot
from compliance.reserves import content
from tests.people import new_officer, new_user
from tests.reserving import a_sign_off, a_stored_snapshot, with_signature

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "True"}
LIST = "admin:compliance_reservesnapshot_changelist"
PAGE = "admin:compliance_reservesnapshot_change"
FILE = "admin:compliance_reservesnapshot_file"


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def looker() -> Client:
    return browser_of(new_officer("view_reservesnapshot"))


@pytest.fixture
def signer() -> Client:
    return browser_of(
        new_officer("view_reservesnapshot", "add_reservesnapshot", "sign_reservesnapshot")
    )


def with_rows(*kinds: str) -> ReserveSnapshot:
    """A ready snapshot with a row of each kind."""
    snapshot = a_stored_snapshot(state="REQUESTED", content_hash="")
    for number, kind in enumerate(kinds, start=1):
        snapshot.rows.create(
            number=number,
            kind=kind,
            is_break=not kind.startswith("to_"),
            reference=f"reference-{number}",
            leg="FILLED",
            **dict.fromkeys(("ordered", "recorded", "custody", "minted", "chain"), Decimal(0)),
            broker=Decimal("1.5"),
        )
    breaks = snapshot.rows.filter(is_break=True).count()
    changes = {"state": "READY", "content_hash": "5" * 64, "breaks": breaks}
    ReserveSnapshot.objects.filter(pk=snapshot.pk).update(**changes)
    return ReserveSnapshot.objects.get(pk=snapshot.pk)


def signed_by(snapshot: ReserveSnapshot, maker: User, checker: User) -> None:
    ReserveSignature.objects.create(
        snapshot=snapshot,
        proposal_id=a_sign_off(snapshot),
        content_hash=snapshot.content_hash,
        statement="Words.",
        maker_id=maker.pk,
        checker_id=checker.pk,
        signed_at=timezone.now(),
    )


def test_the_list_shows_totals_and_outcome(looker: Client) -> None:
    with_signature(a_stored_snapshot())
    with_rows("unknown_broker")

    text = looker.get(reverse(LIST)).text

    assert "agrees" in text
    assert "differences: 1" in text


def test_the_page_shows_differences_and_what_is_in_flight(looker: Client) -> None:
    snapshot = with_rows("unknown_broker", "to_mint")

    text = looker.get(reverse(PAGE, args=[snapshot.pk])).text

    assert str(ReserveRow.Kind.UNKNOWN_AT_BROKER.label) in text
    assert str(ReserveRow.Kind.TO_MINT.label) in text
    assert "reference-1" in text
    assert "Tokens in existence (chain)" in text


def test_the_statement_is_a_draft_until_it_is_signed(looker: Client) -> None:
    snapshot = a_stored_snapshot()
    page = reverse(PAGE, args=[snapshot.pk])
    assert "Draft: nobody has signed this." in looker.get(page).text

    with_signature(snapshot)

    assert "Draft:" not in looker.get(page).text


def test_the_list_counts_proofs(looker: Client) -> None:
    a_stored_snapshot()
    assert "1 proof of reserve" in " ".join(looker.get(reverse(LIST)).text.split())
    a_stored_snapshot()
    assert "2 proofs of reserve" in " ".join(looker.get(reverse(LIST)).text.split())


def test_an_officer_asks_for_a_snapshot(signer: Client) -> None:
    signer.post(reverse("admin:compliance_reservesnapshot_build_snapshot"), DIALOG)

    assert ReserveSnapshot.objects.get().state == "REQUESTED"


def test_the_button_has_the_rate_of_exports(signer: Client, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "export": 1}
    signer.post(reverse("admin:compliance_reservesnapshot_build_snapshot"), DIALOG)
    ReserveSnapshot.objects.update(attention=True, next_attempt_at=None)

    signer.post(reverse("admin:compliance_reservesnapshot_build_snapshot"), DIALOG)

    assert ReserveSnapshot.objects.count() == 1
    assert "Wait a minute" in signer.get(reverse(LIST)).text


def test_who_signed_is_read_with_the_list(looker: Client) -> None:
    maker, checker = new_officer(), new_officer()

    def queries_of(count: int) -> int:
        for _number in range(count):
            signed_by(a_stored_snapshot(), maker, checker)
        with CaptureQueriesContext(connection) as queries:
            text = looker.get(reverse(LIST)).text
        assert f"{maker.email} · {checker.email}" in text
        return len(queries)

    looker.get(reverse(LIST))  # what a first page alone asks for
    assert queries_of(1) == queries_of(5)


def test_the_page_says_who_asked(looker: Client) -> None:
    officer = new_officer()
    by_a_person = a_stored_snapshot(requested_by=f"user:{officer.pk}")
    by_schedule = a_stored_snapshot(requested_by="system:schedule")

    assert officer.email in looker.get(reverse(PAGE, args=[by_a_person.pk])).text
    assert "the schedule" in looker.get(reverse(PAGE, args=[by_schedule.pk])).text


def test_who_may_only_look_builds_and_signs_nothing(looker: Client) -> None:
    snapshot = a_stored_snapshot()

    looker.post(reverse("admin:compliance_reservesnapshot_build_snapshot"), DIALOG)
    looker.post(
        reverse("admin:compliance_reservesnapshot_propose_sign_off", args=[snapshot.pk]),
        {**DIALOG, "reason": "-"},
    )

    assert ReserveSnapshot.objects.get() == snapshot
    assert not Proposal.objects.exists()


def propose(signer: Client, snapshot: ReserveSnapshot) -> None:
    signer.post(
        reverse("admin:compliance_reservesnapshot_propose_sign_off", args=[snapshot.pk]),
        {**DIALOG, "reason": "Compared."},
    )


def test_a_signer_proposes_the_sign_off(signer: Client) -> None:
    snapshot = a_stored_snapshot(state="REQUESTED", content_hash="", tree_root="")
    snapshot.state = "READY"
    fits = content.digest(content.stored(snapshot))
    ReserveSnapshot.objects.filter(pk=snapshot.pk).update(state="READY", content_hash=fits)

    propose(signer, snapshot)

    proposal = Proposal.objects.get()
    assert (proposal.kind, proposal.object_id) == ("reserves.sign_off", str(snapshot.pk))
    assert fits in proposal.payload["statement"]


def test_what_does_not_match_its_hash_is_not_proposed(signer: Client) -> None:
    propose(signer, a_stored_snapshot())

    assert not Proposal.objects.exists()


@pytest.mark.parametrize("form", ["csv", "xlsx", "json", "pdf"])
def test_files_are_for_officers_who_may_look(looker: Client, form: str) -> None:
    path = reverse(FILE, args=[a_stored_snapshot().pk, form])

    answer = looker.get(path)

    assert answer.status_code == 200
    assert f".{form}" in answer.headers["Content-Disposition"]
    assert answer.getvalue()
    assert browser_of(new_officer()).get(path).status_code == 404
    assert browser_of(new_user()).get(path).status_code in (302, 403, 404)


def test_what_is_not_ready_has_no_file(looker: Client) -> None:
    waiting = ReserveSnapshot.objects.create(
        requested_by="system:test", requested_at=timezone.now()
    )

    assert looker.get(reverse(FILE, args=[waiting.pk, "csv"])).status_code == 404
    assert looker.get(reverse(FILE, args=[a_stored_snapshot().pk, "doc"])).status_code == 404
    assert looker.get(reverse(PAGE, args=[waiting.pk])).status_code == 200
