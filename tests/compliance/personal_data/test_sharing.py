"""People are told who outside Agora gets what about them, and no vendor is forgotten."""

import ast
from pathlib import Path

import pytest
from django.conf import settings as current
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from compliance.personal_data.sharing import NOTHING_OF_A_PERSON, RECIPIENTS, recipients
from tests.people import onboarded

pytestmark = pytest.mark.django_db


def addresses() -> set[str]:
    """Names of the settings that hold the address of another machine."""
    tree = ast.parse((Path(current.BASE_DIR) / "agora" / "settings.py").read_text())
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in ("address", "vendor_address")
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_every_machine_that_agora_talks_to_is_told_or_gets_nothing_of_a_person() -> None:
    told = {name for recipient in RECIPIENTS for name in recipient.settings}

    found = addresses()

    assert {"ALPACA_BASE_URL", "CHAIN_RPC_URL"} <= found
    assert found - told == set(NOTHING_OF_A_PERSON)


def test_what_is_not_set_up_is_not_told(settings: Settings) -> None:
    settings.DOCUMENTS_S3_BUCKET, settings.OIDC_ISSUER = "", "https://id.example.com"

    names = [str(recipient.who) for recipient in recipients()]

    assert "The sign-in provider that you choose" in names
    assert "The provider of our document storage" not in names


def test_the_persons_page_tells_it(client: Client) -> None:
    client.force_login(onboarded())

    page = client.get(reverse("privacy")).text

    assert "Who else gets what" in page
    assert "nothing that says whose it is" in page
