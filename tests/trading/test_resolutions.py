"""An order that needs a person is ended by two, and never while it may still be minted."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Notice, User
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from custody.models import CustodyRecord
from kyc.models import DailyLimit
from tests.people import new_officer, onboarded
from tests.quoting import a_quote
from tokens.models import FreeNonce, MintAttempt, MintTx
from trading.decisions import propose_resolution
from trading.models import Order
from trading.services import place_order
from trading.states import State

pytestmark = pytest.mark.django_db


def an_order(**changes: object) -> Order:
    order = place_order(
        user=onboarded(),
        quantity=Decimal("0.5"),
        quote=a_quote(price="200.00"),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )
    parked: dict[str, object] = {
        "attention": True,
        "next_attempt_at": None,
        "last_error": "Look at me.",
    }
    if changes.get("state", State.PENDING) not in (State.PENDING, State.SUBMITTED):
        parked |= {
            "broker_order_id": str(uuid4()),
            "filled_quantity": Decimal("0.5"),
            "filled_avg_price": Decimal(200),
            "custody": a_custody_record(order),
            "mint": a_mint(order, asked=bool(changes.pop("asked", True))),
        }
    Order.objects.filter(pk=order.pk).update(**{**parked, **changes})
    order.refresh_from_db()
    return order


def a_mint(order: Order, *, asked: bool) -> MintTx:
    mint = MintTx.objects.create(
        reference=order.pk,
        broker_trade_id=str(uuid4()),
        to_address=order.wallet_address,
        units=10**17,
        chain_id=31337,
        contract="0x" + "1" * 40,
        sender="0x" + "2" * 40,
        nonce=7,
        created_at=timezone.now(),
    )
    MintAttempt.objects.create(
        mint=mint,
        number=1,
        external_tx_id=str(uuid4()),
        unsigned={"nonce": 7},
        asked_at=timezone.now() if asked else None,
        created_at=timezone.now(),
    )
    return mint


def a_custody_record(order: Order) -> CustodyRecord:
    return CustodyRecord.objects.create(
        reference=order.pk,
        symbol="AAPL",
        quantity=Decimal("0.5"),
        external_tx_id=str(order.pk),
        created_at=timezone.now(),
    )


def propose(order: Order) -> Proposal:
    return propose_resolution(
        order=order,
        reason="Looked at the broker's books.",
        maker=new_officer("resolve_order"),
        now=timezone.now(),
    )


def approve(proposal: Proposal) -> None:
    four_eyes.approve(
        proposal_id=proposal.pk, checker=new_officer("decide_proposal"), now=timezone.now()
    )


@pytest.mark.parametrize("state", [State.PENDING, State.SUBMITTED])
def test_an_order_that_bought_nothing_is_cancelled_and_its_limit_released(state: str) -> None:
    order = an_order(state=state)
    assert DailyLimit.objects.get().used_usd > 0
    proposal = propose(order)
    order.refresh_from_db()
    assert order.state == state

    approve(proposal)

    order.refresh_from_db()
    assert (order.state, order.reason) == (State.CANCELLED, "resolved_by_officers")
    assert (order.attention, order.next_attempt_at) == (False, None)
    assert order.reserved_usd == 0
    assert DailyLimit.objects.get().used_usd == 0


@pytest.mark.parametrize("state", [State.FILLED, State.CUSTODY_CONFIRMED])
def test_an_order_whose_shares_are_bought_fails_and_still_counts_for_the_limit(
    state: str,
) -> None:
    order = an_order(state=state, asked=False)
    used = DailyLimit.objects.get().used_usd

    approve(propose(order))

    order.refresh_from_db()
    assert (order.state, order.filled_quantity) == (State.FAILED, Decimal("0.5"))
    assert DailyLimit.objects.get().used_usd == used


def test_a_mint_that_nobody_was_asked_to_sign_fails_with_its_order_and_frees_its_nonce() -> None:
    order = an_order(state=State.MINTING, asked=False)

    approve(propose(order))

    mint = MintTx.objects.get(reference=order.pk)
    assert (mint.state, mint.nonce) == (MintTx.State.FAILED, None)
    assert FreeNonce.objects.get().nonce == 7


def test_an_order_whose_mint_may_still_be_mined_is_not_ended() -> None:
    order = an_order(state=State.MINTING, asked=True)

    with pytest.raises(Refused, match="may still be mined"):
        propose(order)

    assert not Proposal.objects.exists()


@pytest.mark.parametrize("sent", [{"custody_tx_id": "tx-1"}, {}])
def test_an_order_whose_receipt_may_still_arrive_is_not_ended(sent: dict[str, str]) -> None:
    order = an_order(state=State.FILLED, asked=False, asked_at=None if sent else timezone.now())
    CustodyRecord.objects.filter(reference=order.pk).update(external_tx_id="cus", **sent)

    with pytest.raises(Refused, match="has not ended there"):
        propose(Order.objects.get(pk=order.pk))


def test_an_order_that_goes_on_by_itself_is_not_ended() -> None:
    with pytest.raises(Refused, match="goes on by itself"):
        propose(an_order(attention=False))


@pytest.mark.parametrize("state", [State.MINT_CONFIRMED, State.REJECTED, State.CANCELLED])
def test_an_order_that_has_ended_is_not_ended_again(state: str) -> None:
    with pytest.raises(Refused, match="ended already"):
        propose(an_order(state=state))


def test_an_order_with_shares_bought_is_not_cancelled() -> None:
    with pytest.raises(Refused, match="has bought shares"):
        propose(an_order(state=State.SUBMITTED, filled_quantity=Decimal("0.1")))


def test_an_order_that_moved_on_meanwhile_is_looked_at_again() -> None:
    order = an_order(state=State.SUBMITTED)
    proposal = propose(order)
    Order.objects.filter(pk=order.pk).update(broker_status="new", version=order.version + 1)

    with pytest.raises(Refused, match="moved on meanwhile"):
        approve(proposal)

    order.refresh_from_db()
    assert order.state == State.SUBMITTED


def test_its_owner_is_told_and_the_trail_names_both_people() -> None:
    order = an_order(state=State.SUBMITTED, limit_day=date(2026, 3, 2))
    proposal = propose(order)

    approve(proposal)

    assert Notice.objects.get(user=order.user, kind="order_resolved").url == f"/orders/{order.pk}/"
    row = AuditRow.objects.get(action="order.resolved")
    proposal.refresh_from_db()
    assert row.actor == f"user:{proposal.checker_id}"
    assert row.evidence["proposal"] == str(proposal.pk)


def test_nobody_ends_their_own_order() -> None:
    order = an_order()
    buyer = order.user
    permissions = Permission.objects.filter(codename__in=["resolve_order", "decide_proposal"])
    buyer.user_permissions.set(permissions)
    buyer = User.objects.get(pk=buyer.pk)

    with pytest.raises(Refused, match="about yourself"):
        propose_resolution(order=order, reason="Mine.", maker=buyer, now=timezone.now())
    proposal = propose_resolution(
        order=order, reason="Stuck.", maker=new_officer("resolve_order"), now=timezone.now()
    )
    with pytest.raises(Proposal.DoesNotExist):
        four_eyes.approve(proposal_id=proposal.pk, checker=buyer, now=timezone.now())

    order.refresh_from_db()
    assert order.state == State.PENDING
