"""Erasing a person: undone within days, carried out once, and nobody can read what is gone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings as current
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client
from pytest_django import Settings

from accounts.decisions import propose_role
from accounts.keys import key_for
from accounts.models import AddressEntry, ApiToken, Notice, PersonKey, User
from accounts.token_store import InvalidToken, authenticate, issue_token
from agora import roles
from agora.lib import crypto
from agora.lib.crypto import Shredded, Undecryptable
from agora.lib.outcome import Temporary
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import (
    AuditRow,
    DataExport,
    DataExportPart,
    ErasureRequest,
    LiabilityNonce,
    Proposal,
    RetentionRule,
)
from compliance.personal_data import erasure, exports, obstacles
from compliance.personal_data.erasure import ErasureRefused
from compliance.personal_data.obstacles import Obstacle
from copytrade.services.accounts import remove_account
from kyc.limit_decisions import propose_person_limit
from kyc.models import Consent
from kyc.services import onboard
from tests.copying import new_account
from tests.kyc import casework
from tests.people import new_address, new_user, onboarded
from tests.settling import place
from trading.services import OrderRefused, cancel_order

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
State = ErasureRequest.State

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    """Somebody with a name and a tax id that the law has Agora keep."""
    return onboarded(now=NOW)


def asked(user: User, *, now: datetime = NOW) -> ErasureRequest:
    return erasure.request(user=user, actor=audit.actor_of(user), now=now)


def undone(user: User) -> ErasureRequest:
    return erasure.withdraw(user_id=user.pk, actor=audit.actor_of(user), now=NOW)


def carried_out(user: User, *, now: datetime = NOW) -> ErasureRequest:
    """The request after the worker has done what is due."""
    request = erasure.of_user(user.pk) or asked(user, now=now)
    _due(request)
    erasure.step(request_id=request.pk, now=now + timedelta(days=current.ERASURE_UNDO_DAYS))
    request.refresh_from_db()
    return request


def _due(request: ErasureRequest) -> None:
    """Let the database's clock say that the time has come."""
    ErasureRequest.objects.filter(pk=request.pk).update(next_attempt_at=NOW)


def whole_database() -> str:
    with connection.cursor() as cursor:
        parts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            parts += [row[0] for row in cursor.fetchall()]
    return "\n".join(parts).lower()


# --- Asking and undoing


def test_nothing_happens_before_the_days_are_over(person: User) -> None:
    request = asked(person)

    assert request.execute_after == NOW + timedelta(days=14)
    _due(request)
    erasure.step(request_id=request.pk, now=request.execute_after - timedelta(seconds=1))
    person.refresh_from_db()
    request.refresh_from_db()
    assert (person.is_active, request.next_attempt_at) == (True, request.execute_after)


def test_the_person_is_told_with_the_day_and_how_to_undo_it(person: User) -> None:
    asked(person)

    notice = Notice.objects.get(user=person, kind="erasure_requested")
    assert "2026-11-16 12:00" in notice.text
    assert (notice.url, notice.next_attempt_at) == ("/account/privacy/erasure/", NOW)


def test_an_undone_request_is_never_carried_out(person: User) -> None:
    request = asked(person)
    undone(person)
    _due(request)

    erasure.step(request_id=request.pk, now=NOW + timedelta(days=20))

    person.refresh_from_db()
    request.refresh_from_db()
    assert (person.is_active, request.state) == (True, State.WITHDRAWN)


def test_it_can_be_asked_for_once_and_again_after_undoing(person: User) -> None:
    asked(person)
    with pytest.raises(ErasureRefused) as refused:
        asked(person)
    assert refused.value.code == "asked_before"

    undone(person)
    assert asked(person).state == State.REQUESTED


def test_who_undoes_it_for_somebody_says_why_and_the_person_reads_it(person: User) -> None:
    asked(person)
    officer = "user:officer"
    with pytest.raises(ErasureRefused) as refused:
        erasure.withdraw(user_id=person.pk, actor=officer, reason=" ", now=NOW)
    assert refused.value.code == "reason_missing"

    erasure.withdraw(user_id=person.pk, actor=officer, reason="You wrote to us", now=NOW)

    notice = Notice.objects.get(user=person, kind="erasure_withdrawn")
    assert "You wrote to us. If you want" in notice.text
    evidence = AuditRow.objects.get(action="erasure.withdrawn").evidence
    assert len(evidence["reason_digest"]) == 64
    assert "You wrote" not in str(evidence)


def test_the_operator_undoes_it_with_a_reason_too(person: User) -> None:
    asked(person)
    with pytest.raises(CommandError, match="reason"):
        call_command("personal_data", "keep", str(person.pk))

    call_command("personal_data", "keep", str(person.pk), "--reason", "You called us!")

    assert "You called us! If" in Notice.objects.get(kind="erasure_withdrawn").text


