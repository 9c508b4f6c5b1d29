"""The back office is there only for the networks and on the host that the settings name for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import notices
from accounts.models import Notice, User
from tests.api.conftest import Api
from tests.people import new_officer, new_user

pytestmark = pytest.mark.django_db
OFFICE = "office.agora.example"
PATHS = ("/admin/", "/admin/trading/order/", "/api/v1/admin/proposals")


def officer(address: str = "127.0.0.1") -> Client:
    browser = Client(REMOTE_ADDR=address)
    browser.force_login(new_officer("view_order"))
    return browser


def statuses(browser: Client, *paths: str) -> set[int]:
    return {browser.get(path).status_code for path in paths}


@pytest.fixture
def _own_host(settings: Settings) -> None:
    settings.BACK_OFFICE_HOST = OFFICE
    settings.ALLOWED_HOSTS = [OFFICE, "testserver"]


def test_without_settings_it_is_there_for_everybody() -> None:
    assert officer().get("/admin/").status_code == 200


def test_from_other_networks_it_is_nowhere(settings: Settings) -> None:
    settings.BACK_OFFICE_NETWORKS = ["203.0.113.0/24", "2001:db8::/48"]

    assert statuses(officer("198.51.100.7"), *PATHS) == {404}
    assert officer("198.51.100.7").get("/dashboard/").status_code != 404
    assert officer("203.0.113.9").get("/admin/").status_code == 200
    assert officer("2001:db8::9").get("/admin/").status_code == 200


def test_the_address_is_the_clients_and_not_what_it_says(settings: Settings) -> None:
    settings.BACK_OFFICE_NETWORKS = ["203.0.113.0/24"]
    browser = officer("198.51.100.7")

    assert browser.get("/admin/", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 404
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert browser.get("/admin/", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
    assert browser.get("/admin/").status_code == 404


def test_a_program_is_told_by_a_problem(settings: Settings) -> None:
    settings.BACK_OFFICE_NETWORKS = ["203.0.113.0/24"]
    api = Api(new_officer(is_superuser=True), scopes=("admin",))

    answer = api.get("/api/v1/admin/proposals")
    assert (answer.status, answer.body["code"]) == (404, "not_found")
    api.client.defaults["REMOTE_ADDR"] = "203.0.113.9"
    assert api.get("/api/v1/admin/proposals").status == 200


@pytest.mark.usefixtures("_own_host")
def test_with_a_host_of_its_own_it_is_on_no_other() -> None:
    browser = officer()

    assert statuses(browser, *PATHS) == {404}
    assert browser.get("/admin/", headers={"Host": OFFICE}).status_code == 200
    assert browser.get("/", headers={"Host": f"{OFFICE}:8443"})["Location"] == "/admin/"


@pytest.mark.usefixtures("_own_host")
def test_its_host_serves_nothing_else_than_signing_in() -> None:
    there = {"Host": OFFICE}
    retail = ("/dashboard/", "/onboarding/", "/account/wallet/", "/copy/", "/api/v1/orders")

    assert {officer().get(path, headers=there).status_code for path in retail} == {404}
    assert Client().get("/account/login/", headers=there).status_code == 200
    assert Client().get("/account/login/").status_code == 200
    assert Client().get("/admin/", headers=there).status_code == 302


@pytest.mark.usefixtures("_own_host")
@pytest.mark.parametrize("path", ["/notices/", "/account/email/", "/account/sessions/"])
def test_its_host_serves_what_officers_are_led_to(path: str) -> None:
    assert officer().get(path, headers={"Host": OFFICE}).status_code in (200, 302)


def told(user: User, url: str) -> Notice:
    notice = notices.notify(
        user=user,
        kind="test",
        subject="Page",
        body="Page",
        params={},
        url=url,
        level=Notice.Level.INFO,
        now=timezone.now(),
    )
    assert notice is not None
    return notice


@pytest.mark.usefixtures("_own_host")
@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("/admin/trading/order/", f"https://{OFFICE}:8443/admin/trading/order/"),
        ("/orders/", "https://agora.example:8443/orders/"),
    ],
)
def test_e_mails_lead_to_the_host_that_has_the_page(
    settings: Settings, url: str, link: str
) -> None:
    settings.SITE_URL = "https://agora.example:8443"

    notices.deliver(notice_id=told(new_user(), url).pk, now=timezone.now())

    assert link in str(mail.outbox[0].body).split()


@pytest.mark.usefixtures("_own_host")
@pytest.mark.parametrize(
    ("host", "url", "reached"),
    [
        ("testserver", "/admin/trading/order/", f"http://{OFFICE}:8000/admin/trading/order/"),
        ("testserver", "/orders/", "/orders/"),
        (OFFICE, "/admin/trading/order/", "/admin/trading/order/"),
        (OFFICE, "/orders/", "http://localhost:8000/orders/"),
        (OFFICE, "/account/sessions/", "/account/sessions/"),
    ],
)
def test_a_notice_leads_to_the_host_that_has_the_page(host: str, url: str, reached: str) -> None:
    reader = new_officer("view_order")
    browser = Client(headers={"Host": host})
    browser.force_login(reader)
    notice = told(reader, url)

    page = browser.get("/notices/")
    answer = browser.post(reverse("notice_open", args=[notice.pk]))

    assert answer["Location"] == reached
    forms = page["Content-Security-Policy"].partition("form-action ")[2].partition(";")[0]
    assert forms == f"'self' http://localhost:8000/ http://{OFFICE}:8000/admin/"


@pytest.mark.usefixtures("_own_host")
def test_a_program_reads_where_a_notice_leads() -> None:
    reader = new_officer("view_order")
    told(reader, "/admin/trading/order/")

    answer = Api(reader).get("/api/v1/notices")

    assert answer.body["results"][0]["url"] == f"http://{OFFICE}:8000/admin/trading/order/"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("BACK_OFFICE_NETWORKS", "10.0.0.0/8,office", "“office” is no network."),
        ("BACK_OFFICE_HOST", "office.agora.example:8443", "it must be a host name without a port."),
        ("BACK_OFFICE_HOST", "https://office.agora.example", "without a port."),
        ("BACK_OFFICE_HOST", "localhost", "is the host of SITE_URL; it must be another one."),
    ],
)
def test_what_would_close_the_office_to_all_is_refused_at_the_start(
    name: str, value: str, told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import agora.settings"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, name: value},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert name in done.stderr
    assert told in done.stderr
