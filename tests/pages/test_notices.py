"""Notices as pages: a bell that counts, a list, and what was read."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import notices
from accounts.models import Notice, User
from accounts.views.notices import NOTICES_PER_PAGE
from tests.people import onboarded

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


def tell(user: User, **changes: Any) -> Notice:
    right: dict[str, Any] = {
        "kind": "test",
        "subject": "Page %(number)s of %(total)s",
        "body": "Copy %(label)s",
        "params": {"number": 1, "total": 2, "label": "it"},
        "url": "/orders/",
        "level": Notice.Level.ALERT,
        "now": NOW,
    }
    notice = notices.notify(user=user, **{**right, **changes})
    assert notice is not None
    return notice


def bell(browser: Client) -> str:
    """What the bell says on a page of no special interest."""
    page = browser.get(reverse("api_tokens")).content.decode()
    inside = page.split('href="/notices/"')[1].split("</a>")[0]
    return " ".join(inside.split('class="sr-only">')[1].split("<")[0].split())


def test_the_bell_counts_what_is_not_read(browser: Client, buyer: User) -> None:
    assert bell(browser) == "Notices"
    first = tell(buyer)
    tell(buyer)
    tell(onboarded())

    assert bell(browser) == "Notices: 2 not read"
    notices.mark_read(user=buyer, notice_id=first.pk, now=NOW)
    assert bell(browser) == "Notices: 1 not read"


def test_the_bell_stops_counting_where_nobody_counts(browser: Client, buyer: User) -> None:
    Notice.objects.bulk_create(
        Notice(user=buyer, kind="x", level="info", subject="x", body="x", created_at=NOW)
        for _ in range(101)
    )

    assert "99+" in browser.get("/notices/").content.decode()


def test_the_bell_costs_one_query_and_nothing_before_signing_in(
    browser: Client, client: Client
) -> None:
    for path in (reverse("api_tokens"), "/notices/"):  # the second one asks for it twice
        with CaptureQueriesContext(connection) as queries:
            browser.get(path)
        counted = [query for query in queries if '"read_at" IS NULL' in query["sql"]]
        assert len(counted) == 1, path

    anybody = Client()
    with CaptureQueriesContext(connection) as queries:
        anybody.get("/")
    assert len(queries) == 0


def test_an_empty_list_says_what_would_be_in_it(browser: Client) -> None:
    assert "No notices yet" in browser.get("/notices/").content.decode()


def test_notices_are_listed_newest_first_in_the_readers_language(
    browser: Client, buyer: User
) -> None:
    tell(buyer, params={"number": 1, "total": 2, "label": "x"})
    tell(buyer, params={"number": 2, "total": 2, "label": "x"}, now=NOW + timedelta(hours=1))
    browser.post(reverse("preferences"), {"language": "pt-br"})

    page = browser.get("/notices/").content.decode()
    assert page.index("Página 2 de 2") < page.index("Página 1 de 2")


def test_values_are_shown_as_text(browser: Client, buyer: User) -> None:
    tell(buyer, params={"number": "<b>", "total": 2, "label": "<script>"})

    page = browser.get("/notices/").content.decode()
    assert "Page &lt;b&gt; of 2" in page
    assert "Copy <script>" not in page


def test_looking_at_a_notice_marks_it_and_leads_there(browser: Client, buyer: User) -> None:
    notice = tell(buyer)

    answer = browser.post(reverse("notice_open", args=[notice.pk]))

    assert answer.headers["Location"] == "/orders/"
    notice.refresh_from_db()
    assert notice.read_at is not None


def test_a_notice_about_no_page_leads_back_to_the_list(browser: Client, buyer: User) -> None:
    notice = tell(buyer, url="")

    answer = browser.post(reverse("notice_open", args=[notice.pk]))
    assert answer.headers["Location"] == "/notices/"


@pytest.mark.parametrize(
    ("target", "reached"),
    [("/notices/?page=2", "/notices/?page=2"), ("https://evil.example/", "/notices/")],
)
def test_marking_one_stays_on_its_page(
    browser: Client, buyer: User, target: str, reached: str
) -> None:
    notice, other = tell(buyer), tell(buyer)

    answer = browser.post(reverse("notice_read", args=[notice.pk]), {"next": target})

    assert answer.headers["Location"] == reached
    other.refresh_from_db()
    assert other.read_at is None
    assert bell(browser) == "Notices: 1 not read"


@pytest.mark.parametrize(
    ("until", "left"),
    [
        ("2026-03-02T12:30:00+00:00", 1),
        ("", 0),
        ("yesterday", 0),
        ("2026-99-99T00:00:00+00:00", 0),
        ("2026-03-02T12:30:00", 0),
    ],
)
def test_marking_all_leaves_what_came_after_the_page_was_drawn(
    browser: Client, buyer: User, until: str, left: int
) -> None:
    tell(buyer)
    tell(buyer, now=NOW + timedelta(hours=1))

    browser.post(reverse("notices_read"), {"until": until})

    assert Notice.objects.filter(user=buyer, read_at=None).count() == left


def test_a_long_list_has_pages(browser: Client, buyer: User) -> None:
    for _ in range(NOTICES_PER_PAGE + 1):
        tell(buyer)

    assert 'href="?page=2"' in browser.get("/notices/").content.decode()
    assert len(browser.get("/notices/?page=2").context["page"].object_list) == 1


def test_the_list_costs_the_same_for_any_length(browser: Client, buyer: User) -> None:
    tell(buyer)
    with CaptureQueriesContext(connection) as short:
        browser.get("/notices/")
    for _ in range(NOTICES_PER_PAGE - 1):
        tell(buyer)
    with CaptureQueriesContext(connection) as full:
        browser.get("/notices/")

    assert len(full) == len(short)


def test_a_stranger_finds_nothing_and_marks_nothing(browser: Client, buyer: User) -> None:
    notice = tell(buyer)
    stranger = Client()
    stranger.force_login(onboarded())

    assert "Page 1 of 2" not in stranger.get("/notices/").content.decode()
    for name in ("notice_open", "notice_read"):
        assert stranger.post(reverse(name, args=[notice.pk])).status_code == 404
    stranger.post(reverse("notices_read"))
    notice.refresh_from_db()
    assert notice.read_at is None


def test_nothing_is_marked_by_following_a_link(browser: Client, buyer: User) -> None:
    notice = tell(buyer)

    for path in (
        reverse("notice_open", args=[notice.pk]),
        reverse("notice_read", args=[notice.pk]),
        reverse("notices_read"),
    ):
        assert browser.get(path).status_code == 405
    notice.refresh_from_db()
    assert notice.read_at is None


def test_nobody_sees_notices_without_signing_in(client: Client, buyer: User) -> None:
    notice = tell(buyer)

    assert client.get("/notices/").headers["Location"].startswith("/account/login/")
    for path in (reverse("notice_open", args=[notice.pk]), reverse("notices_read")):
        assert client.post(path).headers["Location"].startswith("/account/login/")


# --- The language of e-mails -----------------------------------------------------------------


def test_choosing_a_language_chooses_that_of_e_mails_too(browser: Client, buyer: User) -> None:
    browser.post(reverse("preferences"), {"language": "es"})
    buyer.refresh_from_db()
    assert buyer.language == "es"

    for unknown in ("xx", ""):
        browser.post(reverse("preferences"), {"language": unknown, "theme": "dark"})
    buyer.refresh_from_db()
    assert buyer.language == "es"


@pytest.mark.parametrize(("accepted", "kept"), [("pt-BR", "pt-br"), ("es-PY", "es"), ("de", "en")])
def test_signing_up_keeps_the_language_in_which_it_was_done(
    client: Client, accepted: str, kept: str
) -> None:
    client.post(
        reverse("account_signup"),
        {
            "email": "new@example.com",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        },
        headers={"Accept-Language": accepted},
    )

    assert User.objects.get(email="new@example.com").language == kept
