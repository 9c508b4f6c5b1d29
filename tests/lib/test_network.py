"""Where a request comes from, with and without proxies, and whether that is in a network."""

from ipaddress import ip_address

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from agora.lib.network import BadNetwork, clean_networks, client_address, is_inside


def told(settings: Settings, *, proxies: int, peer: str, forwarded: str | None) -> str | None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    address = client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))
    return str(address) if address else None


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"),
        (0, "203.0.113.7", "192.0.2.1"),  # anybody can send the header
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (2, "6.6.6.6, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", None),  # came past a proxy
        (1, None, None),
        (1, "", None),
        (1, "unknown", None),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_address_is_what_the_trusted_proxies_say(
    settings: Settings, proxies: int, forwarded: str | None, address: str | None
) -> None:
    assert told(settings, proxies=proxies, peer="192.0.2.1", forwarded=forwarded) == address


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.2.3.4/33", "0.0.0.0/0", "::/0", "1.2.3.4/24"]
)
def test_what_is_no_useful_network_is_refused(text: str) -> None:
    with pytest.raises(BadNetwork):
        clean_networks([text])


def test_an_address_is_in_a_network_of_its_own_kind() -> None:
    networks = clean_networks(["203.0.113.0/24", "2001:db8::/48"])

    assert is_inside(ip_address("203.0.113.255"), networks)
    assert is_inside(ip_address("2001:db8:0:ffff::1"), networks)
    assert not is_inside(ip_address("203.0.112.255"), networks)
    assert not is_inside(ip_address("2001:db8:1::1"), networks)
    assert not is_inside(None, networks)
    assert not is_inside(ip_address("203.0.113.1"), [])
