"""Buying pauses for somebody whose number is on a sanctions list, until officers have settled it (ID-2)."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from kyc import screening
from kyc.models import DailyLimit, ScreeningMatch
from tests.conftest import Chain
from tests.kyc import casework
from tests.people import new_officer, onboarded
from tests.settling import place, settle
from trading.models import Order
from trading.services import OrderRefused
from trading.settlement import mint_holds
from trading.states import State
from trading.tasks import sweep_orders

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("chain", "sandbox")]


def matched(user: User, **what: Any) -> ScreeningMatch:
    """A match of the person's that nobody has decided."""
    given = {"is_sanctioned": True, "by": ScreeningMatch.By.IDENTIFIER, **what}
    return ScreeningMatch.objects.create(
        application=user.kyc_application,
        list_name="invented",
        source_id="x-1",
        digest="0" * 64,
        entry={"name": "Zoltan Invented"},
        score=100,
        found_at=timezone.now(),
        **given,
    )


def dismiss(match: ScreeningMatch) -> None:
    """Two people say that it is somebody else."""
    casework.approve(casework.dismissal_proposed(match), casework.officer())


def test_nothing_is_bought_and_the_reason_is_not_told(buyer: User) -> None:
    matched(buyer)

    with pytest.raises(OrderRefused) as refused:
        place(buyer)

    assert refused.value.code == "buying_paused"
    told = str(refused.value.message).lower()
    assert "paused" in told
    assert not any(word in told for word in ("list", "match", "sanction", "zoltan"))
    assert not Order.objects.exists()
    assert DailyLimit.objects.get().used_usd == 0


@pytest.mark.parametrize(
    "what", [{"by": ScreeningMatch.By.NAME}, {"is_sanctioned": False}], ids=["name", "office"]
)
def test_a_likeness_of_names_and_an_office_pause_nothing(buyer: User, what: Any) -> None:
    matched(buyer, **what)

    assert place(buyer).state == State.PENDING


def test_dismissed_it_pauses_nothing_and_confirmed_it_still_does(buyer: User) -> None:
    match = matched(buyer)
    dismiss(match)
    assert place(buyer).state == State.PENDING

    ScreeningMatch.objects.filter(pk=match.pk).update(
        state=ScreeningMatch.State.OPEN, decided_by=None, decided_at=None, reason=""
    )
    screening.confirm(
        match_id=match.pk, officer=new_officer("review_match"), reason="x", now=timezone.now()
    )
    with pytest.raises(OrderRefused, match="buying_paused"):
        place(buyer)


def test_an_order_that_was_not_sent_yet_is_not_sent(
    buyer: User, sandbox: SandboxControl, chain: Chain
) -> None:
    order = place(buyer)
    matched(buyer)

    order = settle(order, chain=chain)

    assert (order.state, order.reason) == (State.REJECTED, "buying_paused")
    assert order.reserved_usd == 0
    assert [o for o in sandbox.orders() if o["client_order_id"] == order.client_order_id] == []


def test_what_was_bought_is_minted_once_it_is_settled(buyer: User, chain: Chain) -> None:
    order = settle(place(buyer), chain=chain, until={State.CUSTODY_CONFIRMED})
    match = matched(buyer)

    order = settle(order, chain=chain)
    assert (order.state, order.attention, order.mint) == (State.CUSTODY_CONFIRMED, True, None)
    # An officer who is the buyer reads both.
    told = AuditRow.objects.get(action="order.needs_attention").evidence["error"]
    assert order.last_error == told == "Minting waits: see the buyer's account."

    sweep_orders()
    order.refresh_from_db()
    assert order.attention
    dismiss(match)
    sweep_orders()
    assert settle(order, chain=chain).state == State.MINT_CONFIRMED


def test_however_many_orders_are_kept_back_a_sweep_looks_for_ended_holds_by_one_query(
    chain: Chain, django_assert_num_queries: Any
) -> None:
    parked = []
    for _number in range(3):
        person = onboarded()
        order = settle(place(person), chain=chain, until={State.CUSTODY_CONFIRMED})
        matched(person)
        order = settle(order, chain=chain)
        assert order.attention
        parked.append((order, person))
    ended = parked[1][0]
    dismiss(ScreeningMatch.objects.get(application=parked[1][1].kyc_application))

    with django_assert_num_queries(1):
        assert list(mint_holds.ended()) == [ended.pk]
