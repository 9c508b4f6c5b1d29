"""From an order to the proof of reserve that counted its tokens."""

import pytest
from django.test import Client
from django.urls import reverse

from agora.sandbox.client import SandboxControl
from compliance.models import LiabilityNonce
from tests.conftest import Chain
from tests.people import onboarded
from tests.reserving import a_snapshot, a_stored_snapshot, signed, with_signature
from tests.settling import place, settle
from trading.models import Order

pytestmark = pytest.mark.django_db
NOT_YET = "Not yet: the next one that two people sign"


@pytest.fixture
def order(sandbox: SandboxControl, chain: Chain, client: Client) -> Order:
    """A minted one, its owner signed in."""
    person = onboarded()
    client.force_login(person)
    minted = settle(place(person), chain=chain)
    chain.mine(3)
    return minted


def pages(client: Client, order: Order) -> list[str]:
    return [client.get(reverse(name, args=[order.pk])).text for name in ("order", "order_receipt")]


def test_the_order_leads_to_the_first_signed_snapshot_that_counted_it(
    client: Client, order: Order
) -> None:
    assert order.mint is not None
    same = {"chain_id": order.mint.chain_id, "contract": order.mint.contract}
    with_signature(a_stored_snapshot(**same, block_number=(order.mint.block_number or 0) - 1))
    with_signature(a_stored_snapshot(chain_id=same["chain_id"], block_number=10**9))
    snapshot = a_snapshot()
    assert all(NOT_YET in page for page in pages(client, order))

    signed(snapshot)
    with_signature(a_stored_snapshot(**same, block_number=10**9))

    address = reverse("my_reserves_in", args=[snapshot.pk])
    for page in pages(client, order):
        assert f'href="{address}"' in page
        assert f"at block {snapshot.block_number}" in page
        assert NOT_YET not in page
    assert "Your balance at block" in client.get(address).text


def test_without_a_proof_of_ones_own_it_leads_to_what_is_published(
    client: Client, order: Order
) -> None:
    snapshot = a_snapshot()
    signed(snapshot)
    LiabilityNonce.objects.filter(user_id=order.user_id).delete()

    for page in pages(client, order):
        assert f'href="{reverse("my_reserves_in", args=[snapshot.pk])}"' not in page
        assert f"at block {snapshot.block_number}" in page


def test_before_the_mint_nothing_is_said_of_reserves(
    sandbox: SandboxControl, client: Client
) -> None:
    person = onboarded()
    client.force_login(person)
    placed = place(person, nudged=False)

    page = client.get(reverse("order", args=[placed.pk])).text

    assert NOT_YET not in page
