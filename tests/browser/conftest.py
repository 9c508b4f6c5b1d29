"""A real Chromium against the site in this process, under the site's own content security policy."""

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from agora.sandbox.client import SandboxControl
from kyc.models import Tier
from tests.conftest import Chain

AXE = Path(__file__).resolve().parents[2] / "frontend/node_modules/axe-core/axe.min.js"
PHONE, DESKTOP = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each opens contexts of its own in it."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, where Django would refuse the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(
    live_server: LiveServer, chain: Chain, sandbox: SandboxControl, settings: Settings
) -> Iterator[str]:
    """The site's address; chain, sandbox and the first tier are there, and the market is open."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    Tier.objects.get_or_create(number=1, defaults={"daily_limit_usd": Decimal(1000)})
    yield str(live_server.url)
    sandbox.market(mode="open")


class Visitor:
    """Someone with a browser: a page, and what the browser complained about."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.context = context
        self.site = site
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._listen(message.type, message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _listen(self, kind: str, text: str) -> None:
        # A 4xx answer to a form is reported as an error too; it is meant.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(path if path.startswith("http") else self.site + path)
        return self.page

    def sign_in(self, user: User) -> None:
        """Give the browser a session, as the sign-in form would."""
        client = Client()
        client.force_login(user)
        cookie = client.cookies[project_settings.SESSION_COOKIE_NAME]
        self.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": self.site, "httpOnly": True}]
        )

    def sees(self, heading: str) -> None:
        """Wait for a heading with this text."""
        self.page.get_by_role("heading", name=heading).wait_for()


class Visitors:
    """Opens browsers' contexts and closes them all."""

    def __init__(self, browser: Browser, site: str) -> None:
        self._browser = browser
        self._site = site
        self.opened: list[Visitor] = []

    def __call__(
        self, *, viewport: ViewportSize = DESKTOP, dark: bool = False, script: bool = True
    ) -> Visitor:
        context = self._browser.new_context(
            viewport=viewport,
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale="en-US",
            reduced_motion="reduce",
        )
        visitor = Visitor(context, self._site)
        self.opened.append(visitor)
        return visitor


@pytest.fixture
def visitors(chromium: Browser, site: str) -> Iterator[Visitors]:
    """Makes visitors; after the test none may have seen a complaint of the browser."""
    made = Visitors(chromium, site)
    yield made
    for visitor in made.opened:
        visitor.context.close()
    assert [text for visitor in made.opened for text in visitor.complaints] == []
