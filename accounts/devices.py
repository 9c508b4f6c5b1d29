"""Browsers that people sign in from: their names for people, and which ones are known.

A browser is remembered by a signed cookie that holds no id of its own, only keyed digests of the
people who have signed in there: it tells others nothing, and there is no table of browsers.
"""

import re

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.models import User

COOKIE = "__Host-agora_known" if settings.SITE_IS_HTTPS else "agora_known"
REMEMBERED_SECONDS = 365 * 24 * 60 * 60
_MOST_PEOPLE = 10
_SALT = "accounts.devices"

# What a browser says of itself is nobody's text but its sender's: only these words are ever shown.
_BROWSERS = (
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Chrome", r"Chrom(e|ium)/|CriOS/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("Android", r"Android"),
    ("iOS", r"iPhone|iPad"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
)


def describe(user_agent: str) -> str:
    """Browser and system in words, such as "Firefox on Windows"; never the sender's own text."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("an unknown program")


def is_known(request: HttpRequest, user: User) -> bool:
    """Whether the user has signed in from this browser before."""
    return _digest(user) in _people(request)


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Know this browser as the user's from now on, for a year."""
    mine = _digest(user)
    people = [mine, *(other for other in _people(request) if other != mine)][:_MOST_PEOPLE]
    response.set_cookie(
        COOKIE,
        signing.dumps(people, salt=_SALT),
        max_age=REMEMBERED_SECONDS,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _people(request: HttpRequest) -> list[str]:
    try:
        people = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=REMEMBERED_SECONDS
        )
    except signing.BadSignature:
        return []
    return [str(person) for person in people]


def _digest(user: User) -> str:
    return salted_hmac(_SALT, str(user.pk), algorithm="sha256").hexdigest()[:32]


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for name, mark in names if re.search(mark, user_agent)), "")
