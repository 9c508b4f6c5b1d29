"""While an account is being closed nothing more is given to it, and nobody waits in a circle."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from accounts import notices, token_uses
from accounts.erasure import close, hold
from accounts.locks import AccountClosed
from accounts.models import ApiToken, Notice, TokenUse, User, WalletChange
from accounts.services import set_wallet
from accounts.token_store import TokenRefused, issue_token
from accounts.wallet_proofs import finish_proof, start_proof
from accounts.wallets import apply_due
from compliance import audit
from compliance.four_eyes import Refused
from compliance.models import ErasureRequest, Proposal
from compliance.personal_data import erasure
from copytrade.exchange.types import KeyRights
from copytrade.models import ExchangeAccount
from copytrade.services.accounts import add_account
from copytrade.services.keys import Examined
from kyc import cases, corrections, documents
from kyc import erasure as kyc_erasure
from kyc.consent import VERIFICATION, record
from kyc.limit_decisions import propose_person_limit
from kyc.models import Application, Case, Consent, Correction, Document
from kyc.services import onboard
from tests.document_files import picture, sent
from tests.kyc import casework
from tests.kyc.conftest import files_in
from tests.people import a_cpf, an_address, new_user, onboarded, willing
from tests.signing import Signer, no_contract
from tests.threads import after, at_once

pytestmark = pytest.mark.django_db(transaction=True)


def an_account(user: User) -> ExchangeAccount:
    rights = KeyRights(can_read=True, can_trade=True, can_withdraw=False, ip_restricted=True)
    examined = Examined("k" * 64, "s" * 64, rights, {"USDT": Decimal(10)}, "")
    return add_account(
        user=user, exchange="binance", label="Main", examined=examined, now=timezone.now()
    )


def a_token(user: User) -> ApiToken:
    token, _raw = issue_token(
        user=user, name="late", scopes=["read"], expires_at=None, now=timezone.now()
    )
    return token


def write_uses(*tokens: ApiToken) -> list[UUID]:
    """What a process writes of the uses it has counted: somebody goes on with revoked tokens.

    Answers the tokens of which it is left for later.
    """
    at = timezone.now()
    last = token_uses.Use("revoked", "GET", "api:orders", 401, "203.0.113.7", at)
    minute = at.replace(second=0, microsecond=0)
    left = token_uses._write(
        [((t.pk, minute, last.outcome, last.address), token_uses._Line(1, last)) for t in tokens]
    )
    return [key[0] for key, _line in left]


def erasure_due(user: User) -> ErasureRequest:
    now = timezone.now()
    asked = erasure.request(user=user, actor=audit.actor_of(user), now=now)
    ErasureRequest.objects.update(execute_after=now, next_attempt_at=now)
    return asked


def closed(user: User) -> None:
    hold(user=user)
    close(user=user, now=timezone.now())


def closed_alone(user: User) -> None:
    with transaction.atomic():
        closed(user)


def closed_with_all(user: User) -> None:
    kyc_erasure.hold(user=user)
    hold(user=user)
    kyc_erasure.close(user=user, now=timezone.now())
    close(user=user, now=timezone.now())


def a_consent(user: User) -> Consent:
    return record(user=user, terms=VERIFICATION, language="en", now=timezone.now())


def test_whose_role_is_just_taken_away_gets_no_token_for_the_back_office() -> None:
    staff = new_user(is_staff=True)

    _done, refused = after(
        lambda: User.objects.filter(pk=staff.pk).update(is_staff=False),
        lambda: issue_token(
            user=staff, name="late", scopes=["admin"], expires_at=None, now=timezone.now()
        ),
    )

    assert isinstance(refused, TokenRefused), refused
    assert (refused.code, refused.field) == ("forbidden", "scopes")
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("give", [an_account, a_token, a_consent])
def test_who_is_being_closed_gets_nothing_more(give: Callable[[User], object]) -> None:
    user = new_user()

    _done, refused = after(lambda: closed(user), lambda: give(user))

    assert isinstance(refused, AccountClosed)
    assert not ExchangeAccount.objects.exists()
    assert not ApiToken.objects.exists()
    assert not Consent.objects.exists()


def test_who_is_being_closed_keeps_nobodys_uses_of_tokens_waiting() -> None:
    token, others = a_token(new_user()), a_token(new_user())

    with transaction.atomic():
        closed(token.user)
        (left,) = at_once(1, lambda _: write_uses(token, others))

    assert left == [token.pk]
    assert write_uses(token) == []
    assert [use.token for use in TokenUse.objects.all()] == [others]


def test_a_use_of_a_token_is_written_once_its_owner_is_not_closed_after_all() -> None:
    token, other, now = a_token(new_user()), a_token(new_user()), timezone.now()
    use = token_uses.Use("revoked", "GET", "api:orders", 401, None, now)

    with transaction.atomic():
        closed(token.user)
        at_once(1, lambda _: token_uses.note(token, use))
        transaction.set_rollback(True)
    assert not TokenUse.objects.exists()
    token_uses.note(other, use)

    assert {use.token for use in TokenUse.objects.all()} == {token, other}


def test_a_use_of_a_token_that_is_just_being_written_goes_with_the_account() -> None:
    token, others = a_token(new_user()), a_token(new_user())

    answers = after(lambda: write_uses(token, others), lambda: closed_alone(token.user))

    assert answers == [[], None]
    assert [use.token for use in TokenUse.objects.all()] == [others]


def test_who_is_being_closed_is_not_onboarded() -> None:
    user = new_user()

    _done, refused = after(
        lambda: closed(user),
        lambda: onboard(
            user=user,
            full_name="Ana Souza",
            country="BR",
            tax_id=a_cpf(77_000_001),
            wallet_address=an_address(77_000_001),
            consent=True,
            now=timezone.now(),
        ),
    )

    assert isinstance(refused, AccountClosed)
    assert not Application.objects.exists()


def a_correction(user: User) -> Correction:
    return corrections.ask(
        user=user, full_name="Another Name", tax_id="", reason="A slip.", now=timezone.now()
    )


def an_application_for_a_tier(user: User) -> Case:
    return cases.hand_in(user=user, now=timezone.now())


def a_review(user: User) -> Case:
    return cases.open_for_officer(
        application=user.kyc_application,
        officer=casework.officer(),
        reason="A hint.",
        now=timezone.now(),
    )


@pytest.mark.parametrize("give", [a_correction, an_application_for_a_tier, a_review])
def test_about_who_is_being_closed_nothing_more_is_begun(give: Callable[[User], object]) -> None:
    casework.second_tier()
    user = casework.with_documents(onboarded())

    _done, refused = after(lambda: closed_with_all(user), lambda: give(user))

    assert isinstance(refused, Refused), refused
    assert refused.code == "account_closed"
    assert not Correction.objects.exists()
    assert not Case.objects.exists()


def test_of_who_is_being_closed_no_document_is_taken(settings: Settings, tmp_path: Path) -> None:
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    user, now = willing(), timezone.now()

    _done, refused = after(
        lambda: closed_with_all(user),
        lambda: documents.store(user=user, kind="passport", file=sent(picture()), now=now),
    )

    assert isinstance(refused, documents.DocumentRefused), refused
    assert refused.code == "erased"
    assert not Document.objects.exists()
    assert not files_in(tmp_path / "documents")


def a_suspension(person: Application) -> Proposal:
    return cases.propose_suspension(
        application=person,
        officer=casework.officer(*casework.LEADS),
        reason="A hint.",
        now=timezone.now(),
    )


def a_limit(person: Application) -> Proposal:
    return propose_person_limit(
        application=person,
        daily_limit_usd="500.00",
        reason="A calmer start.",
        maker=casework.officer("kyc.change_dailylimit"),
        now=timezone.now(),
    )


@pytest.mark.parametrize("propose", [a_suspension, a_limit])
def test_on_who_is_being_closed_nothing_more_is_decided(
    propose: Callable[[Application], Proposal],
) -> None:
    user = onboarded()
    proposal = propose(user.kyc_application)

    def hold_all() -> None:
        kyc_erasure.hold(user=user)
        hold(user=user)

    def close_all() -> None:
        kyc_erasure.close(user=user, now=timezone.now())
        close(user=user, now=timezone.now())

    _held, refused = after(
        hold_all, lambda: casework.approve(proposal, casework.officer()), at_last=close_all
    )

    assert isinstance(refused, Refused), refused
    assert refused.code == "account_closed"
    assert not Notice.objects.filter(user=user).exists()
    person = Application.objects.get(user=user)
    assert (person.status, person.daily_limit.limit_usd) == ("APPROVED", Decimal(1000))


def test_an_exchange_account_that_is_just_being_added_is_seen() -> None:
    user = onboarded()
    asked = erasure_due(user)

    added, _step = after(
        lambda: an_account(user), lambda: erasure.step(request_id=asked.pk, now=timezone.now())
    )

    assert isinstance(added, ExchangeAccount)
    asked.refresh_from_db()
    assert (asked.state, asked.obstacles) == ("REQUESTED", ["exchange_accounts"])
    user.refresh_from_db()
    assert user.is_active


def test_an_officer_who_is_just_asking_for_something_and_the_erasure_both_get_through() -> None:
    officer = casework.officer()
    case = casework.taken(officer)
    asked = erasure_due(case.application.user)

    answers = after(
        lambda: cases.ask(
            case_id=case.pk,
            officer=officer,
            needs=["IDENTITY"],
            text="Once more.",
            version=case.version,
            now=timezone.now(),
        ),
        lambda: erasure.step(request_id=asked.pk, now=timezone.now()),
    )

    assert [type(answer) for answer in answers] == [Case, ErasureRequest]
    asked.refresh_from_db()
    assert (asked.state, casework.fresh(case).state) == ("CLOSED", "ENDED")


def declined(correction: Correction) -> Correction:
    return corrections.decline(
        correction_id=correction.pk, officer=casework.officer(), text="No.", now=timezone.now()
    )


def withdrawn(correction: Correction) -> Correction:
    return corrections.withdraw(user=correction.application.user, now=timezone.now())


@pytest.mark.parametrize(("end", "state"), [(declined, "DECLINED"), (withdrawn, "WITHDRAWN")])
def test_a_correction_that_is_just_ending_and_the_erasure_both_get_through(
    end: Callable[[Correction], Correction], state: str
) -> None:
    user = onboarded()
    correction = a_correction(user)
    asked = erasure_due(user)

    answers = after(
        lambda: end(correction), lambda: erasure.step(request_id=asked.pk, now=timezone.now())
    )

    assert [type(answer) for answer in answers] == [Correction, ErasureRequest]
    asked.refresh_from_db()
    correction.refresh_from_db()
    assert (asked.state, correction.state) == ("CLOSED", state)


def test_who_is_told_something_is_waited_for_by_no_erasure() -> None:
    """Whoever tells holds what it tells of, and a notice refers to its reader until the commit."""
    user = new_user()

    def tell() -> None:
        notices.notify(
            user=user,
            kind="test",
            subject="Page",
            body="Page",
            params={},
            url="",
            level=Notice.Level.INFO,
            now=timezone.now(),
        )

    with transaction.atomic():
        hold(user=user)
        (answer,) = at_once(1, lambda _: tell())

    assert answer is None


def test_a_change_of_wallet_that_is_due_waits_for_the_erasure() -> None:
    user, key, now = new_user(), Signer(), timezone.now()
    set_wallet(user=user, address=Signer().address, now=now)
    proof = start_proof(user=user, purpose="change", address=key.address, now=now)
    finish_proof(
        user=user,
        proof_id=proof.pk,
        signature=key.sign(proof.message),
        contract=no_contract,
        now=now,
    )

    answers = after(
        lambda: hold(user=user),
        lambda: apply_due(now=now + timedelta(days=2)),
        at_last=lambda: close(user=user, now=timezone.now()),
    )

    assert answers == [None, 0]
    assert WalletChange.objects.get().state == "cancelled"
