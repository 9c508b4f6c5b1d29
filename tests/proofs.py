"""A published snapshot with a tree of liabilities, without chain, broker and custodian."""

import secrets
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from accounts.models import User
from accounts.selectors import wallet_of
from compliance.models import ReserveSignature, ReserveSnapshot
from compliance.reserves import liabilities
from compliance.reserves.liabilities import Holder
from tests.reserving import a_sign_off, a_stored_snapshot, no_figures


def a_published_snapshot(
    *users: User,
    others: int = 10,
    units: int = 1_250_000_000_000_000_000,
    signed: bool = True,
    now: datetime | None = None,
) -> ReserveSnapshot:
    """In which each of these users holds `units` in their wallet, among others with one token."""
    now, pk = now or timezone.now(), uuid.uuid4()
    held = [Holder(_wallet(user), user.pk, units) for user in users]
    held += [Holder(f"0x{secrets.token_hex(20)}", None, 10**18) for _ in range(others)]
    root = liabilities.build(holders=held, snapshot_id=pk, now=now)
    total = Decimal(root.sum).scaleb(-18)
    figures = ("total_supply", "broker_position", "vault_balance")
    snapshot = a_stored_snapshot(
        id=pk,
        requested_by="system:test",
        requested_at=now,
        built_at=now,
        chain_id=31337,
        contract="0x" + "c0" * 20,
        block_number=4711,
        block_hash="0x" + "ab" * 32,
        block_time=now - timedelta(minutes=20),
        finality="finalized",
        figures={**no_figures(), **dict.fromkeys(figures, str(total)), "holders": str(len(held))},
        difference=Decimal(0),
        tree_root=root.hash,
        tree_sum=Decimal(root.sum),
        content_hash="cd" * 32,
        next_attempt_at=None,
    )
    if signed:
        ReserveSignature.objects.create(
            snapshot=snapshot,
            proposal_id=a_sign_off(snapshot),
            content_hash=snapshot.content_hash,
            statement="test",
            maker_id=uuid.uuid4(),
            checker_id=uuid.uuid4(),
            signed_at=now,
        )
    return snapshot


def _wallet(user: User) -> str:
    wallet = wallet_of(user)
    if wallet is None:
        raise AssertionError("The user has no wallet.")
    return str(wallet.address)
