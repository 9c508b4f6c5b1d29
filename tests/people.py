"""People for tests: onboarded through the service that pages and API use."""

import itertools
import time
from datetime import datetime
from decimal import Decimal

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from stdnum.br import cpf

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from kyc import consent
from kyc import services as kyc

_numbers = itertools.count(1)


TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def new_user(*, email: str = "", password: str | None = None, is_staff: bool = False) -> User:
    """A user who has signed up and nothing more; staff have an authenticator app too."""
    address = email or f"person{next(_numbers)}@example.com"
    user = User.objects.create_user(address, password, is_staff=is_staff)
    if is_staff:
        add_authenticator_app(user=user, secret=TOTP_SECRET)
    return user


def new_officer(*permissions: str, is_superuser: bool = False) -> User:
    """An officer with these permissions (codenames) whom the back office lets in."""
    user = new_user(is_staff=True)
    user.is_superuser = is_superuser
    user.save(update_fields=["is_superuser"])
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)  # without permissions that were looked up before


def signed_in_recently(client: Client, user: User) -> Client:
    """The client with a session whose owner has just shown who they are."""
    client.force_login(user)
    return client


def current_code(secret: str = TOTP_SECRET) -> str:
    """What an authenticator app with this secret shows now (RFC 6238)."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def note_sign_in(client: Client, user: User, *methods: str, ago: float = 0) -> None:
    """Let the client's session say that its owner showed these so many seconds ago, and nothing else."""
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": method, "at": time.time() - ago, "reauthenticated": True} for method in methods
    ]
    session.save()


def new_cpf() -> str:
    """A valid CPF that no other test of this run uses."""
    return a_cpf(next(_numbers))


def new_address() -> str:
    """A wallet address that no other test of this run uses."""
    return an_address(next(_numbers))


def a_cpf(number: int) -> str:
    """A CPF with right check digits."""
    base = f"{100_000_000 + number:09d}"
    return base + str(cpf._calc_check_digits(base))


def an_address(number: int) -> str:
    return f"0x{number + 0xA0000:040x}"


def onboarded(*, now: datetime | None = None) -> User:
    """A user from Brazil approved for tier 1, with a wallet."""
    user = new_user()
    kyc.onboard(
        user=user,
        full_name="Person of a Test",
        country="BR",
        tax_id=new_cpf(),
        wallet_address=new_address(),
        consent=True,
        now=now or timezone.now(),
    )
    return User.objects.get(pk=user.pk)


def willing(*, now: datetime | None = None) -> User:
    """An onboarded user who has agreed to show documents."""
    user = onboarded(now=now)
    consent.record(user=user, terms=consent.VERIFICATION, language="en", now=now or timezone.now())
    return user


def with_limit_used(user: User, amount: Decimal) -> None:
    """Pretend that the user has spent this much of today's limit."""
    limit = user.kyc_application.daily_limit
    limit.used_usd = amount
    limit.save(update_fields=["used_usd"])
