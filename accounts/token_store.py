"""API tokens (ID-1): issued once, stored only as a keyed digest, revocable, with scopes.

A token reads `agr_<prefix>_<secret>`. The prefix is public and finds the row; the secret is
checked by HMAC-SHA256 under settings.TOKEN_PEPPER, which is not in the database, so that a copy
of the database lets nobody in.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import locks
from accounts.models import ApiToken, TokenUse, User
from accounts.second_factors import has_second_factor
from agora.lib.catalog import Text
from agora.lib.network import Address, BadNetwork, clean_networks, is_inside
from agora.lib.prepared import Lookup
from compliance import audit

SCOPES = ("read", "trade", "copy", "security", "admin")
LONGEST = timedelta(days=365)
# Those that only people with a second factor hold, and use. What is done with them asks for no
# further proof, so the factor was shown no longer ago than this.
GUARDED = {"security": timedelta(days=1), "admin": timedelta(days=7)}
MOST_ACTIVE = 50
MOST_NETWORKS = 20

_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = 12
_SECRET_LENGTH = 43  # 256 bits
_NAME_LENGTH = 80
_TOKEN = re.compile(rf"agr_([A-Za-z0-9]{{{_PREFIX_LENGTH}}})_([A-Za-z0-9]{{{_SECRET_LENGTH}}})")
_NOBODY = bytes(32)


class InvalidToken(Exception):
    """Not a token that opens anything now; `reason` is told only to who holds the secret.

    Reasons: unknown, revoked, expired, inactive, network. `token` is the row that the prefix names,
    whatever the secret was, and `outcome` how the attempt is noted with it (TokenUse.Outcome).
    """

    def __init__(self, reason: str = "unknown", *, token: ApiToken | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.token = token
        wrong = reason == "unknown"
        self.outcome = str(TokenUse.Outcome.WRONG_SECRET if wrong else TokenUse.Outcome(reason))


class TokenRefused(Exception):
    """A token that may not be issued; `field` is name, scopes, expires_at, networks or empty."""

    def __init__(self, *, code: str, field: str, message: Text) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.message = message


def issue_token(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    networks: Sequence[str] = (),
    now: datetime,
) -> tuple[ApiToken, str]:
    """Issue a token and return it with its raw text, which cannot be read again.

    Without `expires_at` it lives as long as allowed (`longest`). With `networks` (addresses, or
    networks in CIDR form) it works from there only. For guarded scopes the caller has just had the
    second factor shown. Raises TokenRefused, AccountClosed.
    """
    expires = expires_at or now + longest(scopes)
    check_asked(name=name, scopes=scopes, expires_at=expires, networks=networks, now=now)
    prefix, secret = _random(_PREFIX_LENGTH), _random(_SECRET_LENGTH)
    with transaction.atomic():
        # One lock per person makes the count exact; a role may have been taken away meanwhile.
        user = locks.open_account(user.pk)
        _check_holder(user, scopes, now=now)
        token = ApiToken.objects.create(
            user=user,
            name=name.strip(),
            prefix=prefix,
            digest=_digest(secret),
            scopes=sorted(set(scopes), key=SCOPES.index),
            networks=_clean_networks(networks),
            created_at=now,
            expires_at=expires,
        )
        _record(token, action="token.issued", now=now)
    return token, f"agr_{prefix}_{secret}"


def check_asked(
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime,
    networks: Sequence[str],
    now: datetime,
) -> None:
    """Raise TokenRefused for what nobody would be issued: asked before a code is spent on it.

    Tells nothing of the account, whose password alone may have been shown so far.
    """
    _clean_networks(networks)
    if not name.strip() or len(name.strip()) > _NAME_LENGTH:
        raise TokenRefused(
            code="invalid", field="name", message=_("Give the token a name of 1 to 80 characters.")
        )
    if not scopes or not set(scopes) <= set(SCOPES):
        raise TokenRefused(
            code="invalid", field="scopes", message=_("Choose at least one of the known scopes.")
        )
    most = longest(scopes)
    if not now < expires_at <= now + most:
        message = ngettext(
            "With these scopes the token must expire in the future, within %(days)s day.",
            "With these scopes the token must expire in the future, within %(days)s days.",
            most.days,
        )
        raise TokenRefused(
            code="invalid", field="expires_at", message=message % {"days": most.days}
        )


def _check_holder(user: User, scopes: Sequence[str], *, now: datetime) -> None:
    if "admin" in scopes and not user.is_staff:
        raise TokenRefused(
            code="forbidden", field="scopes", message=_("Only staff may hold the scope admin.")
        )
    if GUARDED.keys() & set(scopes) and not has_second_factor(user):
        raise TokenRefused(
            code="forbidden",
            field="scopes",
            message=_("The scopes security and admin need a second factor. Set one up first."),
        )
    if _active(user, now=now).count() >= MOST_ACTIVE:
        raise TokenRefused(
            code="too_many_tokens",
            field="",
            message=_("You have as many API tokens as allowed. Revoke one first."),
        )


def revoke_token(*, user: User, token_id: UUID, now: datetime) -> ApiToken:
    """Revoke one of the user's tokens; once revoked it stays so, and a repeat changes nothing.

    Raises ApiToken.DoesNotExist for another person's token.
    """
    with transaction.atomic():
        # Uses refer to the row: who writes one does not wait for this, nor in a circle with it.
        held = ApiToken.objects.select_for_update(of=("self",), no_key=True)
        token = held.get(pk=token_id, user=user)
        if token.revoked_at is None:
            token.revoked_at = now
            token.save(update_fields=["revoked_at"])
            _record(token, action="token.revoked", now=now)
    return token


@cache
def _tokens_with(related: tuple[str, ...]) -> Lookup[ApiToken]:
    return Lookup(ApiToken.objects.select_related("user", *related), by="prefix")


def authenticate(
    raw: str, now: datetime, *, address: Address | None = None, related: tuple[str, ...] = ()
) -> ApiToken:
    """The token that `raw` is, with its user; raises InvalidToken. One query, and no write.

    `address` is where it is shown, for tokens that are bound to networks. `related` names what the
    caller will ask of the user next, as in `select_related`, so that it is joined.
    """
    match = _TOKEN.fullmatch(raw)
    if match is None:
        raise InvalidToken
    prefix, secret = match.groups()
    token = _tokens_with(related).get(prefix)
    stored = bytes(token.digest) if token else _NOBODY
    if not hmac.compare_digest(stored, _digest(secret)) or token is None:
        raise InvalidToken(token=token)
    if reason := _why_not(token, now=now, address=address):
        raise InvalidToken(reason, token=token)
    return token


def _why_not(token: ApiToken, *, now: datetime, address: Address | None) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    if not token.user.is_active:
        return "inactive"
    if token.networks and not is_inside(address, token.networks):
        return "network"
    return ""


def _clean_networks(networks: Sequence[str]) -> list[str]:
    if len(networks) > MOST_NETWORKS:
        raise TokenRefused(
            code="invalid",
            field="networks",
            message=_("A token takes at most 20 addresses and networks."),
        )
    try:
        return clean_networks(networks)
    except BadNetwork as error:
        message = (
            _("“%(text)s” has digits behind its prefix. Did you mean %(right)s?")
            if error.right
            else _("“%(text)s” is no address or network, such as 203.0.113.7 or 2001:db8::/48.")
        )
        raise TokenRefused(
            code="invalid",
            field="networks",
            message=str(message) % {"text": error.text[:60], "right": error.right},
        ) from error


def longest(scopes: Iterable[str]) -> timedelta:
    """How long a token with these scopes may live: a year; with admin 7 days, with security one."""
    return min([LONGEST, *(GUARDED[scope] for scope in scopes if scope in GUARDED)])


def _active(user: User, *, now: datetime) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now), user=user, revoked_at__isnull=True
    )


def _record(token: ApiToken, *, action: str, now: datetime) -> None:
    audit.record(
        actor=audit.actor_of(token.user),
        action=action,
        object_type="api_token",
        object_id=str(token.pk),
        evidence={
            "prefix": token.prefix,
            "scopes": token.scopes,
            "networks": len(token.networks),
            "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        },
        now=now,
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _position in range(length))


def _digest(secret: str) -> bytes:
    return hmac.digest(settings.TOKEN_PEPPER.encode(), secret.encode(), hashlib.sha256)
