"""Content security policy, scoped by path.

Uses the setting name of Django 6 (``SECURE_CSP``), so that this module can go when the project moves
there. Retail pages load nothing but our own files and run no inline script or style.
"""

from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from agora.lib import hosts

Policy = Mapping[str, Sequence[str]]

SELF = "'self'"
NONE = "'none'"

RETAIL: Policy = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "manifest-src": [SELF],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}
# The back office runs Alpine, which evaluates expressions and sets styles; never inline scripts.
ADMIN: Policy = {
    **RETAIL,
    "script-src": [SELF, "'unsafe-eval'"],
    "style-src": [SELF, "'unsafe-inline'"],
    "img-src": [SELF, "data:"],
}
# The API's Swagger page sets styles and draws its icons from data: addresses.
API_DOCS: Policy = {
    **RETAIL,
    "style-src": [SELF, "'unsafe-inline'"],
    "img-src": [SELF, "data:"],
}


def _retail() -> Policy:
    """A notice opens by a form, and may lead to the other host where the back office has its own."""
    if not settings.BACK_OFFICE_HOST:
        return RETAIL
    return {**RETAIL, "form-action": [SELF, hosts.absolute("/"), hosts.absolute("/admin/")]}


def header_value(policy: Policy) -> str:
    """The policy as the value of a Content-Security-Policy header."""
    return "; ".join(" ".join([directive, *sources]) for directive, sources in policy.items())


class ContentSecurityPolicyMiddleware:
    """Adds the policy of the longest matching path prefix, unless the view set its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.default = header_value(getattr(settings, "SECURE_CSP", _retail()))
        by_path: Mapping[str, Policy] = getattr(
            settings, "SECURE_CSP_BY_PATH", {"/admin/": ADMIN, "/api/docs/": API_DOCS}
        )
        self.by_path = sorted(
            ((prefix, header_value(policy)) for prefix, policy in by_path.items()),
            key=lambda pair: -len(pair[0]),
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy_for(request.path))
        return response

    def policy_for(self, path: str) -> str:
        for prefix, value in self.by_path:
            if path.startswith(prefix):
                return value
        return self.default
