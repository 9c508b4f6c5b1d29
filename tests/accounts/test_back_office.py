"""Address book and notices in the back office: to be looked at, not to be changed."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts import notices
from accounts.address_book import create_entry
from accounts.models import AddressEntry, Notice
from tests.people import an_address, new_officer, new_user

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def an_officer(*permissions: str) -> Client:
    browser = Client()
    browser.force_login(new_officer(*permissions))
    return browser


@pytest.fixture
def entry() -> AddressEntry:
    return create_entry(
        user=new_user(),
        exchange="",
        chain="EVM",
        label="Mine",
        address=an_address(1),
        tag=None,
        now=NOW,
    )


@pytest.fixture
def notice() -> Notice:
    made = notices.notify(
        user=new_user(),
        kind="breach",
        subject="Stopped at %(limit)s",
        body="Stopped.",
        params={"limit": "100 USD"},
        url="/orders/",
        level=Notice.Level.ALERT,
        now=NOW,
    )
    assert made is not None
    Notice.objects.filter(pk=made.pk).update(attention=True, next_attempt_at=None)
    return made


def test_an_address_is_shown_and_cannot_be_changed(entry: AddressEntry) -> None:
    officer = an_officer("view_addressentry", "change_addressentry", "delete_addressentry")
    page = reverse("admin:accounts_addressentry_change", args=[entry.pk])

    assert entry.address in officer.get(page).content.decode()
    assert officer.post(page, {"label": "Changed"}).status_code == 403
    found = officer.get(reverse("admin:accounts_addressentry_changelist"), {"q": entry.user.email})
    assert entry.address in found.content.decode()
    entry.refresh_from_db()
    assert entry.label == "Mine"


def test_a_notice_is_shown_as_its_reader_sees_it(notice: Notice) -> None:
    officer = an_officer("view_notice")

    page = officer.get(reverse("admin:accounts_notice_change", args=[notice.pk])).content.decode()
    assert "Stopped at 100 USD" in page
    listed = officer.get(reverse("admin:accounts_notice_changelist")).content.decode()
    assert "needs a person" in listed


@pytest.mark.parametrize(
    ("permissions", "attention"),
    [(["view_notice"], True), (["view_notice", "change_notice"], False)],
)
def test_only_who_may_change_notices_can_set_them_going(
    notice: Notice, permissions: list[str], attention: bool
) -> None:
    officer = an_officer(*permissions)

    officer.post(
        reverse("admin:accounts_notice_changelist"),
        {"action": "try_again", "_selected_action": [str(notice.pk)], "index": 0},
    )

    notice.refresh_from_db()
    assert notice.attention is attention


@pytest.mark.parametrize(
    ("permissions", "attention"),
    [(["view_notice"], True), (["view_notice", "change_notice"], False)],
)
def test_failed_e_mails_of_others_decisions_are_tried_again_unseen(
    notice: Notice, permissions: list[str], attention: bool
) -> None:
    Notice.objects.filter(pk=notice.pk).update(kind="decision_waits")
    officer = an_officer(*permissions)
    page = officer.get(reverse("admin:accounts_notice_changelist"))
    assert not page.context["cl"].queryset.exists()

    officer.post(reverse("admin:accounts_notice_try_all_again"), {"_form_submitted": "on"})

    notice.refresh_from_db()
    assert notice.attention is attention
