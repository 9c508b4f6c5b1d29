"""Which host serves what, where the back office has a host of its own, and addresses that fit it."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

OFFICE = ("/admin/", "/api/v1/admin/")
# What officers need besides: to sign in, to see to their account, and to read.
_BESIDE_IT = (
    "/static/", "/account/login/", "/account/logout/", "/account/2fa/", "/account/reauthenticate/",
    "/account/password/", "/account/email/", "/account/confirm-email/", "/account/sessions/",
    "/account/oidc/", "/account/3rdparty/", "/notices/",
    "/token/", "/api/v1/token/", "/api/schema/", "/api/docs/", "/api/problems/",
)  # fmt: skip


def is_office(request: HttpRequest) -> bool:
    """Whether the request came to the back office's own host."""
    return bool(request.get_host().partition(":")[0] == settings.BACK_OFFICE_HOST)


def serves(path: str, *, by_office: bool) -> bool:
    """Whether there is anything at the path, on the back office's own host or on another one."""
    if not settings.BACK_OFFICE_HOST:
        return True
    if not by_office:
        return not path.startswith(OFFICE)
    return path == "/" or path.startswith((*OFFICE, *_BESIDE_IT))


def absolute(path: str) -> str:
    """The address of a path: below SITE_URL, or on the back office's own host what is there only."""
    if serves(path, by_office=False):
        return str(settings.SITE_URL).rstrip("/") + path
    site = urlsplit(settings.SITE_URL)
    port = f":{site.port}" if site.port else ""
    return f"{site.scheme}://{settings.BACK_OFFICE_HOST}{port}{path}"


def address(path: str, *, by_office: bool) -> str:
    """The path itself where the host that is asked serves it, or else its address on the other one."""
    return path if serves(path, by_office=by_office) else absolute(path)
