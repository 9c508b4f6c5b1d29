"""What officers see of wallets, nonces and uses of tokens, and the one thing they may do."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import TokenUse, User, Wallet, WalletChange, WalletProof
from accounts.services import set_wallet
from accounts.token_store import issue_token
from accounts.wallet_proofs import finish_proof, start_proof
from compliance.models import AuditRow
from tests.people import new_officer, new_user, signed_in_recently
from tests.signing import Signer, no_contract

pytestmark = pytest.mark.django_db


@pytest.fixture
def change() -> WalletChange:
    """Somebody's typed wallet that is about to change."""
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
    return WalletChange.objects.get()


def officer(client: Client, *permissions: str) -> User:
    looks = ("view_wallet", "view_walletproof", "view_walletchange", "view_tokenuse")
    person = new_officer(*looks, *permissions)
    signed_in_recently(client, person)
    return person


def test_wallets_show_their_state_and_what_is_about_to_replace_them(
    client: Client, change: WalletChange
) -> None:
    officer(client)
    page = client.get("/admin/accounts/wallet/").content.decode()

    assert "unverified" in page
    assert change.old_address in page
    assert change.address in page


def test_every_nonce_is_shown_with_its_outcome(client: Client, change: WalletChange) -> None:
    officer(client)
    proof = WalletProof.objects.get()

    for path in ("", f"{proof.pk}/change/"):
        assert proof.address in client.get(f"/admin/accounts/walletproof/{path}").content.decode()
    assert (
        proof.nonce
        in client.get(f"/admin/accounts/walletproof/{proof.pk}/change/").content.decode()
    )
    assert str(proof) == f"Change to another wallet, {proof.created_at:%Y-%m-%d %H:%M}"


def test_uses_of_tokens_are_found_by_network_address(client: Client) -> None:
    now = datetime(2026, 11, 22, 8, tzinfo=UTC)
    token, _raw = issue_token(
        user=new_user(), name="x", scopes=["read"], expires_at=None, now=timezone.now()
    )
    use = TokenUse.objects.create(
        token=token, minute=now, outcome="used", address="203.0.113.7", count=3, method="GET",
        route="api:orders", status=200, last_at=now,
    )  # fmt: skip
    officer(client)

    assert "api:orders" in client.get("/admin/accounts/tokenuse/?q=203.0.113.7").content.decode()
    assert (
        "api:orders" not in client.get("/admin/accounts/tokenuse/?q=203.0.113.8").content.decode()
    )
    assert str(use) == "GET orders, 2026-11-22 08:00"


def test_an_officer_cancels_a_change_in_their_own_name(
    client: Client, change: WalletChange
) -> None:
    person = officer(client, "cancel_walletchange")

    path = f"/admin/accounts/walletchange/{change.pk}/cancel/"
    answer = client.post(path, {"_form_submitted": "on"})

    assert "HX-Redirect" in answer.headers
    change.refresh_from_db()
    assert (change.state, change.reason) == ("cancelled", "by_officer")
    row = AuditRow.objects.get(action="wallet.change_cancelled")
    assert row.actor == f"user:{person.pk}"
    assert Wallet.objects.get().address == change.old_address


def test_who_may_only_look_cancels_nothing(client: Client, change: WalletChange) -> None:
    officer(client)

    path = f"/admin/accounts/walletchange/{change.pk}/cancel/"
    assert client.post(path, {"_form_submitted": "on"}).status_code == 403
    change.refresh_from_db()
    assert change.state == "pending"
