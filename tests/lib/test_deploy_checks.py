"""What `manage.py check --deploy` says of settings of our own."""

import pytest
from pytest_django import Settings

from agora.checks import check_production
from agora.environment import env


def told() -> set[str]:
    return {found.id or "" for found in check_production()}


@pytest.mark.parametrize(
    ("is_https", "proxies", "warned"),
    [(True, 0, True), (True, 1, False), (False, 0, False)],
    ids=["https, no proxy", "https behind a proxy", "no https"],
)
def test_https_without_a_proxy_is_a_warning(
    settings: Settings, is_https: bool, proxies: int, warned: bool
) -> None:
    settings.SITE_IS_HTTPS = is_https
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies

    assert ("agora.W003" in told()) == warned


@pytest.mark.parametrize(
    ("is_https", "scheme", "refused"),
    [(True, "consolemail://", True), (True, "smtp://mail.example", False), (False, "consolemail://", False)],
)  # fmt: skip
def test_a_site_that_prints_its_mail_is_refused(
    settings: Settings, is_https: bool, scheme: str, refused: bool
) -> None:
    settings.SITE_IS_HTTPS = is_https
    settings.EMAIL_BACKEND = env.email_url_config(scheme)["EMAIL_BACKEND"]

    assert ("agora.E006" in told()) == refused


@pytest.mark.parametrize(
    ("folder", "bucket", "warned"),
    [
        ("{data}/anchors", "", "agora.W004"),
        ("{data}/anchors", "anchors", "agora.W004"),
        ("", "", "agora.W005"),
        ("", "anchors", ""),
        ("/mnt/elsewhere", "", ""),
    ],
    ids=["default", "default and a bucket", "nowhere", "bucket", "chosen"],
)
def test_anchors_beside_the_data_or_nowhere_are_a_warning(
    settings: Settings, folder: str, bucket: str, warned: str
) -> None:
    settings.AUDIT_ANCHORS_DIR = folder.format(data=settings.DATA_DIR)
    settings.AUDIT_ANCHORS_BUCKET = bucket

    assert told() & {"agora.W004", "agora.W005"} == {warned} - {""}
