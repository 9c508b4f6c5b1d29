"""What signing up, in and out does beyond allauth's own."""

from collections.abc import Sequence
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts import devices, reauthentication, sign_in_events
from accounts.models import User
from accounts.second_factors import has_second_factor

_TO_THE_FORMER_ADDRESS = "account/email/email_changed"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Keeps the language of signing up, audits signing in, and tells people of it by notices."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.language = get_language() or ""
        saved: User = super().save_user(request, user, form, commit=commit)
        return saved

    def login(self, request: HttpRequest, user: User) -> None:
        """Reached once every step is done: password or provider, confirmed address, second factor."""
        first = user.last_login is None
        super().login(request, user)
        reauthentication.signed_in_now(request, user)
        sign_in_events.signed_in(request, user, first=first)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        devices.remember(request, response, user)
        return response

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        sign_in_events.sign_in_failed(request, email=str(credentials.get("email", "")))

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Who has a second factor confirms by it, and not by the password.

        What allauth calls a security key is a passkey on our pages.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        # allauth asks about nobody, too, before it leads them to sign in.
        if user.is_authenticated and has_second_factor(user):
            methods = [method for method in methods if method["id"] != "reauthenticate"]
        for method in methods:
            if method["id"] == "mfa_reauthenticate:webauthn":
                method["description"] = _("Use a passkey")
        return methods

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """People are told by notices, but for a former address, which no notice reaches any more."""
        if template_prefix == _TO_THE_FORMER_ADDRESS and email:
            self.send_mail(template_prefix, email, context or {})


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth has no types
    """Audits sessions that are ended from another one."""

    @transaction.atomic
    def end_sessions(self, sessions: Sequence[UserSession]) -> None:
        super().end_sessions(sessions)
        if sessions:
            user = sessions[0].user
            sign_in_events.sessions_ended(user, count=len(sessions), now=timezone.now())
