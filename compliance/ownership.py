"""Whose an address on the chain is, also after its person has gone on to another wallet.

Both the tree of holders and what the law gives a person (a copy, erasure) go by it.
"""

import uuid
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from eth_utils.address import to_checksum_address

from accounts.models import Wallet, WalletChange, WalletProof
from compliance.models import LiabilityNonce
from trading.models import Order
from trading.states import State

_NONCES_LOCK = 0x4C49414249  # any constant: one build of a tree or erasure at a time
# Less than a task may take: who waited in vain fails, and comes again, instead of being killed.
LONGEST_WAIT = timedelta(seconds=90)
# Rank decides between claims to one address. Who merely typed an address, now or before a change,
# has no claim: they must not be shown what another holds there. Of proofs the latest counts, of
# mints the first: minting a little to the address of another must not take it from them. Proofs
# are not kept for ever, so whom a tree named as owner stays it until another proves more.
OWNERS = """
SELECT address, user_id FROM (
    SELECT DISTINCT ON (address) address, user_id
    FROM (
        SELECT lower(address) AS address, user_id, 1 AS rank,
            extract(epoch FROM verified_at) AS strength
        FROM accounts_wallet WHERE verified_at IS NOT NULL
        UNION ALL
        SELECT lower(address), user_id, 2, extract(epoch FROM created_at)
        FROM accounts_walletchange WHERE state = 'applied'
        UNION ALL
        SELECT lower(address), user_id, 2, extract(epoch FROM used_at)
        FROM accounts_walletproof WHERE purpose = 'verify' AND outcome = 'proved'
        UNION ALL
        SELECT '0x' || encode(account, 'hex'), user_id, 3, 0
        FROM compliance_liabilitynonce WHERE user_id IS NOT NULL
        UNION ALL
        SELECT lower(wallet_address), user_id, 4, -extract(epoch FROM min(created_at))
        FROM trading_order WHERE state = 'MINT_CONFIRMED' GROUP BY wallet_address, user_id
    ) AS claim
    ORDER BY address, rank, strength DESC
) AS owner
WHERE NOT EXISTS (
    SELECT FROM compliance_erasurerequest erasure
    WHERE erasure.user_id = owner.user_id AND erasure.state = 'ERASED'
)
"""


def addresses_of(user_id: uuid.UUID) -> list[str]:
    """Addresses that the person has a claim to, now or from before; not those others proved since."""
    changes = WalletChange.objects.filter(user=user_id, state=WalletChange.State.APPLIED)
    proofs = WalletProof.objects.filter(
        user=user_id, purpose=WalletProof.Purpose.VERIFY, outcome=WalletProof.Outcome.PROVED
    )
    orders = Order.objects.filter(user=user_id, state=State.MINT_CONFIRMED)
    nonces = LiabilityNonce.objects.filter(user_id=user_id).values_list("account", flat=True)
    theirs = {
        *Wallet.objects.filter(user=user_id, verified_at__isnull=False).values_list(
            "address", flat=True
        ),
        *changes.values_list("address", flat=True),
        *proofs.values_list("address", flat=True),
        *orders.values_list("wallet_address", flat=True).distinct(),
        *(to_checksum_address(bytes(account)) for account in nonces),
    }
    others = Wallet.objects.filter(address__in=theirs, verified_at__isnull=False)
    return sorted(theirs - set(others.exclude(user=user_id).values_list("address", flat=True)))


def nonces_of(user_id: uuid.UUID) -> Q:
    """Which LiabilityNonce rows are the person's, those included that no tree gave to them yet."""
    accounts = [bytes.fromhex(address[2:]) for address in addresses_of(user_id)]
    return Q(user_id=user_id) | Q(user_id=None, account__in=accounts)


def hold_nonces() -> None:
    """Keep builds and erasures from writing nonces to the end of the transaction.

    Waits for one that does until it has committed, for up to LONGEST_WAIT, which is longer than other
    locks are waited for. Raises OperationalError after that.
    """
    with connection.cursor() as cursor:
        # To wait for a lock is part of a statement: both limits count.
        for limit in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SET LOCAL {limit} = '{LONGEST_WAIT.total_seconds():.0f}s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NONCES_LOCK])
        for limit in ("lock_timeout", "statement_timeout"):
            cursor.execute(f"SET LOCAL {limit} TO DEFAULT")
