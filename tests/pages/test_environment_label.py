"""Every page of the back office says whether what is decided there moves anything real."""

from collections.abc import Set

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.people import new_officer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("live", "told"),
    [
        (frozenset(), "Test: paper, sandbox, testnet, chain 31337"),
        (frozenset({"fireblocks", "binance"}), "LIVE: Binance, Fireblocks, chain 31337"),
    ],
)
def test_the_back_office_says_on_which_side_the_vendors_are(
    client: Client, settings: Settings, live: Set[str], told: str
) -> None:
    settings.LIVE_VENDORS, settings.CHAIN_ID = live, 31337
    client.force_login(new_officer("view_proposal"))

    assert told in client.get(reverse("admin:compliance_proposal_changelist")).text
