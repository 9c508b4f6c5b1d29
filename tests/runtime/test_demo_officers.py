"""The demo's officers can sign in: two of them, an auditor, and a second factor that is told."""

from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from agora.runtime import demo_officers, telling
from tests.people import current_code

pytestmark = pytest.mark.django_db
PASSWORD = "long enough for a demo"


def sign_in(email: str, code: str) -> Client:
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": PASSWORD})
    browser.post("/account/2fa/authenticate/", {"code": code})
    return browser


def test_officers_and_auditor_get_into_the_back_office_with_what_is_told() -> None:
    people, told = demo_officers.ensure(password=PASSWORD)

    assert sorted(people) == ["auditor", "officer", "second_officer"]
    for email in people.values():
        browser = sign_in(email, current_code(told["key"]))
        assert browser.get("/admin/").status_code == 200
        assert sign_in(email, told["codes"][0]).get("/admin/").status_code == 200


def test_the_auditor_looks_and_does_not_decide() -> None:
    people, _told = demo_officers.ensure(password=PASSWORD)
    auditor = User.objects.get(email=people["auditor"])

    assert auditor.has_perm("trading.view_order")
    assert not auditor.has_perm("trading.change_order")
    assert not auditor.has_perm("compliance.decide_proposal")


def test_the_next_start_tells_the_same_key_and_the_codes_that_are_left() -> None:
    people, first = demo_officers.ensure(password=PASSWORD)
    used = first["codes"][0]
    sign_in(people["officer"], used)

    _people, second = demo_officers.ensure(password=PASSWORD)

    assert second["key"] == first["key"]
    assert second["codes"] == first["codes"][1:]


def test_nobody_is_locked_out_by_using_codes_up() -> None:
    people, first = demo_officers.ensure(password=PASSWORD)
    for code in first["codes"][:7]:
        sign_in(people["officer"], code)

    _people, second = demo_officers.ensure(password=PASSWORD)

    assert second["codes"] == first["codes"]


def test_the_greeting_tells_key_and_codes() -> None:
    people, told = demo_officers.ensure(password=PASSWORD)

    greeting = telling.greeting(
        site="http://localhost:8000",
        password=PASSWORD,
        accounts={**people, "buyer": "ana@demo.example"},
        second_factor=told,
        copying=None,
        data=Path("/d"),
    )

    for text in (told["key"], *told["codes"], *people.values()):
        assert text in greeting
