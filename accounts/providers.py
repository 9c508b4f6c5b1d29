"""Signing in by an OpenID Connect provider that the operator has configured (docs/identity.md).

Whoever the provider vouches for gets into an existing account only if both sides have confirmed the
same e-mail address: an address that somebody merely typed, here or there, links nothing.
"""

import hashlib
from typing import Any

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils import timezone

from accounts.models import User

# What is kept of what a provider says about somebody.
_KEPT = ("sub", "email", "email_verified")


def provider_id() -> str:
    """The configured provider's name in our tables and addresses: another issuer has another.

    A `sub` means somebody only together with its issuer (OpenID Connect Core 2).
    """
    return hashlib.sha256(settings.OIDC_ISSUER.encode()).hexdigest()[:12]


def configured() -> list[SocialApp]:
    """The configured provider, as allauth wants it; empty without one."""
    if not settings.OIDC_ISSUER:
        return []
    return [
        SocialApp(
            provider="openid_connect",
            provider_id=provider_id(),
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"server_url": settings.OIDC_ISSUER, "oauth_pkce_enabled": True},
        )
    ]


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Knows the provider of the settings and no other, and links by confirmed addresses only."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        return [
            app
            for app in configured()
            if provider in (None, app.provider, app.provider_id)
            and client_id in (None, app.client_id)
        ]

    def new_user(self, request: HttpRequest, sociallogin: SocialLogin) -> User:
        """With a time of joining: allauth keeps the user in the session, before there is a row."""
        user: User = super().new_user(request, sociallogin)
        user.date_joined = timezone.now()
        return user

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> User:
        """Take an address for confirmed by `true` alone: some providers send the word "false"."""
        for address in sociallogin.email_addresses:
            address.verified = address.verified is True
        user: User = super().populate_user(request, sociallogin, data)
        return user

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """allauth asks for addresses that the provider has confirmed; ours must be, too."""
        return bool(EmailAddress.objects.filter(email__iexact=email, verified=True).exists())

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Keep no more of the person than signing in needs; refuse an answer about two people."""
        account = sociallogin.account
        parts = [part for part in account.extra_data.values() if isinstance(part, dict)]
        if {part.get("sub") for part in parts} != {account.uid}:
            # OpenID Connect Core 5.3.2: user info about somebody else must not be used.
            raise ImmediateHttpResponse(redirect("socialaccount_login_error"))
        said = {key: value for part in reversed(parts) for key, value in part.items()}
        account.extra_data = {"userinfo": {key: said[key] for key in _KEPT if key in said}}
        if account.pk:
            account.save(update_fields=["extra_data"])
