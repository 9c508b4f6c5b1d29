"""No button of the back office fails on a row that is not there, whatever stands in its address."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from tests.people import new_officer

pytestmark = pytest.mark.django_db

WRONG = [str(uuid4()), "no-such-id", "0", "99999999999999999999", "_5F", "é/../x"]


def actions() -> list[str]:
    """Every route of an action on one row."""
    return [
        action.action_name
        for page in admin.site._registry.values()
        if isinstance(page, UnfoldModelAdmin)
        for action in (*page._get_base_actions_detail(), *page._get_base_actions_row())
    ]


@pytest.fixture
def superuser(client: Client) -> Client:
    client.force_login(new_officer(is_superuser=True))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_action_on_a_row_that_is_not_there_is_not_found(superuser: Client, method: str) -> None:
    names = actions()
    assert len(names) > 20

    found: dict[tuple[str, str], int] = {}
    for name in names:
        for wrong in WRONG:
            address = reverse(f"admin:{name}", args=[wrong])
            answer = getattr(superuser, method)(address, {"_form_submitted": "True"})
            found[name, wrong] = answer.status_code

    assert {key: status for key, status in found.items() if status != 404} == {}


def test_the_page_of_a_row_that_is_not_there_leads_away(superuser: Client) -> None:
    found: dict[tuple[str, str], int] = {}
    for model in admin.site._registry:
        for wrong in WRONG:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            found[name, wrong] = superuser.get(reverse(name, args=[wrong])).status_code

    unexpected: dict[Any, int] = {key: code for key, code in found.items() if code >= 500}
    assert unexpected == {}
