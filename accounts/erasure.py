"""Closing an account for good: nobody signs in by it any more, and it has no name (ADR 0012)."""

import secrets
from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils.translation import gettext_lazy as _

from accounts import locks
from accounts.models import (
    AddressEntry,
    ApiToken,
    Notice,
    TokenUse,
    User,
    WalletChange,
    WalletProof,
)
from accounts.models.users import ERASED_DOMAIN
from accounts.token_store import revoke_token
from accounts.wallets import cancel_change
from agora.lib.catalog import Text
from agora.lib.models import IdempotencyKey

ERASED_NAME = "–"


def is_erased(user: User) -> bool:
    """Whether what the user was known by is gone."""
    return user.email.endswith(f"@{ERASED_DOMAIN}")


def shown_name(user: User) -> Text:
    """What officers know somebody by, also once that is gone."""
    return _("erased") if is_erased(user) else user.email


def hold(*, user: User) -> None:
    """Wait for whatever is just being given to the user, and let nothing more be given.

    Until the end of the transaction. Call it before looking at what the user has. Rows that refer to
    the user can still be added, such as notices: who adds one may hold what an erasure waits for next.
    """
    locks.people(user.pk)


def close(*, user: User, now: datetime) -> None:
    """Sign the user out everywhere and erase what they are known by.

    Call it inside the transaction that holds the user's row (`hold`), and wait for no other row
    after it: the new address, being unique, keeps all out that refer to the user. Uses of tokens
    go last for that reason: those being written are waited for, no others come
    (accounts.token_uses). The wallet stays: tokens were minted to it, which anybody can see on the
    chain.
    """
    _end_sessions(user)
    _revoke_tokens(user, now)
    for change in WalletChange.objects.filter(user=user, state=WalletChange.State.PENDING):
        cancel_change(user=user, change_id=change.pk, now=now)
    for rows in (AddressEntry, Authenticator, EmailAddress, Notice, SocialAccount, WalletProof):
        rows.objects.filter(user=user).delete()
    IdempotencyKey.objects.filter(client=user.pk).delete()
    user.email = f"erased-{secrets.token_hex(12)}@{ERASED_DOMAIN}"
    user.is_active, user.last_login, user.language = False, None, ""
    user.set_unusable_password()
    user.save()
    TokenUse.objects.filter(token__user=user).delete()


def _end_sessions(user: User) -> None:
    sessions = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=sessions.values("session_key")).delete()
    sessions.delete()


def _revoke_tokens(user: User, now: datetime) -> None:
    tokens = ApiToken.objects.filter(user=user)
    for token_id in tokens.filter(revoked_at=None).values_list("pk", flat=True):
        revoke_token(user=user, token_id=token_id, now=now)
    tokens.update(name=ERASED_NAME, networks=[])
