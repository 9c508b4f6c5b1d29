"""Second factors of signing in: authenticator app, passkeys, recovery codes (docs/identity.md).

allauth keeps and checks them; this module says how their secrets are stored, what a passkey is bound
to, and who has a second factor.
"""

import base64
import re
from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe
from qrcode.main import QRCode  # type: ignore[import-untyped]

from accounts.models import User
from agora.lib import crypto

# Recovery codes are no factor of their own: they stand in for one that is lost.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# As long as allauth takes a code: its own step of 30 s, the one before and the one after.
_CODE_SECONDS = 90
_QUIET_ZONE = 4  # modules of white around a QR code (ISO/IEC 18004)


class WrongCode(Exception):
    """Not a code that the user's second factor gives now, or one that was used."""


class TooManyCodes(Exception):
    """Too many codes were tried for this user, or from this address."""


class _OnceOnly:
    """Takes a code once: allauth itself forgets a used one after 30 s, while it is good for 90."""

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        user: User = self.user  # type: ignore[attr-defined]
        if not cache.add(f"second-factor:{user.pk}:{_digits(code)}", 1, timeout=_CODE_SECONDS):
            self._emit_authentication_failed(self.authenticator)  # type: ignore[attr-defined]
            raise SecondFactorAdapter().validation_error("incorrect_code")
        return code


class AuthenticateOnce(_OnceOnly, AuthenticateForm):  # type: ignore[misc]
    """The form that asks for a code when signing in."""


class ReauthenticateOnce(_OnceOnly, ReauthenticateForm):  # type: ignore[misc]
    """The form that asks for a code before a page that could do harm."""


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Seals secrets with FIELD_KEYS, and binds passkeys to the site's own name."""

    def encrypt(self, text: str) -> str:
        """Sealed text; allauth names no row here, so it is bound to table and column only."""
        sealed = crypto.encrypt(text, table="mfa_authenticator", column="data", row="")
        return base64.b64encode(sealed).decode()

    def decrypt(self, encrypted_text: str) -> str:
        sealed = base64.b64decode(encrypted_text)
        return crypto.decrypt(sealed, table="mfa_authenticator", column="data", row="")

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Staff keep one factor at least: without it the back office is closed to them."""
        user = authenticator.user
        return not user.is_staff or factors_of(user).exclude(pk=authenticator.pk).exists()

    def build_totp_svg(self, url: str) -> SafeString:
        """The QR code as inline SVG: the pages' policy allows no image from a data: address."""
        code = QRCode(border=_QUIET_ZONE)
        code.add_data(url)
        rows = code.get_matrix()
        dots = "".join(
            f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
        )
        return mark_safe(  # noqa: S308  # digits and letters of our own only
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(rows)} {len(rows)}" '
            f'shape-rendering="crispEdges" aria-hidden="true"><path d="{dots}"/></svg>'
        )

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """A passkey belongs to the host of SITE_URL, whatever name a request came in by."""
        return {"id": str(urlsplit(settings.SITE_URL).hostname), "name": "Agora"}


def _digits(code: str) -> str:
    return re.sub(r"[^0-9a-z]", "", code.lower())


def factors_of(user: User) -> QuerySet[Authenticator]:
    """The user's second factors, recovery codes not counted."""
    factors: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type__in=FACTORS)
    return factors


def has_second_factor(user: User) -> bool:
    """Whether the user has an authenticator app or a passkey; one query."""
    return bool(factors_of(user).exists())


def check_code(*, user: User, code: str) -> None:
    """Use up a code of the user's authenticator app or a recovery code, outside a sign-in page.

    Raises WrongCode, or TooManyCodes: attempts of pages and of the API are counted together. Only
    inside a request.
    """
    form = AuthenticateOnce(user=user, data={"code": code})
    if form.is_valid():
        form.authenticator.record_usage()
        return
    codes = {error.code for error in form.errors.as_data().get("code", [])}
    raise TooManyCodes if "too_many_login_attempts" in codes else WrongCode


def add_authenticator_app(*, user: User, secret: str) -> Authenticator:
    """Give the user an authenticator app with this secret (base32), as a demo or a test needs it."""
    sealed = SecondFactorAdapter().encrypt(secret)
    return Authenticator.objects.create(
        user=user, type=Authenticator.Type.TOTP, data={"secret": sealed}
    )
