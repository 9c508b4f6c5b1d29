"""What happens around signing in, told to the audit trail and to the person (AUD-1).

allauth saves what it does by itself and calls nobody afterwards but the receivers of its signals.
So here, and only here, signals are received; what has a hook in an adapter (accounts.adapter) comes
by that. Rows follow the change at once, in a transaction of their own, but for passwords, whose pages
are one transaction (accounts.views.security): for other flows of allauth there is none to share.
"""

from datetime import datetime
from typing import Any

from allauth.account import signals as account_signals
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from allauth.socialaccount import signals as social_signals
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import devices, notices, reauthentication
from accounts.models import ApiToken, Notice, User
from accounts.second_factors import factors_of
from accounts.token_store import revoke_token
from agora.lib import crypto, problems
from compliance import audit

# Recovery codes come and go with the first and last factor, of which the person is told.
_ADDED = {
    Authenticator.Type.TOTP: gettext_noop(
        "An authenticator app was added. From now on a code is asked for when you sign in. If it was "
        "not you, remove it and change your password."
    ),
    Authenticator.Type.WEBAUTHN: gettext_noop(
        "A passkey was added. You can sign in with it from now on. If it was not you, remove it and "
        "change your password."
    ),
}
_REMOVED = {
    Authenticator.Type.TOTP: gettext_noop(
        "The authenticator app was removed. If it was not you, change your password at once."
    ),
    Authenticator.Type.WEBAUTHN: gettext_noop(
        "A passkey was removed. If it was not you, change your password at once."
    ),
}


def connect() -> None:
    """Receive allauth's signals; called once, when the app is ready."""
    for signal, receiver in (
        (user_logged_out, _on_signed_out),
        (account_signals.password_changed, _on_password_changed),
        (account_signals.password_set, _on_password_changed),
        (account_signals.password_reset, _on_password_reset),
        (account_signals.email_added, _on_email_added),
        (account_signals.email_removed, _on_email_removed),
        (account_signals.email_changed, _on_email_changed),
        (account_signals.email_confirmed, _on_email_confirmed),
        (mfa_signals.authenticator_added, _on_factor_added),
        (mfa_signals.authenticator_removed, _on_factor_removed),
        (mfa_signals.authenticator_reset, _on_factor_renewed),
        (mfa_signals.authentication_failed, _on_factor_failed),
        (social_signals.social_account_added, _on_provider_linked),
        (social_signals.social_account_removed, _on_provider_unlinked),
    ):
        signal.connect(receiver, dispatch_uid=receiver.__name__ + str(id(signal)))


def signed_in(request: HttpRequest, user: User, *, first: bool) -> None:
    """Note that somebody has signed in; a browser that is new for them is told to them."""
    now, known = timezone.now(), devices.is_known(request, user)
    methods = [_method(record) for record in get_authentication_records(request, user)]
    evidence = {"methods": methods, "known_browser": known}
    with transaction.atomic():
        _record(user, "sign_in.done", now=now, **evidence)
        if not known and not first:
            _tell(
                user,
                kind="sign_in",
                subject=gettext_noop("New sign-in to your account"),
                body=gettext_noop(
                    "Somebody signed in with %(device)s, from which nobody has signed in to your "
                    "account before. If it was not you, change your password and sign out the "
                    "other sessions."
                ),
                params={"device": devices.describe(request.headers.get("User-Agent", ""))},
                now=now,
            )


def sign_in_failed(request: HttpRequest, *, email: str) -> None:
    """Note a wrong password; an address that is nobody's only by a keyed digest."""
    user = User.objects.filter(email__iexact=email).only("pk").first()
    unknown = crypto.blind_index(email.strip().lower(), purpose="sign-in").hex()
    audit.record(
        actor=audit.actor_of(None),
        action="sign_in.failed",
        object_type="user" if user else "unknown_user",
        object_id=str(user.pk) if user else unknown,
        evidence={"factor": "password", "by": "api" if problems.are_for(request) else "page"},
        now=timezone.now(),
    )


def sessions_ended(user: User, *, count: int, now: datetime) -> None:
    """Note that sessions of the user were ended from another one."""
    _record(user, "sessions.ended", now=now, count=count)


def _on_signed_out(*, user: User | None, **_kwargs: Any) -> None:
    if isinstance(user, User):
        _record(user, "sign_out.done", now=timezone.now())


@transaction.atomic
def _on_password_changed(*, user: User, **_kwargs: Any) -> None:
    """Django has ended all other sessions by then: they carry a digest of the old password."""
    now = timezone.now()
    _record(user, "password.changed", now=now)
    _tell(
        user,
        kind="password",
        subject=gettext_noop("Your password was changed"),
        body=gettext_noop(
            "All other sessions were signed out. Your API tokens still work; revoke those that you "
            "do not need. If it was not you, choose a new password with “Forgotten password”."
        ),
        now=now,
    )


