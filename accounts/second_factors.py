"""Second factors of signing in: authenticator app, passkeys, recovery codes (docs/identity.md).

allauth keeps and checks them; this module says how their secrets are stored, what a passkey is bound
to, and who has a second factor.
"""

import base64
from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe
from qrcode.main import QRCode  # type: ignore[import-untyped]

from accounts.models import User
from agora.lib import crypto

# Recovery codes are no factor of their own: they stand in for one that is lost.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_QUIET_ZONE = 4  # modules of white around a QR code (ISO/IEC 18004)


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


def factors_of(user: User) -> QuerySet[Authenticator]:
    """The user's second factors, recovery codes not counted."""
    factors: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type__in=FACTORS)
    return factors


def has_second_factor(user: User) -> bool:
    """Whether the user has an authenticator app or a passkey; one query."""
    return bool(factors_of(user).exists())


def add_authenticator_app(*, user: User, secret: str) -> Authenticator:
    """Give the user an authenticator app with this secret (base32), as a demo or a test needs it."""
    sealed = SecondFactorAdapter().encrypt(secret)
    return Authenticator.objects.create(
        user=user, type=Authenticator.Type.TOTP, data={"secret": sealed}
    )
