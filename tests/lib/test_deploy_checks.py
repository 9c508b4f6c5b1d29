"""What `manage.py check --deploy` says of settings of our own."""

import pytest
from pytest_django import Settings

from agora.checks import check_production


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

    assert ("agora.W003" in {found.id for found in check_production()}) == warned