@transaction.atomic
def _on_password_reset(*, user: User, **_kwargs: Any) -> None:
    """Who had forgotten the password, or lost it to somebody, starts anew: tokens go as well."""
    now = timezone.now()
    tokens = list(ApiToken.objects.filter(user=user, revoked_at=None).values_list("pk", flat=True))
    for token_id in tokens:
        revoke_token(user=user, token_id=token_id, now=now)
    _record(user, "password.reset", now=now, tokens_revoked=len(tokens))
    _tell(
        user,
        kind="password",
        subject=gettext_noop("Your password was replaced"),
        body=gettext_noop(
            "It was done with a link sent to your e-mail address. All sessions were signed out and "
            "%(count)s API tokens were revoked. If it was not you, somebody else reads your e-mail."
        ),
        params={"count": len(tokens)},
        now=now,
    )


def _on_email_added(*, user: User, **_kwargs: Any) -> None:
    now = timezone.now()
    with transaction.atomic():
        _record(user, "email.added", now=now)
        _tell(
            user,
            kind="email",
            subject=gettext_noop("An e-mail address was added to your account"),
            body=gettext_noop(
                "It counts once it is confirmed. If it was not you, remove it and change your "
                "password."
            ),
            url=reverse("account_email"),
            now=now,
        )


def _on_email_removed(*, user: User, **_kwargs: Any) -> None:
    _record(user, "email.removed", now=timezone.now())


def _on_email_changed(*, user: User, **_kwargs: Any) -> None:
    """The former address is told by allauth's own message (AccountAdapter)."""
    _record(user, "email.changed", now=timezone.now())


def _on_email_confirmed(*, email_address: EmailAddress, **_kwargs: Any) -> None:
    _record(email_address.user, "email.confirmed", now=timezone.now())


@transaction.atomic
def _on_factor_added(
    *, request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any
) -> None:
    now, kind = timezone.now(), authenticator.type
    _record(user, "second_factor.added", now=now, type=kind)
    if kind not in _ADDED:
        return
    reauthentication.factor_shown(request, user, type=kind)
    if factors_of(user).count() == 1:
        _end_other_sessions(request, user)
    _tell(
        user,
        kind="second_factor",
        subject=gettext_noop("A second factor was added to your account"),
        body=_ADDED[kind],
        now=now,
    )


def _end_other_sessions(request: HttpRequest, user: User) -> None:
    """Those of before the first factor: whoever began them has not shown it."""
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    get_adapter().end_sessions(list(others))


@transaction.atomic
def _on_factor_removed(*, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    now, kind = timezone.now(), authenticator.type
    _record(user, "second_factor.removed", now=now, type=kind)
    if kind not in _REMOVED:
        return
    _tell(
        user,
        kind="second_factor",
        subject=gettext_noop("A second factor was removed from your account"),
        body=_REMOVED[kind],
        now=now,
    )


@transaction.atomic
def _on_factor_renewed(*, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    now = timezone.now()
    _record(user, "second_factor.renewed", now=now, type=authenticator.type)
    _tell(
        user,
        kind="second_factor",
        subject=gettext_noop("You have new recovery codes"),
        body=gettext_noop(
            "The former ones work no more. If it was not you, change your password at once."
        ),
        now=now,
    )


def _on_factor_failed(*, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    audit.record(
        actor=audit.actor_of(None),
        action="sign_in.failed",
        object_type="user",
        object_id=str(user.pk),
        evidence={"factor": authenticator.type},
        now=timezone.now(),
    )


@transaction.atomic
def _on_provider_linked(*, sociallogin: Any, **_kwargs: Any) -> None:
    now, account = timezone.now(), sociallogin.account
    _record(account.user, "provider.linked", now=now, provider=account.provider)
    _tell(
        account.user,
        kind="provider",
        subject=gettext_noop("Another way to sign in was added to your account"),
        body=gettext_noop(
            "You can now sign in by %(provider)s too. If it was not you, remove it and change your "
            "password."
        ),
        params={"provider": account.get_provider().name},
        url=reverse("socialaccount_connections"),
        now=now,
    )


def _on_provider_unlinked(*, socialaccount: Any, **_kwargs: Any) -> None:
    user, provider = socialaccount.user, socialaccount.provider
    _record(user, "provider.unlinked", now=timezone.now(), provider=provider)


def _method(record: dict[str, Any]) -> str:
    kind = record.get("type")
    return f"{record['method']}:{kind}" if kind else str(record["method"])


def _record(user: User, action: str, *, now: datetime, **evidence: object) -> None:
    audit.record(
        actor=audit.actor_of(user),
        action=action,
        object_type="user",
        object_id=str(user.pk),
        evidence=evidence,
        now=now,
    )


def _tell(
    user: User,
    *,
    kind: str,
    subject: str,
    body: str,
    params: dict[str, str | int] | None = None,
    url: str | None = None,
    now: datetime,
) -> None:
    notices.notify(
        user=user,
        kind=kind,
        subject=subject,
        body=body,
        params=params or {},
        url=url or reverse("mfa_index"),
        level=Notice.Level.WARNING,
        now=now,
    )