def test_one_s_own_undoing_is_no_news(person: User) -> None:
    asked(person)

    undone(person)

    assert not Notice.objects.filter(user=person, kind="erasure_withdrawn").exists()


def test_there_is_nothing_to_undo_once_the_account_is_closed(person: User) -> None:
    carried_out(person)

    with pytest.raises(ErasureRefused) as refused:
        undone(person)
    assert refused.value.code == "too_late"


def test_a_worker_that_is_overtaken_by_an_undo_erases_nothing(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked(person)
    _due(request)

    def undone_meanwhile(user: User) -> list[Obstacle]:
        undone(user)
        return []

    monkeypatch.setattr(obstacles, "on_chain", undone_meanwhile)
    erasure.step(request_id=request.pk, now=NOW + timedelta(days=15))

    person.refresh_from_db()
    assert person.is_active
    assert Consent.objects.filter(user=person, withdrawn_at=None).exists()


# --- What has to be wound up first


def with_exchange_account(user: User) -> None:
    new_account(user=user)


def with_role(user: User) -> None:
    user.is_staff = True
    user.save()


@pytest.mark.parametrize(
    ("make", "code"), [(with_exchange_account, "exchange_accounts"), (with_role, "staff")]
)
def test_what_is_still_running_is_named_and_nothing_is_stored(
    person: User, make: Callable[[User], None], code: str
) -> None:
    make(person)

    with pytest.raises(ErasureRefused) as refused:
        asked(person)

    assert [each.code for each in refused.value.obstacles] == [code]
    assert not ErasureRequest.objects.exists()


@pytest.mark.usefixtures("sandbox")
def test_an_open_order_stands_against_it(person: User) -> None:
    person = onboarded()
    place(person, quantity="0.05", nudged=False)

    with pytest.raises(ErasureRefused) as refused:
        asked(person)
    assert [each.code for each in refused.value.obstacles] == ["orders_open"]


@pytest.mark.usefixtures("sandbox")
def test_an_order_that_ends_while_the_chain_is_asked_makes_it_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its tokens may have come after the balance was read, and it is not open any more."""
    person = onboarded()
    request = asked(person)
    order = place(person, quantity="0.05", nudged=False)

    def ended_meanwhile(user: User) -> list[Obstacle]:
        cancel_order(user=user, order_id=order.pk, now=datetime.now(UTC))
        return []

    monkeypatch.setattr(obstacles, "on_chain", ended_meanwhile)
    carried_out(person)

    request.refresh_from_db()
    assert (request.state, request.obstacles) == (State.REQUESTED, ["orders_open"])


@pytest.mark.usefixtures("sandbox")
def test_after_an_order_that_came_and_ended_while_the_chain_is_asked_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person, now = onboarded(), datetime.now(UTC)
    request = asked(person, now=now)

    def ordered_meanwhile(user: User) -> list[Obstacle]:
        order = place(user, quantity="0.05", nudged=False)
        cancel_order(user=user, order_id=order.pk, now=datetime.now(UTC))
        return []

    with monkeypatch.context() as patched:
        patched.setattr(obstacles, "on_chain", ordered_meanwhile)
        assert carried_out(person, now=now).state == State.REQUESTED

    request.refresh_from_db()
    assert request.next_attempt_at == now + timedelta(days=current.ERASURE_UNDO_DAYS)
    assert carried_out(person, now=now).state == State.CLOSED


def test_an_unreadable_chain_refuses_rather_than_guesses(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(user: User) -> Any:
        raise Temporary("the chain does not answer")

    monkeypatch.setattr(obstacles, "on_chain", away)

    with pytest.raises(ErasureRefused) as refused:
        asked(person)
    assert refused.value.code == "unknown"


def test_what_came_up_meanwhile_makes_it_wait_and_the_person_is_told_once(person: User) -> None:
    request = asked(person)
    account = new_account(user=person)
    for day in (15, 16):
        _due(request)
        erasure.step(request_id=request.pk, now=NOW + timedelta(days=day))

    request.refresh_from_db()
    person.refresh_from_db()
    assert (request.state, request.obstacles) == (State.REQUESTED, ["exchange_accounts"])
    assert person.is_active
    assert Notice.objects.filter(user=person, kind="erasure_waits").count() == 1
    remove_account(user=person, account_id=account.pk, now=NOW)
    assert carried_out(person).state == State.CLOSED


# --- Closing


def test_nobody_gets_in_any_more(person: User, client: Client) -> None:
    person.set_password("long enough 4711")
    person.save()
    client.force_login(person)
    _, plaintext = issue_token(user=person, name="mine", scopes=("read",), expires_at=None, now=NOW)

    carried_out(person)

    assert client.get("/account/privacy/").status_code == 302
    with pytest.raises(InvalidToken):
        authenticate(plaintext, NOW)
    person.refresh_from_db()
    assert not person.check_password("long enough 4711")
    assert not UserSession.objects.filter(user=person).exists()


def test_what_no_law_keeps_is_gone_from_every_table() -> None:
    person = new_user(email="plain.canary@example.com")
    onboard(
        user=person,
        full_name="Canary Quillfeather",
        country="BR",
        tax_id="529.982.247-25",
        wallet_address=new_address(),
        consent=True,
        now=NOW,
    )
    EmailAddress.objects.create(user=person, email=person.email, verified=True)
    SocialAccount.objects.create(
        user=person, provider="oidc", uid="canary-uid", extra_data={"name": "Canary"}
    )
    Authenticator.objects.create(user=person, type="webauthn", data={"name": "Canary's phone"})
    issue_token(user=person, name="canary token", scopes=("read",), expires_at=None, now=NOW)
    account = new_account(user=person, label="canary account")
    remove_account(user=person, account_id=account.pk, now=NOW)
    AddressEntry.objects.create(
        user=person, chain="EVM", label="canary address", address="0x" + "c" * 40,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    assert "canary" in whole_database()

    carried_out(person)

    left = whole_database()
    assert "canary" not in left
    assert not Notice.objects.filter(user=person).exists()


def test_the_account_keeps_an_opaque_name(person: User) -> None:
    before = person.email
    carried_out(person)

    person.refresh_from_db()
    assert re.fullmatch(r"erased-[0-9a-f]{24}@erased\.invalid", person.email)
    assert before not in whole_database()


def test_consents_are_withdrawn_and_stay_as_proof(person: User) -> None:
    carried_out(person)

    consent = Consent.objects.get(user=person)
    assert consent.withdrawn_at == NOW + timedelta(days=14)


def test_copies_of_the_data_are_removed(person: User) -> None:
    export = exports.request(user=person, actor="system:test", now=NOW)
    exports.step(export_id=export.pk, now=NOW)
    assert DataExportPart.objects.exists()

    carried_out(person)

    assert not DataExportPart.objects.exists()
    assert DataExport.objects.get(pk=export.pk).state == DataExport.State.EXPIRED


def test_a_copy_that_waited_for_a_person_needs_nobody_any_more(person: User) -> None:
    export = exports.request(user=person, actor="system:test", now=NOW)
    DataExport.objects.filter(pk=export.pk).update(attention=True, next_attempt_at=None)

    carried_out(person)

    export.refresh_from_db()
    assert (export.state, export.attention) == (DataExport.State.EXPIRED, False)
    assert not exports.try_again(waiting=export, actor="system:test", now=NOW)


@pytest.mark.usefixtures("sandbox")
def test_a_closed_account_orders_nothing_though_its_request_was_let_in_before() -> None:
    person = onboarded()
    assert person.kyc_application.is_approved
    carried_out(person, now=datetime.now(UTC))

    with pytest.raises(OrderRefused):
        place(person, quantity="0.05", nudged=False)


def test_name_and_tax_id_are_kept_while_the_law_asks_for_it(person: User) -> None:
    RetentionRule.objects.update_or_create(kind="identity", defaults={"days": 100})

    request = carried_out(person)

    assert request.closed_at is not None
    assert request.state == State.CLOSED
    assert request.keep_until == request.closed_at + timedelta(days=100)
    person.kyc_application.refresh_from_db()
    assert person.kyc_application.full_name == "Person of a Test"


def test_somebody_who_never_applied_is_erased_at_once() -> None:
    person = new_user()
    key_for(person.pk)

    request = carried_out(person)

    assert (request.state, request.keep_until) == (State.ERASED, None)
    assert PersonKey.objects.get(user=person).shredded_at is not None


def test_the_trail_tells_of_it_by_id_alone(person: User) -> None:
    email = person.email
    carried_out(person)

    rows = AuditRow.objects.filter(action__startswith="erasure.").order_by("id")
    assert [row.action for row in rows] == ["erasure.requested", "erasure.closed"]
    assert all(row.object_id == str(person.pk) for row in rows)
    assert email not in str([row.evidence for row in rows])


# --- Forgetting


def forgotten(user: User) -> ErasureRequest:
    """The request after its retention is over."""
    carried_out(user)
    return carried_out(user, now=NOW + timedelta(days=4000))


def test_after_the_retention_nobody_can_read_name_and_tax_id_even_with_all_keys(
    person: User,
) -> None:
    application = person.kyc_application
    sealed = bytes(application.full_name_encrypted)
    stored_key = bytes(PersonKey.objects.get(user=person).sealed)
    assert stored_key

    request = forgotten(person)

    application.refresh_from_db()
    assert request.state == State.ERASED
    with pytest.raises(Shredded):
        _ = application.full_name
    with pytest.raises(Shredded):
        key_for(person.pk)
    # The ciphertext from an old page of a disk opens under no key that is left.
    place = {"table": "kyc_application", "column": "full_name", "row": application.pk}
    with pytest.raises(Undecryptable):
        crypto.decrypt(sealed, **place)  # type: ignore[arg-type]
    left = whole_database()
    for gone in (sealed.hex(), stored_key.hex()):
        assert gone not in left


def test_the_blind_index_of_the_tax_id_leads_to_nobody(person: User) -> None:
    before = bytes(person.kyc_application.tax_id_index)
    tax_id = person.kyc_application.tax_id

    forgotten(person)

    person.kyc_application.refresh_from_db()
    assert bytes(person.kyc_application.tax_id_index) != before
    again = onboard(
        user=new_user(),
        full_name="The Same Person",
        country="BR",
        tax_id=tax_id,
        wallet_address=new_address(),
        consent=True,
        now=NOW,
    )
    assert again.is_approved


def test_while_the_records_are_kept_the_tax_id_opens_no_second_account(person: User) -> None:
    tax_id = person.kyc_application.tax_id
    carried_out(person)

    with pytest.raises(Exception, match="exists already"):
        onboard(
            user=new_user(),
            full_name="The Same Person",
            country="BR",
            tax_id=tax_id,
            wallet_address=new_address(),
            consent=True,
            now=NOW,
        )


def test_the_numbers_that_hide_a_holder_in_proofs_are_gone(person: User) -> None:
    LiabilityNonce.objects.create(account=b"a" * 20, user_id=person.pk, nonce=b"n" * 32)

    forgotten(person)

    assert not LiabilityNonce.objects.filter(user_id=person.pk).exists()


def limit_proposed(person: User, *, reason: str = "A calmer start.") -> Proposal:
    return propose_person_limit(
        application=person.kyc_application,
        daily_limit_usd="500.00",
        reason=reason,
        maker=casework.officer("kyc.change_dailylimit"),
        now=NOW,
    )


def role_proposed(person: User) -> Proposal:
    return propose_role(
        person=person,
        role=roles.AUDITOR,
        give=True,
        reason="Joins the team.",
        maker=casework.officer("accounts.assign_role"),
        now=NOW,
    )


@pytest.mark.parametrize("propose", [limit_proposed, role_proposed])
def test_what_is_proposed_on_a_person_ends_with_the_account(
    person: User, propose: Callable[[User], Proposal]
) -> None:
    proposal = propose(person)

    carried_out(person)

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.EXPIRED


def test_on_a_closed_account_no_limit_is_proposed(person: User) -> None:
    carried_out(person)

    with pytest.raises(Refused) as refused:
        limit_proposed(person)

    assert refused.value.code == "account_closed"


def test_what_officers_wrote_in_decisions_on_a_person_goes_when_the_retention_is_over(
    person: User,
) -> None:
    proposal = limit_proposed(person, reason="Ana Quillfeather wrote to us.")
    four_eyes.refuse(
        proposal_id=proposal.pk,
        checker=casework.officer(),
        note="Quillfeather may stay.",
        now=NOW,
    )
    carried_out(person)
    assert "quillfeather" in whole_database()

    carried_out(person, now=NOW + timedelta(days=4000))

    assert "quillfeather" not in whole_database()


def test_no_copy_is_made_of_what_is_gone(person: User) -> None:
    forgotten(person)

    with pytest.raises(exports.ExportRefused) as refused:
        exports.request(user=person, actor="system:test", now=NOW)
    assert refused.value.code == "erased"


def test_the_database_knows_which_times_belong_to_a_state(person: User) -> None:
    request = asked(person)

    with pytest.raises(IntegrityError):
        ErasureRequest.objects.filter(pk=request.pk).update(state=State.CLOSED)


def test_orders_of_others_and_their_data_are_left_alone(person: User, settings: Settings) -> None:
    other = onboarded(now=NOW)
    ApiToken.objects.filter(user=other).delete()
    before = whole_rows(other)

    forgotten(person)

    assert whole_rows(other) == before


def whole_rows(user: User) -> list[object]:
    user = User.objects.get(pk=user.pk)
    application = user.kyc_application
    return [user.email, user.is_active, application.full_name, application.tax_id, key_for(user.pk)]


def test_nobody_is_forgotten_before_the_retention_is_over(person: User) -> None:
    request = carried_out(person)
    assert request.keep_until is not None
    _due(request)

    erasure.step(request_id=request.pk, now=request.keep_until - timedelta(seconds=1))

    request.refresh_from_db()
    assert (request.state, request.next_attempt_at) == (State.CLOSED, request.keep_until)
    assert key_for(person.pk).person == person.pk
