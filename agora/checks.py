"""System checks on settings that contradict each other or are unsafe in production."""

from pathlib import Path
from urllib.parse import urlparse

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.core.checks import register as register_check

from agora.lib.crypto import _ring


def register() -> None:
    """Add Agora's checks to `manage.py check`."""
    register_check(check_field_keys, Tags.security)
    register_check(check_documents, Tags.security)
    register_check(check_production, Tags.security, deploy=True)


def check_field_keys(**_: object) -> list[CheckMessage]:
    """FIELD_KEYS must be readable before the first row is written with them."""
    try:
        _ring(settings.FIELD_KEYS)
    except Exception as error:
        return [Error(str(error), id="agora.E001")]
    return []


def check_documents(**_: object) -> list[CheckMessage]:
    """Documents must not lie below a folder that the site serves."""
    documents = settings.DOCUMENTS_DIR.resolve()
    for served in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS):
        if documents.is_relative_to(Path(served).resolve()):
            return [Error("DOCUMENTS_DIR lies below a folder of static files.", id="agora.E005")]
    return []


def check_production(**_: object) -> list[CheckMessage]:
    """What a real deployment must not have."""
    found: list[CheckMessage] = []
    if settings.FAILPOINTS_DIR:
        found.append(
            Error(
                "FAILPOINTS_DIR is set: anyone who can write there kills workers.", id="agora.E002"
            )
        )
    for name in ("ALPACA_BASE_URL", "ALPACA_DATA_URL", "FIREBLOCKS_BASE_URL", "BINANCE_BASE_URL"):
        url = urlparse(getattr(settings, name))
        if url.scheme != "https":
            found.append(Error(f"{name} is not https.", id="agora.E003"))
    if settings.OIDC_ISSUER and urlparse(settings.OIDC_ISSUER).scheme != "https":
        found.append(Error("OIDC_ISSUER is not https.", id="agora.E004"))
    if settings.SITE_IS_HTTPS and settings.EMAIL_BACKEND.endswith(".console.EmailBackend"):
        found.append(
            Error(
                "E-mail is printed, links to reset passwords too: whoever reads the log has them.",
                hint="Set EMAIL_URL, as smtp+tls://user:password@host:587.",
                id="agora.E006",
            )
        )
    if settings.SITE_IS_HTTPS and not settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        found.append(
            checks.Warning(
                "SITE_URL is https, but TRUSTED_PROXY_COUNT is 0: behind a proxy all clients share "
                "one address, and wrong tokens of one close the API to all.",
                hint="Set TRUSTED_PROXY_COUNT to how many proxies add to X-Forwarded-For.",
                id="agora.W003",
            )
        )
    found += _anchors()
    if not settings.SCREENING_REQUIRED:
        found.append(
            checks.Warning(
                "SCREENING_REQUIRED is off: people are approved while no sanctions list is loaded.",
                id="agora.W002",
            )
        )
    if not settings.CONTRACT_ADDRESS:
        found.append(
            checks.Warning("CONTRACT_ADDRESS is not set: nothing can be minted.", id="agora.W001")
        )
    return found


def _anchors() -> list[CheckMessage]:
    """The head of the audit trail must be told where who has this machine cannot write."""
    if not settings.AUDIT_ANCHORS_DIR and not settings.AUDIT_ANCHORS_BUCKET:
        return [
            checks.Warning(
                "The audit trail is anchored nowhere: who owns the database can write it anew.",
                hint="Set AUDIT_ANCHORS_DIR or AUDIT_ANCHORS_BUCKET (docs/audit-trail.md).",
                id="agora.W005",
            )
        ]
    if Path(settings.AUDIT_ANCHORS_DIR) == settings.DATA_DIR / "anchors":
        return [
            checks.Warning(
                "AUDIT_ANCHORS_DIR is the default: it lies beside the data, and a verification on "
                "another machine misses every anchor.",
                hint="Set it to a folder that worker and auditor share, or to nothing with a bucket.",
                id="agora.W004",
            )
        ]
    return []
