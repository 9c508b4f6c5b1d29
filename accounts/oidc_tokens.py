"""Bearer tokens of the configured OpenID Connect provider on the API (RFC 7519, RFC 9068).

Off until OIDC_API_AUDIENCE is set. A token is taken when the provider's published key signed it, for
this audience and this time, about somebody whose account is linked. It never opens the back office.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import requests
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.providers import provider_id
from accounts.second_factors import has_second_factor
from agora.lib.catalog import Text
from agora.lib.outcome import Temporary

ALGORITHMS = ("RS256", "ES256")
_REQUIRED = ("iss", "sub", "aud", "exp", "iat")
_CLOCKS_DIFFER = 10  # seconds
_DISCOVERED_FOR = 3600.0  # seconds
_KEYS_FOR = 300.0  # seconds; an unknown key id has them fetched anew, at most every 30 s
_AWAY_FOR = 30.0  # seconds; until then nobody waits again for an address that did not answer

# Of this process and its clock.
_failed_at: dict[str, float] = {}  # by address
_providers: dict[str, "_Provider"] = {}  # by issuer


@dataclass(frozen=True)
class Shown:
    """A token that the provider signed about somebody linked; `digest` tells it from others.

    Outcomes: used, unconfirmed, inactive, second_factor.
    """

    user: User
    digest: str
    outcome: str


class Refused(Exception):
    """A token that opens nothing; `message` may be told to who sent it, `shown` says whose it is."""

    def __init__(self, message: Text, *, shown: Shown | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.shown = shown


@dataclass(frozen=True)
class ProviderToken:
    """What a provider's token allows: the scopes both it and the settings name."""

    user: User
    scopes: list[str]
    shown: Shown


def is_one(raw: str) -> bool:
    """Whether this looks like a token of the provider, and those are taken here."""
    return bool(settings.OIDC_API_AUDIENCE) and raw.count(".") == 2


def authenticate(raw: str) -> ProviderToken:
    """The token that `raw` is; raises Refused, or Temporary while the provider does not answer."""
    claims = _verified(raw)
    account = SocialAccount.objects.filter(provider=provider_id(), uid=claims["sub"]).first()
    if account is None:
        raise Refused(_("Sign in on the site by this provider once: no account is linked to it."))
    digest = hashlib.sha256(raw.encode()).hexdigest()[:32]
    if outcome := _why_not(account.user, claims):
        raise Refused(_WHY_NOT[outcome], shown=Shown(account.user, digest, outcome))
    named = _words(claims.get(settings.OIDC_SCOPE_CLAIM))
    return ProviderToken(
        user=account.user,
        scopes=[scope for scope in settings.OIDC_API_SCOPES if scope in named],
        shown=Shown(account.user, digest, "used"),
    )


_WHY_NOT: dict[str, Text] = {
    "unconfirmed": _("The provider has not confirmed your e-mail address."),
    "inactive": _("This account is not active."),
    "second_factor": _("Your account has a second factor: the provider must have asked for one."),
}


def _why_not(user: User, claims: Mapping[str, Any]) -> str:
    if claims.get("email_verified") is not True:
        return "unconfirmed"
    if not user.is_active:
        return "inactive"
    has_shown = "mfa" in _words(claims.get("amr"))
    return "second_factor" if not has_shown and has_second_factor(user) else ""


def _verified(raw: str) -> Mapping[str, Any]:
    try:
        header = jwt.get_unverified_header(raw)
        if header.get("alg") not in ALGORITHMS or not isinstance(header.get("kid"), str):
            raise Refused(_("The token is not signed as it must be."))
        provider = _discovered(settings.OIDC_ISSUER)
        return jwt.decode(
            raw,
            provider.keys.get_signing_key(header["kid"]),
            algorithms=ALGORITHMS,
            audience=settings.OIDC_API_AUDIENCE,
            issuer=provider.name,
            leeway=_CLOCKS_DIFFER,
            options={"require": list(_REQUIRED)},
        )
    except jwt.PyJWKClientConnectionError as error:
        raise Temporary("The sign-in provider's keys cannot be fetched.") from error
    except jwt.ExpiredSignatureError as error:
        raise Refused(_("The token has expired.")) from error
    except jwt.PyJWTError as error:
        raise Refused(_("The token is not valid here.")) from error


@contextmanager
def _asking(address: str) -> Iterator[None]:
    """Around a request to the provider: raises Temporary at once for a while after one that failed.

    Otherwise each token sent while the provider is away would hold a thread for as long as one waits
    for an answer.
    """
    if time.monotonic() - _failed_at.get(address, float("-inf")) < _AWAY_FOR:
        raise Temporary("The sign-in provider did not answer a moment ago.")
    try:
        yield
    except Exception:
        _failed_at[address] = time.monotonic()
        raise


class _Keys(jwt.PyJWKClient):
    """The provider's published keys, held for _KEYS_FOR and not longer.

    Otherwise a key that the provider has withdrawn would hold as long as somebody keeps it away.
    """

    def fetch_data(self) -> Any:
        with _asking(self.uri):
            return super().fetch_data()


@dataclass(frozen=True)
class _Provider:
    """A provider as it names itself, its keys, and when it said so (of `time.monotonic`)."""

    name: str
    keys: _Keys
    at: float


def _discovered(issuer: str) -> _Provider:
    """The provider, asked once in _DISCOVERED_FOR; while it is away, as it was known before."""
    known = _providers.get(issuer)
    if known is not None and time.monotonic() < known.at + _DISCOVERED_FOR:
        return known
    try:
        name, address = _document(issuer)
    except Temporary:
        if known is None:
            raise
        return known
    if name.rstrip("/") != issuer:
        raise Temporary("The sign-in provider calls itself by another name.")
    if known is not None and known.keys.uri == address:
        keys = known.keys
    else:
        keys = _Keys(address, lifespan=_KEYS_FOR, timeout=settings.VENDOR_READ_TIMEOUT)
    found = _providers[issuer] = _Provider(name, keys, time.monotonic())
    return found


def _document(issuer: str) -> tuple[str, str]:
    """The provider's name and the address of its keys (OpenID Connect Discovery 1.0, 4)."""
    limits = (settings.VENDOR_CONNECT_TIMEOUT, settings.VENDOR_READ_TIMEOUT)
    address = f"{issuer}/.well-known/openid-configuration"
    try:
        with _asking(address):
            answer = requests.get(address, timeout=limits, allow_redirects=False)
            answer.raise_for_status()
        document = answer.json()
        return str(document["issuer"]), str(document["jwks_uri"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise Temporary("The sign-in provider does not answer.") from error


def _words(claim: object) -> list[str]:
    """A claim that is a list, or words in one text, as a list."""
    if isinstance(claim, str):
        return claim.split()
    return [str(word) for word in claim] if isinstance(claim, list) else []
