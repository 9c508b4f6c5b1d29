"""A wallet is proved by one answer to one message, which nobody else and nothing else can give."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from accounts import siwe, wallet_proofs
from accounts.addresses import InvalidAddress
from accounts.models import User, Wallet, WalletChange, WalletProof
from accounts.services import set_wallet
from accounts.siwe import MalformedSignature
from accounts.wallet_proofs import LIFETIME, finish_proof, start_proof
from accounts.wallets import WalletRefused
from agora.lib.outcome import Temporary
from compliance.models import AuditRow
from tests.people import new_user
from tests.signing import Signer, no_contract, other_form

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 8, 0, 0, 250_000, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def key() -> Signer:
    return Signer()


@pytest.fixture
def user(key: Signer) -> User:
    """Somebody who typed the address of `key`."""
    person = new_user()
    set_wallet(user=person, address=key.address, now=NOW)
    return person


def start(user: User, address: str, purpose: str = "verify", now: datetime = NOW) -> WalletProof:
    return start_proof(user=user, purpose=purpose, address=address, now=now)


def finish(proof: WalletProof, signature: str, **changes: Any) -> WalletProof:
    values = {"user": proof.user, "contract": no_contract, "now": SOON, **changes}
    return finish_proof(proof_id=proof.pk, signature=signature, **values)


def trail() -> list[tuple[str, str]]:
    rows = AuditRow.objects.filter(object_type="wallet_proof").order_by("id")
    return [(row.action, row.evidence["reason"]) for row in rows]


def assert_refused(code: str, proof: WalletProof, signature: str, **changes: Any) -> None:
    """Refused with this code; nothing is verified and no change begins."""
    with pytest.raises(WalletRefused, match=code) as refusal:
        finish(proof, signature, **changes)
    assert str(refusal.value.message)
    assert not Wallet.objects.filter(verified_at__isnull=False).exists()
    assert not WalletChange.objects.exists()


def test_the_message_is_the_servers_and_names_everything(user: User, key: Signer) -> None:
    proof = start(user, key.address.lower())

    message = siwe.parse(proof.message)
    assert message == siwe.Message(
        domain="localhost:8000",
        address=key.address,
        statement="I own this wallet. Signing costs nothing and moves nothing.",
        uri="http://localhost:8000/account/wallet/",
        chain_id=31337,
        nonce=proof.nonce,
        issued_at=NOW.replace(microsecond=0),
        expiration_time=NOW.replace(microsecond=0) + LIFETIME,
    )
    assert (proof.address, proof.used_at, proof.outcome) == (key.address, None, "")
    assert trail() == [("wallet.nonce_issued", "")]


def test_a_signature_verifies_the_wallet(user: User, key: Signer) -> None:
    proof = start(user, key.address)

    finished = finish(proof, key.sign(proof.message))

    wallet = Wallet.objects.get(user=user)
    assert (wallet.verified_at, wallet.method) == (SOON, "key")
    assert (finished.used_at, finished.outcome) == (SOON, "proved")
    assert trail() == [("wallet.nonce_issued", ""), ("wallet.nonce_used", "")]
    row = AuditRow.objects.get(action="wallet.verified")
    assert row.evidence == {"address": key.address, "method": "key"}


def test_a_nonce_is_answered_once(user: User, key: Signer) -> None:
    proof = start(user, key.address)
    signature = key.sign(proof.message)
    finish(proof, signature)
    Wallet.objects.update(verified_at=None, method="")

    assert_refused("proof_used", proof, signature)
    assert trail()[-1] == ("wallet.nonce_refused", "proof_used")


def test_a_message_expires(user: User, key: Signer) -> None:
    proof = start(user, key.address)

    assert_refused("proof_expired", proof, key.sign(proof.message), now=proof.expires_at)
    proof.refresh_from_db()
    assert proof.used_at is None
    finish(proof, key.sign(proof.message), now=proof.expires_at - timedelta(microseconds=1))


def test_another_key_proves_nothing_and_uses_the_nonce_up(user: User, key: Signer) -> None:
    proof = start(user, key.address)

    assert_refused("signature_refused", proof, Signer().sign(proof.message))
    assert_refused("proof_used", proof, key.sign(proof.message))
    proof.refresh_from_db()
    assert (proof.outcome, proof.reason) == ("refused", "signature_refused")
    assert trail()[1:] == [
        ("wallet.nonce_used", "signature_refused"),
        ("wallet.nonce_refused", "proof_used"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("localhost:8000", "evil.example"),
        ("Chain ID: 31337", "Chain ID: 1"),
        ("Signing costs nothing", "Signing costs something"),
        ("Nonce: ", "Nonce: x"),
        ("\n\n", "\n"),
    ],
)
def test_a_signature_of_another_text_proves_nothing(
    user: User, key: Signer, old: str, new: str
) -> None:
    proof = start(user, key.address)

    assert_refused("signature_refused", proof, key.sign(proof.message.replace(old, new)))


def test_a_text_that_was_tampered_with_where_it_is_kept_is_no_message(
    user: User, key: Signer
) -> None:
    for old, new in [("localhost:8000 wants", "evil.example wants"), ("Nonce: ", "Nonce: x")]:
        proof = start(user, key.address)
        proof.message = proof.message.replace(old, new)
        proof.save(update_fields=["message"])

        assert_refused("message_refused", proof, key.sign(proof.message))


@pytest.mark.parametrize(
    ("name", "value"), [("SITE_URL", "https://agora.example"), ("CHAIN_ID", 84532)]
)
def test_a_message_of_another_site_or_chain_is_refused(
    user: User, key: Signer, settings: Settings, name: str, value: object
) -> None:
    proof = start(user, key.address)
    setattr(settings, name, value)

    assert_refused("message_refused", proof, key.sign(proof.message))


def test_another_persons_message_does_not_exist(user: User, key: Signer) -> None:
    proof = start(user, key.address)
    other = new_user()
    set_wallet(user=other, address=Signer().address, now=NOW)

    for proof_id in (proof.pk, uuid4()):
        with pytest.raises(WalletProof.DoesNotExist):
            finish_proof(
                user=other,
                proof_id=proof_id,
                signature=key.sign(proof.message),
                contract=no_contract,
                now=SOON,
            )
    finish(proof, key.sign(proof.message))


def test_the_other_form_of_a_right_signature_is_refused(user: User, key: Signer) -> None:
    proof = start(user, key.address)

    assert_refused("signature_refused", proof, other_form(key.sign(proof.message)))


@pytest.mark.parametrize("signature", ["", "0x", "0x1234", "not hex"])
def test_what_is_no_signature_changes_nothing(user: User, key: Signer, signature: str) -> None:
    proof = start(user, key.address)
    with pytest.raises(MalformedSignature):
        finish(proof, signature)

    finish(proof, key.sign(proof.message))


def test_a_contract_is_asked_when_no_key_signed(user: User, key: Signer) -> None:
    proof = start(user, key.address)
    asked: list[tuple[str, bytes, bytes]] = []

    def contract(*, address: str, digest: bytes, signature: bytes) -> bool:
        asked.append((address, digest, signature))
        return True

    finish(proof, "0x" + "ab" * 100, contract=contract)

    assert asked == [(key.address, siwe.digest(proof.message), b"\xab" * 100)]
    assert Wallet.objects.get(user=user).method == "contract"


def test_while_the_chain_is_away_the_nonce_waits(user: User, key: Signer) -> None:
    proof = start(user, key.address)

    def away(*, address: str, digest: bytes, signature: bytes) -> bool:
        raise Temporary("The chain did not answer.")

    with pytest.raises(Temporary):
        finish(proof, "0x" + "ab" * 65, contract=away)
    finish(proof, key.sign(proof.message), contract=away)  # a key's signature needs no chain


@pytest.mark.parametrize(
    ("purpose", "own", "code"),
    [("verify", False, "other_wallet"), ("change", True, "same_wallet")],
)
def test_the_purpose_must_fit_the_address(
    user: User, key: Signer, purpose: str, own: bool, code: str
) -> None:
    address = key.address if own else Signer().address

    with pytest.raises(WalletRefused, match=code):
        start(user, address, purpose)
    assert not WalletProof.objects.exists()


def test_somebody_without_a_wallet_has_none_to_change(key: Signer) -> None:
    with pytest.raises(WalletRefused, match="no_wallet"):
        start(new_user(), key.address, "change")


def test_somebody_without_a_wallet_gets_the_one_they_prove(key: Signer) -> None:
    person = new_user()

    finish(start(person, key.address), key.sign(WalletProof.objects.get().message))

    wallet = Wallet.objects.get()
    assert (wallet.user, wallet.address, wallet.method) == (person, key.address, "key")
    assert wallet.verified_at == SOON
    assert AuditRow.objects.get(action="wallet.linked").evidence["verified"] is True


def test_a_wrong_checksum_is_a_typing_error(user: User, key: Signer) -> None:
    with pytest.raises(InvalidAddress):
        start(user, "0x" + key.address[2:].swapcase())


def test_a_wallet_that_changed_meanwhile_is_not_verified_by_the_old_message(
    user: User, key: Signer
) -> None:
    proof = start(user, key.address)
    Wallet.objects.filter(user=user).update(address=Signer().address)

    assert_refused("other_wallet", proof, key.sign(proof.message))
    proof.refresh_from_db()
    assert (proof.outcome, proof.reason) == ("refused", "other_wallet")


def test_messages_are_bounded_in_number(
    user: User, key: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_proofs, "MOST_PROOFS", 2)
    start(user, key.address)
    start(user, key.address)

    with pytest.raises(WalletRefused, match="too_many_proofs"):
        start(user, key.address, now=NOW + LIFETIME - timedelta(seconds=1))
    start(user, key.address, now=NOW + LIFETIME)
