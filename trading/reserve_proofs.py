"""In which published proof of reserve an order's tokens were counted first (RAT-003, RAT-014)."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from compliance.models import LiabilityLeaf, LiabilityNonce, ReserveSnapshot
from trading.models import Order
from trading.states import State


@dataclass(frozen=True)
class Counted:
    """The published snapshot; `own` says whether its tree has a proof for the order's owner."""

    snapshot: ReserveSnapshot
    own: bool


def counted_in(order: Order) -> Counted | None:
    """The first published snapshot at or after the block of the mint; None while there is none.

    The owner has a proof in it unless the tokens had left the address by then, or the tree is not
    kept any more. One query; needs the order's mint.
    """
    if order.state != State.MINT_CONFIRMED or order.mint is None:
        return None
    account = bytes.fromhex(order.wallet_address.removeprefix("0x"))
    leaf = LiabilityLeaf.objects.filter(snapshot_id=OuterRef("pk"), account=account)
    nonce = LiabilityNonce.objects.filter(account=account, user_id=order.user_id)
    published = ReserveSnapshot.objects.filter(
        signature__isnull=False,
        chain_id=order.mint.chain_id,
        contract=order.mint.contract,
        block_number__gte=order.mint.block_number,
    )
    with_proof = published.annotate(own=Exists(leaf) & Exists(nonce))
    snapshot = with_proof.order_by("block_number", "built_at").first()
    return None if snapshot is None else Counted(snapshot, snapshot.own)
