"""What holds on every page: security policy, languages, colours, hidden balances, error pages."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from agora.lib.formats import duration, figure, quantity, usd

ROOT = Path(__file__).resolve().parents[2]
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def policy(client: Client, path: str) -> str:
    return str(client.get(path).headers["Content-Security-Policy"])


@pytest.mark.django_db
def test_pages_load_nothing_but_our_own_files(client: Client) -> None:
    for path in ("/", "/account/login/", "/nothing-here/", "/administration/"):
        assert policy(client, path) == STRICT


@pytest.mark.django_db
def test_the_policy_is_wider_only_where_a_library_needs_it(client: Client) -> None:
    admin, docs = policy(client, "/admin/"), policy(client, "/api/docs/")
    assert "script-src 'self' 'unsafe-eval';" in admin
    assert "style-src 'self' 'unsafe-inline';" in docs
    for value in (admin, docs):
        assert "script-src 'self' 'unsafe-inline'" not in value
        assert "default-src 'none'" in value


def test_templates_have_no_inline_script_or_style() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        if "admin" in path.relative_to(ROOT).parts:
            continue
        text = path.read_text()
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick=" not in text, path
        assert "hx-on" not in text, path
        for tag in text.split("<script")[1:]:
            assert " src=" in tag.partition(">")[0], path


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accepted", "word"),
    [("pt-BR,pt;q=0.9", "Criar conta"), ("es-PY", "Crear cuenta"), ("de", "Create account")],
)
def test_the_language_follows_the_browser_until_it_is_chosen(
    client: Client, accepted: str, word: str
) -> None:
    assert word in client.get("/", headers={"Accept-Language": accepted}).content.decode()

    chosen = client.post(reverse("preferences"), {"language": "es", "next": "/"})
    assert chosen.headers["Location"] == "/"
    page = client.get("/", headers={"Accept-Language": accepted}).content.decode()
    assert "Crear cuenta" in page
    assert '<html lang="es"' in page


@pytest.mark.django_db
def test_colours_follow_the_system_until_they_are_chosen(client: Client) -> None:
    assert "data-theme" not in client.get("/").content.decode()
    client.post(reverse("preferences"), {"theme": "dark"})
    assert 'data-theme="agora-dark"' in client.get("/").content.decode()
    client.post(reverse("preferences"), {"theme": "auto"})
    assert "data-theme" not in client.get("/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "chosen",
    [{"theme": "purple"}, {"language": "xx"}, {"hide_balances": "maybe"}, {}],
)
def test_unknown_choices_change_nothing(client: Client, chosen: dict[str, str]) -> None:
    answer = client.post(reverse("preferences"), {**chosen, "next": "https://evil.example/"})
    assert answer.headers["Location"] == reverse("preferences")
    assert not set(answer.cookies) & {"theme", "hide_balances", settings.LANGUAGE_COOKIE_NAME}


@pytest.mark.usefixtures("chain")
def test_hidden_balances_are_not_in_the_page_at_all(browser: Client, buyer: User) -> None:
    assert buyer.wallet.address
    shown = browser.get(reverse("dashboard")).content.decode()
    assert '<span class="money ">0</span>' in shown
    browser.post(reverse("preferences"), {"hide_balances": "1"})
    hidden = browser.get(reverse("dashboard")).content.decode()
    assert '<span class="money ">0</span>' not in hidden
    assert "••••" in hidden


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "amount", "shares"),
    [
        ("en", "$1,284,567.27", "1,234.5"),
        ("pt-br", "US$\xa01.284.567,27", "1.234,5"),
        ("es", "USD\xa01.284.567,27", "1.234,5"),
    ],
)
def test_money_is_written_as_in_the_readers_country(
    language: str, amount: str, shares: str
) -> None:
    with translation.override(language):
        assert usd(Decimal("1284567.265")) == amount.replace("27", "26")
        assert usd(Decimal("1284567.27")) == amount
        assert quantity(Decimal("1234.500000000")) == shares
        assert quantity(Decimal("0.000000001")).endswith("000000001")


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("231.04 USD", "US$\xa0231,04"),
        ("228.745 USD", "US$\xa0228,745"),
        ("0.5 AAPL-RAT", "0,5 AAPL-RAT"),
        ("0x12", "0x12"),
        ("85", "85"),
    ],
)
def test_figures_of_the_evidence_are_written_as_in_the_readers_country(
    stated: str, shown: str
) -> None:
    with translation.override("pt-br"):
        assert figure(stated) == shown


def test_durations_read_like_speech() -> None:
    with translation.override("en"):
        assert [duration(seconds) for seconds in (0.04, 9.94, 59.4, 200, 7500)] == [
            "0 s",
            "9.9 s",
            "59 s",
            "3 min 20 s",
            "2 h 5 min",
        ]


@pytest.mark.django_db
def test_a_missing_csrf_token_is_explained() -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(reverse("preferences"), {"theme": "dark"})
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


@pytest.mark.django_db
def test_an_unexpected_error_shows_a_page_that_needs_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("agora.views.render", broken)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "broken on purpose" not in answer.content.decode()
