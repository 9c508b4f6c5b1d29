"""Network addresses: where a request comes from, and lists of networks that may."""

import ipaddress
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadNetwork(ValueError):
    """Not a network; `text` is what was given, `right` what may have been meant (or empty)."""

    def __init__(self, text: str, *, right: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.right = right


def client_address(request: HttpRequest) -> Address | None:
    """Where a request comes from; None when the proxies in front do not say.

    Each of the TRUSTED_PROXY_COUNT proxies appends the address it was called from to
    X-Forwarded-For, so the client's stands that many from the right; what stands left of it is the
    client's own word. An IPv4 address in IPv6 form counts as IPv4.
    """
    proxies = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    if not proxies:
        return _address(request.META.get("REMOTE_ADDR", ""))
    told = request.headers.get("X-Forwarded-For", "").split(",")
    return _address(told[-proxies].strip()) if len(told) >= proxies else None


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def clean_networks(texts: Iterable[str]) -> list[str]:
    """Networks in CIDR form, each once and in order; a lone address is a network of one.

    Raises BadNetwork for what is none, for addresses with bits behind their prefix, and for a
    network of everything, which would look like a limit and be none.
    """
    found: list[str] = []
    for text in texts:
        network = _network(text.strip())
        if str(network) not in found:
            found.append(str(network))
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadNetwork(text) from error
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise BadNetwork(text, right=str(loose)) from error
    if network.prefixlen == 0:
        raise BadNetwork(text)
    return network


def is_inside(address: Address | None, networks: Sequence[str]) -> bool:
    """Whether an address is in one of the networks; an unknown address is in none."""
    return address is not None and any(
        address in ipaddress.ip_network(network) for network in networks
    )
